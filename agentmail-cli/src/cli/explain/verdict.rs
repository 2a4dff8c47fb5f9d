use agentmail_receive::{
    SecretText,
    diagnosis::{Cause, Certainty, Diagnosis, DiagnosisBudget, DiagnosisSecrets},
};
use agentmail_verify::{Event, SecretError, UnixTime, Verifier, VerifyError, from_json};
use serde::Serialize;

use super::request::ParsedRequest;
use crate::cli::{
    exit::Exit,
    output::{BAD, GOOD, Output, UNSURE, plain},
    secret_args::VARIABLE,
};

/// Whether a request verifies, and why not. `--json` writes it.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Verdict {
    verdict: Kind,
    /// The code that a receiver logs, or the fault of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    reason: String,
    #[serde(flatten)]
    diagnosis: Diagnosis,
    notes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Verified,
    Refused,
    NotChecked,
}

/// The result of the checks, without a diagnosis.
type Checked = Result<String, (Option<&'static str>, String)>;

impl Verdict {
    /// Checks a request, and diagnoses it.
    pub(in crate::cli) fn of(
        request: &ParsedRequest,
        text: Option<&SecretText>,
        others: Vec<SecretText>,
        budget: DiagnosisBudget,
    ) -> Self {
        let headers = request.signed_headers();
        let mut notes = request.notes.clone();
        let signed_at = headers.as_ref().ok().map(|headers| headers.signed_at());
        let received_at = request.received_at.map(UnixTime::from_secs).or(signed_at);
        if request.received_at.is_none() && !request.headers.is_empty() {
            let note = "when it arrived is not known, so its age was not checked; see --at";
            notes.push(note.to_owned());
        }
        let secret = text.map(SecretText::secret);
        let checked = match (&headers, &secret) {
            (Err(error), _) => Err(refused(*error)),
            (_, None) => {
                Err((None, format!("there is no secret: set {VARIABLE}, or use --secret-file")))
            }
            (_, Some(Err(error))) => Err((Some("secret"), no_receiver(*error))),
            (Ok(headers), Some(Ok(secret))) => Verifier::new(secret.clone())
                .verify(headers, &request.body, received_at.unwrap_or(headers.signed_at()))
                .map(|_| signed(&request.body))
                .map_err(refused),
        };
        let mut secrets = DiagnosisSecrets::new();
        if let Some(text) = text {
            secrets = secrets.with_text(text.clone());
        }
        for text in others {
            secrets = secrets.with_other_text(text);
        }
        let diagnosis = Diagnosis::of(&request.captured(), &secrets, budget);
        Self::new(checked, diagnosis, notes)
    }

    fn new(checked: Checked, diagnosis: Diagnosis, notes: Vec<String>) -> Self {
        let (verdict, code, reason) = match checked {
            Ok(reason) => (Kind::Verified, None, reason),
            Err((None, reason)) => (Kind::NotChecked, None, reason),
            Err((code, reason)) => (Kind::Refused, code, reason),
        };
        Self { verdict, code, reason, diagnosis, notes }
    }

    pub(in crate::cli) const fn exit(&self) -> Exit {
        match self.verdict {
            Kind::Verified => Exit::AsExpected,
            Kind::Refused => Exit::Refused,
            Kind::NotChecked => Exit::Usage,
        }
    }

    pub(in crate::cli) const fn is_verified(&self) -> bool {
        matches!(self.verdict, Kind::Verified)
    }

    /// The verdict in one line, without its causes.
    pub(in crate::cli) fn headline(&self) -> String {
        let (style, word) = match self.verdict {
            Kind::Verified => (GOOD, "verified"),
            Kind::Refused => (BAD, "refused"),
            Kind::NotChecked => (UNSURE, "not checked"),
        };
        let code = self.code.map(|code| format!(": {code}")).unwrap_or_default();
        format!("{style}{word}{style:#}{code}: {}", plain(&self.reason))
    }

    pub(in crate::cli) fn print(&self, output: &Output) {
        if output.is_json() {
            return output.json(self);
        }
        output.line(&self.headline());
        self.print_causes(output);
        for note in &self.notes {
            output.note(&format!("note: {note}"));
        }
    }

    pub(in crate::cli) fn print_causes(&self, output: &Output) {
        if self.is_verified() {
            return;
        }
        // Without a secret, "unknown" says nothing about the request.
        let says_something = |cause: &&Cause| {
            self.verdict != Kind::NotChecked || cause.certainty() != Certainty::Unknown
        };
        for cause in self.diagnosis.causes().iter().filter(says_something) {
            let style = match cause.certainty() {
                Certainty::Proven => BAD,
                _ => UNSURE,
            };
            let certainty = cause.certainty();
            output.line("");
            output.line(&format!("{style}{}{style:#} ({certainty})", cause.code()));
            output.line(&format!("  what:  {}", plain(cause.sentence())));
            output.line(&format!("  do:    {}", cause.fix()));
            output.line(&format!("  tried: {}", cause.tried()));
        }
    }
}

fn refused(error: VerifyError) -> (Option<&'static str>, String) {
    (Some(error.code()), error.to_string())
}

fn no_receiver(error: SecretError) -> String {
    format!("a receiver does not start with this secret: {error}")
}

/// Says what was signed: the ids of a mail, which are not its text.
fn signed(body: &[u8]) -> String {
    match from_json::<Event>(body) {
        Ok(Event::MailReceived(mail)) => format!(
            "the signature is right; a mail.received, agent {:?}, message {:?}",
            mail.agent_id, mail.message_id
        ),
        Ok(event) => format!("the signature is right; an event of the type {:?}", event.kind()),
        Err(error) => format!("the signature is right, but a handler responds 422: {error}"),
    }
}
