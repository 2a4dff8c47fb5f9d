use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    deliver::Content,
    error::Problem,
    explain::{
        curl::curl,
        refusal::{Explanation, explain},
        rust_test::rust_test,
        steps::{Step, steps},
    },
    record::{Account, Attempt, Delivery, Message},
    time::Time,
};

/// An attempt, with everything that explains it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) delivery_id: String,
    pub(crate) attempt: Attempt,
    pub(crate) payload: String,
    pub(crate) secret: Option<String>,
    pub(crate) former_secret: Option<String>,
    pub(crate) rotated_at: Option<Time>,
}

/// An attempt for a person: how it was signed, why it was refused, and how to repeat it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplainedAttempt {
    attempt: Attempt,
    /// How the signature was made. It is empty if nothing was signed.
    signature_steps: Vec<Step>,
    /// Why the receiver refused the delivery, if its response was 403.
    explanation: Option<Explanation>,
    /// A command that sends the request again. Its signature is as old as the attempt.
    curl: String,
    /// The delivery as a test in Rust. It signs with a secret of its own.
    rust_test: String,
}

impl Case {
    /// Finds what is kept about an attempt.
    pub(crate) fn find(
        delivery: &Delivery,
        number: u32,
        message: &Message,
        account: &Account,
    ) -> Result<Self, Problem> {
        let attempt = delivery.attempts.iter().find(|attempt| attempt.number == number);
        Ok(Self {
            delivery_id: delivery.delivery_id.clone(),
            attempt: attempt.cloned().ok_or_else(|| Problem::not_found("attempt"))?,
            payload: message.payload.clone(),
            secret: account.secret().map(str::to_owned),
            former_secret: account.former_secret.clone(),
            rotated_at: account.rotated_at,
        })
    }

    /// Explains the attempt. It takes a few milliseconds: run it on a thread where blocking is
    /// acceptable.
    pub(crate) fn explained(self) -> ExplainedAttempt {
        let content = Content::of(&self.payload, self.attempt.fault);
        ExplainedAttempt {
            signature_steps: steps(&self.attempt, &content),
            explanation: explain(&self, &content),
            curl: curl(&self.attempt, &content.sent),
            rust_test: rust_test(&self, &content),
            attempt: self.attempt,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        fault::Fault,
        record::{Exchange, Made, Purpose, Request, Response, Signature},
        time::unix_seconds,
    };

    pub(in crate::explain) const PAYLOAD: &str = concat!(
        r#"{"type": "mail.received", "agent_id": "my-agent", "message_id": "msg-1", "#,
        r#""sender": "user@example.com", "subject": "It's \"\u05e9\\'\"", "#,
        r#""timestamp": "2026-04-16T12:00:00+00:00", "sender_verified": true, "#,
        r#""peer_trust_tier": "verified", "rate_limited": false, "is_duplicate": false, "#,
        r#""s3_bucket": "my-bucket", "s3_key": "inbound/my-agent/msg-1.eml"}"#,
    );
    pub(in crate::explain) const SECRET: &str = "whsec_current_secret";
    pub(in crate::explain) const FORMER: &str = "whsec_former_secret";

    pub(in crate::explain) fn at() -> Time {
        "2026-04-16T12:00:00Z".parse().unwrap()
    }

    /// An attempt as `deliver` makes it, and its response.
    pub(in crate::explain) fn case(fault: Option<Fault>, status: u16) -> Case {
        let plan = crate::state::Plan {
            url: "http://127.0.0.1:8080/agentmail/webhook".to_owned(),
            number: 1,
            fault,
            payload: PAYLOAD.to_owned(),
            secret: Some(SECRET.to_owned()),
            former_secret: Some(FORMER.to_owned()),
            kept: None,
            last_sent: None,
        };
        let now = agentmail_verify::UnixTime::from_secs(unix_seconds(at()));
        let (sent, signature) = crate::deliver::prepared(&plan, now);
        let request = Request {
            url: plan.url,
            headers: sent.headers,
            body: String::from_utf8_lossy(&sent.body).into_owned(),
            body_bytes: u64::try_from(sent.body.len()).unwrap(),
        };
        let response =
            Response { status, headers: Vec::new(), body: String::new(), truncated: false };
        let response = Some(response);
        let exchange = Exchange { purpose: Purpose::Delivery, request, response, error: None };
        Case {
            delivery_id: "dlv-1".to_owned(),
            attempt: Attempt {
                number: 1,
                started_at: at(),
                duration_ms: 3,
                fault,
                signature,
                exchanges: vec![exchange],
            },
            payload: PAYLOAD.to_owned(),
            secret: Some(SECRET.to_owned()),
            former_secret: Some(FORMER.to_owned()),
            rotated_at: None,
        }
    }

    #[test]
    fn no_part_of_an_explanation_has_a_secret() {
        let faults = Fault::ALL.into_iter().map(Some).chain([None]);
        for fault in faults {
            let explained = serde_json::to_string(&case(fault, 403).explained()).unwrap();

            for secret in [SECRET, FORMER] {
                assert!(!explained.contains(secret), "{fault:?}: {explained}");
            }
        }
    }

    #[test]
    fn an_attempt_without_an_exchange_is_explained_too() {
        let mut case = case(None, 200);
        case.attempt.exchanges.clear();
        case.attempt.signature =
            Signature { made: Made::Unsigned, timestamp: None, signed_bytes: None };

        let explained = case.explained();

        assert!(explained.signature_steps.is_empty() && explained.explanation.is_none());
    }
}
