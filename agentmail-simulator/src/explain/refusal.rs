use agentmail_receive::diagnosis::{
    CapturedRequest, Cause, Diagnosis, DiagnosisBudget, DiagnosisSecrets, SecretText,
};
use agentmail_verify::{Label, UnixTime};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{deliver::Content, explain::Case, record::Made, time::unix_seconds};

/// Why a receiver refused a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// The most likely reason, in one sentence.
    summary: String,
    /// What to do about it.
    fix: String,
    /// Whether a receiver with the agent's secret of now accepts the request, at the time when it
    /// was sent.
    genuine: bool,
    /// What `agentmail-webhook explain` finds in the request: the most certain is the first.
    #[schema(inline)]
    causes: Vec<FoundCause>,
    /// What was tried to find the causes.
    tried: String,
    /// What the response of the receiver says, if it is a problem (RFC 9457).
    receiver: Option<ReceiverProblem>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FoundCause {
    /// The stable name of the cause.
    code: &'static str,
    /// For example `proven`.
    certainty: String,
    sentence: String,
    fix: &'static str,
    tried: String,
}

/// The members of the problem that a person can read. `WebhookConfig::with_problem_details` lets a
/// receiver send one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct ReceiverProblem {
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
    hint: Option<String>,
}

impl ReceiverProblem {
    fn says_something(&self) -> bool {
        [&self.title, &self.detail, &self.code, &self.hint].iter().any(|member| member.is_some())
    }
}

/// Explains a response of 403.
pub(super) fn explain(case: &Case, content: &Content) -> Option<Explanation> {
    let response = case.attempt.exchanges.first()?.response.as_ref()?;
    if response.status != 403 {
        return None;
    }
    let diagnosis = diagnose(case, content)?;
    let genuine = diagnosis.signature_matches() && diagnosis.causes().is_empty();
    let (summary, fix) = conclude(case, &diagnosis, genuine);
    Some(Explanation {
        summary,
        fix: fix.to_owned(),
        genuine,
        causes: diagnosis.causes().iter().map(found).collect(),
        tried: diagnosis.tried().to_owned(),
        receiver: serde_json::from_str(&response.body).ok().filter(ReceiverProblem::says_something),
    })
}

/// Diagnoses the request with the secrets that the agent has and had.
fn diagnose(case: &Case, content: &Content) -> Option<Diagnosis> {
    let request = &case.attempt.exchanges.first()?.request;
    let headers = request.headers.iter().map(|it| (it.name.as_str(), it.value.as_bytes()));
    let captured = CapturedRequest::new(headers)
        .with_received_at(UnixTime::from_secs(unix_seconds(case.attempt.started_at)))
        .with_declared_length(Some(request.body_bytes))
        .with_body(content.sent.clone());
    let mut secrets = DiagnosisSecrets::new();
    if let Some(secret) = &case.secret {
        let label = Label::new("current").expect("a label may have these letters");
        secrets = secrets.with_text(SecretText::new(secret).with_label(label));
    }
    if let Some(secret) = &case.former_secret {
        let label = Label::new("former").expect("a label may have these letters");
        secrets = secrets.with_other_text(SecretText::new(secret).with_label(label));
    }
    Some(Diagnosis::of(&captured, &secrets, DiagnosisBudget::DEVELOPMENT))
}

/// Returns the most likely reason, and what to do.
fn conclude(case: &Case, diagnosis: &Diagnosis, genuine: bool) -> (String, &'static str) {
    if let Some(fault) = case.attempt.fault.filter(|fault| fault.deserves_403()) {
        let what = fault.description();
        let summary = format!("the fault `{fault}` is on: the receiver got {what}");
        return (summary, "nothing: the receiver is right. Turn the fault off, and redrive");
    }
    let rotated = case.rotated_at.map(|at| at.strftime("%H:%M:%S UTC").to_string());
    match (genuine, rotated, diagnosis.causes().first()) {
        (true, Some(at), _) => (
            format!(
                "the delivery is genuine, and the secret was rotated at {at}: a receiver that has \
                 the old secret responds like this"
            ),
            "give the receiver the new secret, and redrive",
        ),
        (true, None, _) => (
            "the delivery is genuine: the receiver has another secret, its clock is wrong, or the \
             body was changed before it was verified"
                .to_owned(),
            "compare the receiver's secret with the one that the webhook's setup showed, and look \
             at the receiver's log",
        ),
        (false, Some(at), _) if is_of_its_time(case) && !diagnosis.signature_matches() => (
            format!(
                "it was signed with the secret of that time, and the secret was rotated at {at}"
            ),
            "redrive: the delivery is then signed with the secret of now",
        ),
        (false, _, Some(cause)) => (cause.sentence().to_owned(), cause.fix()),
        (false, _, None) => {
            ("nothing wrong was found in the request".to_owned(), "look at the receiver's log")
        }
    }
}

