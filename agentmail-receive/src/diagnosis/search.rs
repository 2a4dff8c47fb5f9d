use std::{
    borrow::Cow,
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use agentmail_verify::Label;

use super::{
    body_forms,
    budget::{DiagnosisBudget, Meter},
    json::Json,
    json_forms::JsonForm,
    key::Key,
    kind::Kind,
    secret_forms,
    secrets::DiagnosisSecrets,
    signatures::Signatures,
    signed_text::{SignedText, SignedTexts},
    tried::{Family, Tried},
};

/// One mistake that a search undoes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    kind: Kind,
    sentence: Cow<'static, str>,
}

impl Step {
    pub(super) fn new(kind: Kind, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, sentence: sentence.into() }
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn into_sentence(self) -> Cow<'static, str> {
        self.sentence
    }

    #[cfg(test)]
    pub(super) fn sentence(&self) -> &str {
        &self.sentence
    }
}

/// A signature that matches after these mistakes are undone.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) label: Label,
    pub(super) steps: Vec<Step>,
}

/// What a search has found, and what it took.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) hit: Option<Hit>,
    pub(super) tried: Tried,
    pub(super) hashed_bytes: u64,
}

/// A key, and the mistakes that lead to it.
struct Candidate<'a> {
    key: Key<'a>,
    steps: Vec<Step>,
}

