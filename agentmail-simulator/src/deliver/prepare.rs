use agentmail_verify::{Secret, SecretError, Signer, UnixTime, WebhookHeader};
use bytes::Bytes;

use crate::{
    deliver::content::Content,
    fault::Fault,
    random,
    record::{Header, KeptSignature, Made, Purpose, Signature},
    state::{Plan, Sent},
};

/// How far off the faults `stale` and `future` sign.
const HOUR: u64 = 3_600;

/// The requests of an attempt.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The first one is the delivery itself.
    pub(super) requests: Vec<(Purpose, Sent, Manner)>,
    pub(super) signature: Signature,
    /// What a retry with `--keep-timestamp` repeats.
    pub(super) kept: Option<KeptSignature>,
}

/// How a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Whole,
    /// Half of it, and then nothing.
    Stalled,
    /// Half of it, and then the connection is closed.
    Cut,
}

/// Makes the requests of an attempt: signed, and with its fault.
pub(super) fn prepare(plan: &Plan, keep: bool, now: UnixTime) -> Result<Prepared, SecretError> {
    let Content { signed, sent: body } = Content::of(&plan.payload, plan.fault);
    let (signature, values) = sign(plan, &signed, keep, now)?;
    let kept = match (&values, plan.fault) {
        (Some((timestamp, signature)), None) if keep => timestamp
            .parse()
            .ok()
            .map(|timestamp| KeptSignature { timestamp, signature: signature.clone() }),
        _ => None,
    };
    let sent = Sent { headers: headers(values), body: Bytes::from(body) };
    let manner = match plan.fault {
        Some(Fault::SlowBody) => Manner::Stalled,
        Some(Fault::ConnectionCut) => Manner::Cut,
        _ => Manner::Whole,
    };
    let extra = match plan.fault {
        Some(Fault::Duplicated) => Some((Purpose::Copy, sent.clone(), Manner::Whole)),
        Some(Fault::Replayed) => {
            let earlier = plan.last_sent.clone().unwrap_or_else(|| sent.clone());
            Some((Purpose::Replay, earlier, Manner::Whole))
        }
        _ => None,
    };
    let requests = [(Purpose::Delivery, sent, manner)].into_iter().chain(extra).collect();
    Ok(Prepared { requests, signature, kept })
}

/// The two values of the headers: the timestamp, and the signature.
type Values = (String, String);

fn sign(
    plan: &Plan,
    body: &str,
    keep: bool,
    now: UnixTime,
) -> Result<(Signature, Option<Values>), SecretError> {
    let signed_bytes = u64::try_from(body.len()).ok();
    if let (true, None, Some(kept)) = (keep, plan.fault, &plan.kept) {
        let made = Signature { made: Made::Kept, timestamp: Some(kept.timestamp), signed_bytes };
        return Ok((made, Some((kept.timestamp.to_string(), kept.signature.clone()))));
    }
    let (made, secret) = match plan.fault {
        Some(Fault::Forged) => (Made::ForeignSecret, Some(random::hex::<32>())),
        Some(Fault::OldSecret) => match plan.former_secret.clone() {
            Some(former) => (Made::FormerSecret, Some(former)),
            None => (Made::ForeignSecret, Some(random::hex::<32>())),
        },
        Some(Fault::Unsigned) => (Made::Unsigned, None),
        _ if plan.secret.is_none() => (Made::Unsigned, None),
        _ => (Made::CurrentSecret, plan.secret.clone()),
    };
    let Some(secret) = secret else {
        return Ok((Signature { made, timestamp: None, signed_bytes: None }, None));
    };
    let at = match plan.fault {
        Some(Fault::Stale) => now.as_secs().saturating_sub(HOUR),
        Some(Fault::Future) => now.as_secs().saturating_add(HOUR),
        _ => now.as_secs(),
    };
    let signed = Signer::new(Secret::new(secret)?).sign(UnixTime::from_secs(at), body.as_bytes());
    let values = (signed.timestamp().to_owned(), signed.signature().to_owned());
    Ok((Signature { made, timestamp: Some(at), signed_bytes }, Some(values)))
}