/// Whether the request was signed as it should be.
fn is_of_its_time(case: &Case) -> bool {
    matches!(case.attempt.signature.made, Made::CurrentSecret | Made::Kept)
}

fn found(cause: &Cause) -> FoundCause {
    FoundCause {
        code: cause.code(),
        certainty: cause.certainty().to_string(),
        sentence: cause.sentence().to_owned(),
        fix: cause.fix(),
        tried: cause.tried().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        explain::case::tests::{FORMER, PAYLOAD, at, case},
        fault::Fault,
    };

    fn explained(case: &Case) -> Explanation {
        explain(case, &Content::of(PAYLOAD, case.attempt.fault)).unwrap()
    }

    #[test]
    fn each_fault_that_deserves_a_403_is_named_with_the_cause_in_the_request() {
        for (fault, cause) in [
            (Fault::Forged, Some("unknown")),
            (Fault::Stale, Some("old_timestamp")),
            (Fault::Future, Some("future_timestamp")),
            (Fault::Unsigned, Some("unsigned")),
            (Fault::Truncated, Some("body_cut")),
            (Fault::WrongAgentId, None),
            (Fault::OldSecret, Some("other_secret")),
            (Fault::RecodedBody, Some("body_reserialised")),
        ] {
            let explanation = explained(&case(Some(fault), 403));

            assert!(explanation.summary.contains(fault.name()), "{fault}: {explanation:?}");
            let first = explanation.causes.first().map(|cause| cause.code);
            assert_eq!(first, cause, "{fault}: {explanation:?}");
            assert!(!explanation.tried.is_empty(), "{fault}");
        }
    }

    #[test]
    fn a_genuine_delivery_that_is_refused_leads_to_the_receivers_secret() {
        let mut case = case(None, 403);
        let without_rotation = explained(&case);
        case.rotated_at = Some(at());
        let after_rotation = explained(&case);

        assert!(without_rotation.genuine && after_rotation.genuine);
        assert!(without_rotation.summary.contains("another secret"), "{without_rotation:?}");
        assert!(after_rotation.summary.contains("rotated at 12:00:00"), "{after_rotation:?}");
        assert!(after_rotation.fix.contains("new secret"), "{after_rotation:?}");
    }

    #[test]
    fn a_rotation_after_the_attempt_is_recognized() {
        let mut case = case(None, 403);
        case.rotated_at = Some(at());
        for (name, former) in [("one", case.secret.clone().unwrap()), ("two", FORMER.to_owned())] {
            case.former_secret = Some(former);
            case.secret = Some("a later secret".to_owned());

            let explanation = explained(&case);

            assert!(!explanation.genuine, "{name}");
            assert!(explanation.summary.contains("of that time"), "{name}: {explanation:?}");
            assert!(explanation.fix.contains("redrive"), "{name}: {explanation:?}");
        }
    }

    #[test]
    fn a_fault_that_deserves_no_403_is_no_excuse() {
        for fault in Fault::ALL.into_iter().filter(|fault| !fault.deserves_403()) {
            let explanation = explained(&case(Some(fault), 403));

            assert!(explanation.genuine, "{fault}: {explanation:?}");
        }
    }

    #[test]
    fn the_problem_of_the_receiver_is_read() {
        let mut case = case(None, 403);
        let body = |case: &mut Case, body: &str| {
            let response = case.attempt.exchanges[0].response.as_mut().unwrap();
            response.body = body.to_owned();
        };
        body(&mut case, r#"{"code":"mismatch","detail":"d","hint":"h","unknown":[]}"#);
        let problem = explained(&case).receiver.unwrap();
        assert_eq!(problem.code.as_deref(), Some("mismatch"));
        assert_eq!(problem.hint.as_deref(), Some("h"));

        body(&mut case, "<b>Forbidden</b>");
        assert!(explained(&case).receiver.is_none());
        assert!(
            explain(&super::super::case::tests::case(None, 500), &Content::of(PAYLOAD, None))
                .is_none()
        );
    }
}
