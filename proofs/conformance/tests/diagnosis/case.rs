//! A delivery with known mistakes, made by `diagnosis.py`.

use std::process::Command;

use agentmail_receive::{
    SecretText,
    diagnosis::{CapturedRequest, Diagnosis, DiagnosisBudget, DiagnosisSecrets},
};
use agentmail_verify::{Label, UnixTime};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Cases {
    other_secret: String,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    secret: String,
    headers: Vec<(String, String)>,
    body: String,
    declared_length: Option<u64>,
    now: u64,
    /// The causes, the first one first. For a pair: the two mistakes.
    pub(crate) codes: Vec<String>,
    pub(crate) certainty: Option<String>,
}

impl Cases {
    pub(crate) fn load() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/diagnosis.py");
        let python = Command::new("python3").arg(script).output().unwrap();
        assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
        serde_json::from_slice(&python.stdout).unwrap()
    }

    pub(crate) fn other_secret(&self) -> SecretText {
        SecretText::new(bytes(&self.other_secret)).with_label(Label::new("staging").unwrap())
    }
}

impl Case {
    pub(crate) fn is_pair(&self) -> bool {
        self.certainty.as_deref() == Some("pair")
    }

    pub(crate) fn secret(&self) -> SecretText {
        SecretText::new(bytes(&self.secret))
    }

    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.now)
    }

    /// Returns whether the request declares more than its body has, which no server accepts.
    pub(crate) fn is_cut(&self) -> bool {
        self.declared_length.is_some()
    }

    pub(crate) fn headers(&self) -> Vec<(&str, Vec<u8>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), bytes(value))).collect()
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        bytes(&self.body)
    }

    pub(crate) fn diagnosis(&self, cases: &Cases) -> Diagnosis {
        let headers = self.headers();
        let headers = headers.iter().map(|(name, value)| (*name, &**value));
        let request = CapturedRequest::new(headers)
            .with_received_at(self.now())
            .with_body(self.body())
            .with_declared_length(self.declared_length);
        let secrets =
            DiagnosisSecrets::new().with_text(self.secret()).with_other_text(cases.other_secret());
        Diagnosis::of(&request, &secrets, DiagnosisBudget::EXPLAIN)
    }
}

fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap()).collect()
}
