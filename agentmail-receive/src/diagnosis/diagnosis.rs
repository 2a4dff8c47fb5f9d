use std::fmt;

use agentmail_verify::{SignedHeaders, VerifyError};
use serde::Serialize;

use super::{
    budget::DiagnosisBudget,
    captured::CapturedRequest,
    cause::{Cause, Certainty},
    evidence,
    kind::Kind,
    search::{Found, Hit, Search},
    secrets::DiagnosisSecrets,
    signatures::Signatures,
    signed_text::SignedTexts,
};

/// Why a request was refused, as far as it can be known: the causes, the most certain first.
///
/// It takes no part in the decision about a delivery. No part of it contains a secret, a MAC, or a
/// part of the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Diagnosis {
    causes: Vec<Cause>,
    signature_matches: bool,
    tried: String,
    hashed_bytes: u64,
}

impl Diagnosis {
    /// Diagnoses a request.
    ///
    /// It takes time: run it on a thread where blocking is acceptable. It hashes no more than
    /// `budget`, and never panics, whatever the request contains.
    pub fn of(
        request: &CapturedRequest,
        secrets: &DiagnosisSecrets,
        budget: DiagnosisBudget,
    ) -> Self {
        let signatures = Signatures::of(request);
        let texts = SignedTexts::of(request, &signatures);
        let found = request
            .body()
            .map(|body| Search::new(body, &signatures, &texts, secrets, budget).run());
        let hit = found.as_ref().and_then(|found| found.hit.as_ref());
        let signature_matches = hit.is_some_and(|hit| hit.steps.is_empty());

        let mut causes = Vec::new();
        if let Some(hit) = hit {
            causes.extend(proven(hit));
            causes.extend(expired(request, secrets, hit));
        }
        let of_headers = evidence::of_headers(request, &signatures, &texts);
        causes.extend(
            of_headers.into_iter().filter(|cause| hit.is_none() || cause.stays_beside_proof()),
        );
        causes.extend(evidence::of_time(request, &texts, secrets.tolerance(), hit.is_some()));
        if let (None, Some(body)) = (hit, request.body()) {
            causes.extend(evidence::of_body(body));
        }
        let is_other = causes.iter().any(|cause| cause.kind() == Kind::OtherSender);
        if let Some(found) = found
            .as_ref()
            .filter(|found| found.hit.is_none() && !signatures.macs.is_empty() && !is_other)
        {
            causes.push(unknown(found, secrets));
        }
        dedupe(&mut causes);

        let tried = found.as_ref().map_or_else(no_body, |found| found.tried.sentence());
        let hashed_bytes = found.as_ref().map_or(0, |found| found.hashed_bytes);
        Self { causes, signature_matches, tried, hashed_bytes }
    }

    /// Returns the causes, the most certain first. It is empty if nothing is wrong, as far as the
    /// headers, the clock and the signature show.
    pub fn causes(&self) -> &[Cause] {
        &self.causes
    }

    /// Returns whether the signature is right without any change. The timestamp may still be old.
    #[must_use]
    pub const fn signature_matches(&self) -> bool {
        self.signature_matches
    }

    /// Returns what was tried, in one sentence.
    #[must_use]
    pub fn tried(&self) -> &str {
        &self.tried
    }

    /// Returns how many bytes were hashed. It is at most the budget.
    #[must_use]
    pub const fn hashed_bytes(&self) -> u64 {
        self.hashed_bytes
    }
}

impl fmt::Display for Diagnosis {
    /// Writes the first cause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.causes.first() {
            Some(cause) => cause.fmt(f),
            None => f.write_str("no cause was found"),
        }
    }
}

impl Cause {
    /// What remains a cause of its own if the signature matches after a change.
    const fn stays_beside_proof(&self) -> bool {
        matches!(
            self.kind(),
            Kind::SignatureForm
                | Kind::TimestampMilliseconds
                | Kind::TimestampForm
                | Kind::HeaderRepeated
                | Kind::HeaderMissing
                | Kind::HeaderRenamed
        )
    }
}

fn proven(hit: &Hit) -> impl Iterator<Item = Cause> {
    let matched = format!("with this undone, the signature of the secret `{}` matches", hit.label);
    hit.steps.clone().into_iter().map(move |step| {
        let kind = step.kind();
        Cause::new(kind, Certainty::Proven, step.into_sentence(), matched.clone())
    })
}

/// Finds a secret that the verifier has accepted when the delivery was signed, and does not now.
fn expired(request: &CapturedRequest, secrets: &DiagnosisSecrets, hit: &Hit) -> Option<Cause> {
    let (verifier, body) = (secrets.verifier()?, request.body()?);
    let is_plain = hit.steps.is_empty() && secrets.texts().is_empty();
    let headers = SignedHeaders::parse(|header| request.webhook_values(header)).ok()?;
    let verified = verifier.verify(&headers, body, request.received_at()?);
    if !is_plain || verified.err()? != VerifyError::Mismatch {
        return None;
    }
    Some(Cause::new(
        Kind::ExpiredSecret,
        Certainty::Proven,
        format!(
            "the signature was made with the old secret `{}`, which is no longer accepted",
            hit.label
        ),
        "the signature matches at the time when it was made, and not now",
    ))
}

fn unknown(found: &Found, secrets: &DiagnosisSecrets) -> Cause {
    let has_secret = secrets.verifier().is_some() || !secrets.texts().is_empty();
    let sentence = if has_secret {
        "the signature was made with another secret, or the body was changed in a way that was \
         not tried, or the delivery is forged"
    } else {
        "no secret was given, so the signature was not checked"
    };
    Cause::new(Kind::Unknown, Certainty::Unknown, sentence, found.tried.sentence())
}

fn no_body() -> String {
    "only the headers were looked at, because the body was not read".to_owned()
}

/// Sorts the causes, and keeps the most certain of each kind.
fn dedupe(causes: &mut Vec<Cause>) {
    causes.sort_by_key(Cause::rank);
    let mut seen = Vec::new();
    causes.retain(|cause| {
        let is_new = !seen.contains(&cause.kind());
        seen.push(cause.kind());
        is_new
    });
}
