use std::{borrow::Cow, fmt};

use serde::Serialize;

use super::kind::Kind;

/// A cause of a refusal, as far as it can be known.
///
/// No text of a cause contains a secret, a MAC or a part of the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Cause {
    #[serde(rename = "code", serialize_with = "code")]
    kind: Kind,
    certainty: Certainty,
    sentence: Cow<'static, str>,
    fix: &'static str,
    tried: Cow<'static, str>,
}

impl Cause {
    /// Every [`code`](Self::code).
    pub const CODES: &[&str] = Kind::CODES;

    pub(super) fn new(
        kind: Kind,
        certainty: Certainty,
        sentence: impl Into<Cow<'static, str>>,
        tried: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind, certainty, sentence: sentence.into(), fix: kind.fix(), tried: tried.into() }
    }

    /// Returns the stable, machine-readable name of the cause.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Returns how certain the cause is.
    #[must_use]
    pub const fn certainty(&self) -> Certainty {
        self.certainty
    }

    /// Returns what happened, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// Returns what an operator can do about it.
    #[must_use]
    pub const fn fix(&self) -> &'static str {
        self.fix
    }

    /// Returns what was tried or looked at to find the cause.
    #[must_use]
    pub fn tried(&self) -> &str {
        &self.tried
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// The order in a diagnosis: the most certain first.
    pub(super) const fn rank(&self) -> (Certainty, Kind) {
        (self.certainty, self.kind)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code(), self.certainty, self.sentence)
    }
}

/// How certain a [`Cause`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Certainty {
    /// With the mistake undone, the signature matches.
    Proven,
    /// The headers of the request show it.
    HeaderEvidence,
    /// The form of the body suggests it.
    ShapeEvidence,
    /// Nothing that was tried explains the refusal.
    Unknown,
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proven => "proven",
            Self::HeaderEvidence => "evidence in the headers",
            Self::ShapeEvidence => "evidence in the body",
            Self::Unknown => "unknown",
        })
    }
}

fn code<S: serde::Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.code())
}