/// Looks for the mistakes that explain a signature: no mistake, then one, then two.
pub(super) struct Search<'a> {
    body: &'a [u8],
    signatures: &'a Signatures,
    texts: &'a SignedTexts,
    secrets: &'a DiagnosisSecrets,
    meter: Meter,
    tried: Tried,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        body: &'a [u8],
        signatures: &'a Signatures,
        texts: &'a SignedTexts,
        secrets: &'a DiagnosisSecrets,
        budget: DiagnosisBudget,
    ) -> Self {
        let without_text = secrets.texts().is_empty();
        let tried = Tried::new(without_text);
        Self { body, signatures, texts, secrets, meter: Meter::new(budget), tried }
    }

    pub(super) fn run(mut self) -> Found {
        let hit = if self.signatures.macs.is_empty() { None } else { self.search() };
        self.tried.exhausted = self.meter.is_exhausted();
        Found { hit, tried: self.tried, hashed_bytes: self.meter.spent() }
    }

    fn search(&mut self) -> Option<Hit> {
        let (texts, body) = (self.texts, self.body);
        let (plain, mistaken) = (&texts.as_received[..], &texts.mistaken[..]);
        let accepted = accepted(self.secrets);
        let others = others(self.secrets);
        let forms = secret_forms(self.secrets);

        self.try_all(Family::Secret, &accepted, plain, body, &[])
            .or_else(|| self.try_all(Family::OtherSecret, &others, plain, body, &[]))
            .or_else(|| self.try_all(Family::SecretForm, &forms, plain, body, &[]))
            .or_else(|| self.try_all(Family::SignedText, &accepted, mistaken, body, &[]))
            .or_else(|| self.try_changes(Family::BodyChange, &accepted, plain))
            .or_else(|| self.try_json(Family::JsonForm, &accepted, plain, body, &[]))
            .or_else(|| self.try_secret_pairs(plain))
            .or_else(|| self.try_changed(&others, plain))
            .or_else(|| self.try_changed(&forms, plain))
            .or_else(|| self.try_changed(&accepted, mistaken))
            .or_else(|| self.try_body_pairs(&accepted, plain))
    }

    /// Tries each key with each text, and one body.
    fn try_all(
        &mut self,
        family: Family,
        candidates: &[Candidate<'_>],
        texts: &[SignedText],
        body: &[u8],
        body_steps: &[Step],
    ) -> Option<Hit> {
        for candidate in candidates {
            for text in texts {
                if self.meter.is_exhausted() {
                    return None;
                }
                let macs = &self.signatures.macs;
                let found = candidate.key.find(macs, text, body, &mut self.meter);
                if !self.meter.is_exhausted() && candidate.key.signs(text) {
                    self.tried.count(family);
                }
                if let Some((at, label)) = found {
                    let of_signature = self.signatures.steps.get(at).into_iter().flatten();
                    let steps = candidate.steps.iter().chain(&text.steps);
                    let steps = steps.chain(of_signature).chain(body_steps);
                    return Some(Hit { label, steps: distinct(steps) });
                }
            }
        }
        None
    }

    fn try_changes(
        &mut self,
        family: Family,
        candidates: &[Candidate<'_>],
        texts: &[SignedText],
    ) -> Option<Hit> {
        let mut changes = body_forms::single(self.body);
        changes.find_map(|(body, step)| self.try_all(family, candidates, texts, &body, &[step]))
    }

    /// Tries each form of the JSON in this body.
    fn try_json(
        &mut self,
        family: Family,
        candidates: &[Candidate<'_>],
        texts: &[SignedText],
        body: &[u8],
        steps: &[Step],
    ) -> Option<Hit> {
        self.try_json_forms(JsonForm::all(), family, candidates, texts, body, steps)
    }

    fn try_json_forms(
        &mut self,
        forms: impl Iterator<Item = JsonForm>,
        family: Family,
        candidates: &[Candidate<'_>],
        texts: &[SignedText],
        body: &[u8],
        steps: &[Step],
    ) -> Option<Hit> {
        if self.meter.is_exhausted() {
            return None;
        }
        let text = str::from_utf8(body).ok()?;
        let json = Json::read(text)?;
        let hasher = RandomState::new();
        let mut seen = HashSet::from([hasher.hash_one(text)]);
        for form in forms {
            let written = form.write(&json);
            // Without this, each form would be tried once for each program that writes it.
            if !seen.insert(hasher.hash_one(&*written)) {
                continue;
            }
            if self.meter.is_exhausted() {
                return None;
            }
            let step = || Step::new(Kind::BodyReserialised, reserialised(form, &json, text));
            let with = |more: Option<Step>| {
                [steps.to_vec(), vec![step()], more.into_iter().collect()].concat()
            };
            // A newline after JSON is lost when the JSON is read, and may be added after it.
            let around = body_forms::around_json(body);
            let bytes = written.as_bytes();
            if let Some(hit) = self.try_all(family, candidates, texts, bytes, &with(around)) {
                return Some(hit);
            }
        }
        None
    }

    fn try_secret_pairs(&mut self, texts: &[SignedText]) -> Option<Hit> {
        let (secrets, body) = (self.secrets, self.body);
        secrets.texts().iter().find_map(|text| {
            secret_forms::pairs(text.as_bytes()).find_map(|((changed, second), first)| {
                if !self.meter.pay(changed.len()) {
                    return None;
                }
                let key = Key::new(&changed, text.label());
                let candidate = Candidate { key, steps: vec![first, second] };
                self.try_all(Family::Pair, &[candidate], texts, body, &[])
            })
        })
    }

    /// Tries keys or texts that are one mistake, with the most common changes of the body.
    fn try_changed(&mut self, candidates: &[Candidate<'_>], texts: &[SignedText]) -> Option<Hit> {
        if candidates.is_empty() || texts.is_empty() {
            return None;
        }
        let body = self.body;
        let mut changes = body_forms::common(body);
        changes
            .find_map(|(body, step)| self.try_all(Family::Pair, candidates, texts, &body, &[step]))
            .or_else(|| {
                let forms = JsonForm::common();
                self.try_json_forms(forms, Family::Pair, candidates, texts, body, &[])
            })
    }

    /// Tries two changes of the body, of which the second may be another form of its JSON.
    fn try_body_pairs(
        &mut self,
        candidates: &[Candidate<'_>],
        texts: &[SignedText],
    ) -> Option<Hit> {
        let body = self.body;
        body_forms::single(body).find_map(|(changed, first)| {
            if self.meter.is_exhausted() {
                return None;
            }
            let mut twice = body_forms::common(&changed);
            twice
                .find_map(|(twice, second)| {
                    // Two steps of one kind may be one change.
                    let is_pair = second.kind() != first.kind() && twice != body;
                    let steps = [first.clone(), second];
                    let found = || self.try_all(Family::Pair, candidates, texts, &twice, &steps);
                    is_pair.then(found).flatten()
                })
                .or_else(|| {
                    let steps = std::slice::from_ref(&first);
                    self.try_json(Family::Pair, candidates, texts, &changed, steps)
                })
        })
    }
}

/// Returns the secrets that the receiver accepts. A secret whose text is known is not tried twice.
fn accepted(secrets: &DiagnosisSecrets) -> Vec<Candidate<'_>> {
    let texts = secrets.texts().iter();
    let of_texts = texts.map(|text| Key::new(text.as_bytes(), text.label()));
    let has_text = |label| secrets.texts().iter().any(|text| text.label() == label);
    let verifier = secrets.verifier().filter(|verifier| !verifier.labels().all(has_text));
    let keys = of_texts.chain(verifier.map(Key::of_verifier));
    keys.map(|key| Candidate { key, steps: Vec::new() }).collect()
}

fn others(secrets: &DiagnosisSecrets) -> Vec<Candidate<'_>> {
    let other = secrets.other_texts().iter().map(|text| {
        let label = text.label();
        let sentence = format!(
            "the signature was made with the secret `{label}`, which the receiver does not accept"
        );
        let steps = vec![Step::new(Kind::OtherSecret, sentence)];
        Candidate { key: Key::new(text.as_bytes(), label), steps }
    });
    other.collect()
}

fn secret_forms(secrets: &DiagnosisSecrets) -> Vec<Candidate<'_>> {
    let forms = secrets.texts().iter().flat_map(|text| {
        secret_forms::single(text.as_bytes()).map(|(changed, step)| Candidate {
            key: Key::new(&changed, text.label()),
            steps: vec![step],
        })
    });
    forms.collect()
}

fn distinct<'s>(steps: impl Iterator<Item = &'s Step>) -> Vec<Step> {
    let mut kept: Vec<Step> = Vec::new();
    for step in steps {
        if !kept.iter().any(|other| other.kind() == step.kind()) {
            kept.push(step.clone());
        }
    }
    kept
}

/// Says which form was signed, and which form has arrived, if it is a known one.
fn reserialised(signed: JsonForm, json: &Json<'_>, arrived: &str) -> String {
    let is_arrived = |form: &JsonForm| form.write(json) == arrived.trim_ascii_end();
    let signed = signed.name();
    match JsonForm::all().find(is_arrived) {
        Some(form) => {
            format!("the body was re-serialised: {signed} was signed, and {} arrived", form.name())
        }
        None => format!("the body was re-serialised: {signed} was signed"),
    }
}