fn headers(values: Option<Values>) -> Vec<Header> {
    let header = |name: &str, value: String| Header { name: name.to_owned(), value };
    let mut headers = vec![
        header("content-type", "application/json".to_owned()),
        header("user-agent", concat!("agentmail-simulator/", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    match values {
        Some((timestamp, signature)) => {
            headers.push(header(WebhookHeader::Timestamp.name(), timestamp));
            headers.push(header(WebhookHeader::Signature.name(), signature));
        }
        None => headers.push(header(WebhookHeader::Unsigned.name(), "1".to_owned())),
    }
    headers
}

/// Makes the request and the signature of an attempt, for tests of other modules.
#[cfg(test)]
pub(crate) fn prepared(plan: &Plan, now: UnixTime) -> (Sent, Signature) {
    let Prepared { mut requests, signature, .. } = prepare(plan, false, now).unwrap();
    (requests.remove(0).1, signature)
}

#[cfg(test)]
mod tests {
    use agentmail_verify::{SignedHeaders, VerifyError};

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
    const SECRET: &str = "whsec_test_secret";
    const PAYLOAD: &str = concat!(
        r#"{"type": "mail.received", "agent_id": "my-agent", "message_id": "msg-1", "#,
        r#""subject": "\"agent_id\": \"x\" \u00e9", "timestamp": "2026-04-16T12:00:00+00:00", "#,
        r#""rate_limited": false, "s3_key": "k"}"#,
    );

    fn plan(fault: Option<Fault>) -> Plan {
        Plan {
            url: "http://127.0.0.1:1/".to_owned(),
            number: 1,
            fault,
            payload: PAYLOAD.to_owned(),
            secret: Some(SECRET.to_owned()),
            former_secret: Some("the former secret".to_owned()),
            kept: None,
            last_sent: None,
        }
    }

    /// Verifies a request as a receiver does.
    fn verify(secret: &str, sent: &Sent) -> Result<(), VerifyError> {
        let value = |header: WebhookHeader| {
            let found = sent.headers.iter().find(|it| it.name == header.name());
            found.map(|header| header.value.as_bytes())
        };
        let headers = SignedHeaders::parse(value)?;
        let verifier = Signer::new(Secret::new(secret).unwrap()).verifier();
        verifier.verify(&headers, &sent.body, NOW).map(|_| ())
    }

    #[test]
    fn each_fault_has_its_effect_on_a_receiver() {
        for (fault, expected) in [
            (None, Ok(())),
            (Some(Fault::Forged), Err("mismatch")),
            (Some(Fault::Stale), Err("stale")),
            (Some(Fault::Future), Err("too_far_ahead")),
            (Some(Fault::Unsigned), Err("unsigned")),
            (Some(Fault::Replayed), Ok(())),
            (Some(Fault::Duplicated), Ok(())),
            (Some(Fault::Reordered), Ok(())),
            (Some(Fault::Truncated), Err("mismatch")),
            (Some(Fault::Oversized), Ok(())),
            (Some(Fault::SlowBody), Ok(())),
            (Some(Fault::ConnectionCut), Ok(())),
            (Some(Fault::WrongAgentId), Ok(())),
            (Some(Fault::OldSecret), Err("mismatch")),
            (Some(Fault::RecodedBody), Err("mismatch")),
            (Some(Fault::FieldType), Ok(())),
        ] {
            let prepared = prepare(&plan(fault), false, NOW).unwrap();

            let (purpose, sent, _) = &prepared.requests[0];
            assert_eq!(*purpose, Purpose::Delivery);
            let result = verify(SECRET, sent).map_err(|error| error.code());
            assert_eq!(result, expected, "{fault:?}");
            if fault == Some(Fault::OldSecret) {
                assert_eq!(verify("the former secret", sent), Ok(()));
            }
        }
    }

    #[test]
    fn a_copy_and_a_replay_are_the_same_bytes() {
        let earlier = Sent { headers: headers(None), body: Bytes::from_static(b"earlier") };
        let replaying = Plan { last_sent: Some(earlier), ..plan(Some(Fault::Replayed)) };

        let copied = prepare(&plan(Some(Fault::Duplicated)), false, NOW).unwrap().requests;
        let replayed = prepare(&replaying, false, NOW).unwrap().requests;

        assert_eq!((copied[1].0, &copied[1].1.body), (Purpose::Copy, &copied[0].1.body));
        assert_eq!(copied[1].1.headers, copied[0].1.headers);
        assert_eq!((replayed[1].0, &replayed[1].1.body[..]), (Purpose::Replay, &b"earlier"[..]));
    }

    #[test]
    fn a_kept_signature_is_repeated_later() {
        let first = prepare(&plan(None), true, NOW).unwrap();
        let retry = Plan { number: 2, kept: first.kept, ..plan(None) };

        let second = prepare(&retry, true, UnixTime::from_secs(NOW.as_secs() + 1_000)).unwrap();
        let fresh = prepare(&retry, false, UnixTime::from_secs(NOW.as_secs() + 1_000)).unwrap();

        assert_eq!(second.requests[0].1.headers, first.requests[0].1.headers);
        assert_eq!(second.signature.made, Made::Kept);
        assert_ne!(fresh.requests[0].1.headers, first.requests[0].1.headers);
    }

    #[test]
    fn without_a_secret_a_delivery_is_marked_as_unsigned() {
        let prepared = prepare(&Plan { secret: None, ..plan(None) }, false, NOW).unwrap();

        assert_eq!(prepared.signature.made, Made::Unsigned);
        let names: Vec<_> =
            prepared.requests[0].1.headers.iter().map(|header| header.name.as_str()).collect();
        assert_eq!(names, ["content-type", "user-agent", "x-agentmail-unsigned"]);
    }
}
