use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    deliver::Content,
    fault::Fault,
    record::{Attempt, Made},
    time::Time,
};

/// How many characters of the signed text are shown.
const SHOWN: usize = 120;

/// One step of a signature.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SignatureStep)]
pub(crate) struct Step {
    title: &'static str,
    /// What happens in this step, in one sentence.
    detail: String,
    /// The result of the step. A secret is never shown.
    value: Option<String>,
}

/// Returns how the signature was made, step by step.
pub(super) fn steps(attempt: &Attempt, content: &Content) -> Vec<Step> {
    let (Some(timestamp), Some(mac)) = (attempt.signature.timestamp, mac(attempt)) else {
        return Vec::new();
    };
    if attempt.signature.made == Made::Kept {
        let detail = "The retry repeats the timestamp and the signature of the first attempt.";
        return vec![step("Headers", detail.to_owned(), Some(header_lines(attempt)))];
    }
    let mut steps = vec![
        body(attempt, content),
        time(attempt, timestamp),
        text(content, timestamp),
        key(attempt.signature.made),
        step("MAC", "HMAC-SHA256 of the text, as 64 hex digits.".to_owned(), Some(mac.to_owned())),
        step("Headers", "The request has both values.".to_owned(), Some(header_lines(attempt))),
    ];
    if content.sent != content.signed {
        let detail = match attempt.fault {
            Some(Fault::Truncated) => "Half of the body is removed after it was signed.",
            _ => "The body is written again after it was signed, with other bytes.",
        };
        steps.push(step("Fault", detail.to_owned(), None));
    }
    steps
}

fn body(attempt: &Attempt, content: &Content) -> Step {
    let what = match attempt.fault {
        Some(Fault::WrongAgentId) => "The payload of the mail, with another agent's id",
        Some(Fault::FieldType) => "The payload of the mail, with two fields of another type",
        Some(Fault::Oversized) => "The payload of the mail, and spaces after it",
        _ => "The payload of the mail",
    };
    step("Body", format!("{what}: {} bytes of JSON.", content.signed.len()), None)
}

fn time(attempt: &Attempt, timestamp: u64) -> Step {
    let when = match attempt.fault {
        Some(Fault::Stale) => "an hour before the attempt",
        Some(Fault::Future) => "an hour after the attempt",
        _ => "the time of the attempt",
    };
    let date = i64::try_from(timestamp).ok().and_then(|it| Time::from_second(it).ok());
    let date = date.map_or_else(String::new, |date| format!(", {date}"));
    let detail = format!("The seconds since 1970{date}: {when}.");
    step("Timestamp", detail, Some(timestamp.to_string()))
}

fn text(content: &Content, timestamp: u64) -> Step {
    let length = timestamp.to_string().len().saturating_add(1).saturating_add(content.signed.len());
    let text = format!("{timestamp}.{}", content.signed);
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    let detail = format!("The timestamp, a dot and the body: {length} bytes.");
    step("Text to sign", detail, Some(shown))
}

fn key(made: Made) -> Step {
    let secret = match made {
        Made::FormerSecret => "the secret before the last rotation",
        Made::ForeignSecret => "a secret that the agent has never had",
        _ => "the agent's signing secret at that time",
    };
    let detail = format!("The bytes of {secret}, as they are: nothing is decoded.");
    step("Key", detail, None)
}

/// Returns the hex digits in the signature header.
fn mac(attempt: &Attempt) -> Option<&str> {
    let headers = &attempt.exchanges.first()?.request.headers;
    let header = headers.iter().find(|header| header.name == "x-agentmail-signature")?;
    header.value.strip_prefix("v1=")
}

fn header_lines(attempt: &Attempt) -> String {
    let headers = attempt.exchanges.first().map(|exchange| &exchange.request.headers);
    let ours = headers.into_iter().flatten().filter(|it| it.name.starts_with("x-agentmail-"));
    ours.map(|it| format!("{}: {}", it.name, it.value)).collect::<Vec<_>>().join("\n")
}

fn step(title: &'static str, detail: String, value: Option<String>) -> Step {
    Step { title, detail, value }
}

#[cfg(test)]
mod tests {
    use agentmail_verify::{Secret, Signer, UnixTime};

    use super::*;
    use crate::{
        explain::case::tests::{PAYLOAD, SECRET, at, case},
        time::unix_seconds,
    };

    fn steps_of(fault: Option<Fault>) -> Vec<Step> {
        let case = case(fault, 200);
        steps(&case.attempt, &Content::of(PAYLOAD, fault))
    }

    #[test]
    fn the_steps_lead_to_the_signature_that_was_sent() {
        let steps = steps_of(None);

        let titles: Vec<_> = steps.iter().map(|step| step.title).collect();
        assert_eq!(titles, ["Body", "Timestamp", "Text to sign", "Key", "MAC", "Headers"]);
        let at = unix_seconds(at());
        let signer = Signer::new(Secret::new(SECRET).unwrap());
        let signed = signer.sign(UnixTime::from_secs(at), PAYLOAD.as_bytes());
        assert_eq!(steps[1].value.as_deref(), Some(at.to_string().as_str()));
        let mac = steps[4].value.as_deref().unwrap();
        assert_eq!(format!("v1={mac}"), signed.signature());
        assert!(steps[2].value.as_deref().unwrap().starts_with(&format!("{at}.{{\"type\"")));
        assert!(steps[2].detail.ends_with(&format!("{} bytes.", PAYLOAD.len() + 11)));
    }

    #[test]
    fn a_fault_is_a_part_of_the_step_that_it_changes() {
        for (fault, index, words) in [
            (Fault::Stale, 1, "an hour before"),
            (Fault::Future, 1, "an hour after"),
            (Fault::Forged, 3, "never had"),
            (Fault::OldSecret, 3, "before the last rotation"),
            (Fault::WrongAgentId, 0, "another agent's id"),
            (Fault::Truncated, 6, "Half of the body"),
            (Fault::RecodedBody, 6, "written again"),
        ] {
            let steps = steps_of(Some(fault));
            let found = steps.get(index).is_some_and(|step| step.detail.contains(words));
            assert!(found, "{fault}: {steps:?}");
        }
        assert_eq!(steps_of(Some(Fault::Unsigned)), [], "nothing is signed");
    }
}
