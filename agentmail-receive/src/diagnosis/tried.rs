use std::collections::BTreeMap;

/// What a MAC was computed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Secret,
    OtherSecret,
    SecretForm,
    SignedText,
    BodyChange,
    JsonForm,
    Pair,
}

/// What a search has tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tried {
    counts: BTreeMap<Family, usize>,
    /// Whether no secret's text is known, so that its forms were not tried.
    without_text: bool,
    pub(super) exhausted: bool,
}

impl Tried {
    pub(super) fn new(without_text: bool) -> Self {
        Self { without_text, ..Self::default() }
    }

    pub(super) fn count(&mut self, family: Family) {
        let count = self.counts.entry(family).or_default();
        *count = count.saturating_add(1);
    }

    /// Says in one sentence what was tried, and what was not.
    pub(super) fn sentence(&self) -> String {
        if self.counts.is_empty() {
            return "no MAC was computed".to_owned();
        }
        let tried =
            self.counts.iter().map(|(family, count)| format!("{count} × {}", family.name()));
        let mut sentence = tried.collect::<Vec<_>>().join(", ");
        if self.without_text {
            sentence.push_str("; the text of the secret is not known, so its forms were not tried");
        }
        if self.exhausted {
            sentence.push_str("; the budget ended before everything was tried");
        }
        sentence
    }
}

impl Family {
    const fn name(self) -> &'static str {
        match self {
            Self::Secret => "the secret as given",
            Self::OtherSecret => "another secret",
            Self::SecretForm => "a form of the secret",
            Self::SignedText => "a form of the signed text",
            Self::BodyChange => "a change of the body",
            Self::JsonForm => "a form of the body's JSON",
            Self::Pair => "a pair of these",
        }
    }
}
