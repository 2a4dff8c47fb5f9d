use std::io::Write;

use agentmail_verify::{Signer, UnixTime};
use serde_json::{Value, json};

use super::check::Report;
use crate::{
    cli::failure::Failure,
    sender::{Request, Sender},
};

/// Sends genuine deliveries until one is accepted, so that a handler runs once.
///
/// The first has spaces that a body parser does not keep. Each further one would pass a certain
/// fault, which is then the fault of the receiver. Returns whether the first was accepted.
pub(super) fn check(
    sender: &Sender,
    signer: &Signer,
    url: &str,
    agent: &str,
    report: &mut Report<'_>,
) -> Result<bool, Failure> {
    let now = UnixTime::now();
    let mail = mail(agent, now);
    let send = |body: &[u8], at: UnixTime| -> Result<u16, Failure> {
        let request = signed(signer, body, at);
        Ok(sender.send_request(url, &request, None)?.status)
    };
    let status = send(odd(&mail).as_bytes(), now)?;
    match status {
        200..=299 => report.ok("genuine", format!("accepted with {status}")),
        422 => report.ok("genuine", "the signature is right; the handler takes another payload"),
        401 | 403 => {
            let mut reason = "refused: the receiver has another secret, or the body is changed on \
                              the way"
                .to_owned();
            for (body, parser) in forms(&mail) {
                if is_authentic(send(body.as_bytes(), now)?) {
                    reason = format!(
                        "refused, but accepted in the form that {parser}: a body parser is in \
                         front of the check"
                    );
                    report.fault("genuine", reason);
                    return Ok(false);
                }
            }
            for offset in [-600, 600, -3_600, 3_600, -7_200, 7_200] {
                let at = UnixTime::from_secs(now.as_secs().saturating_add_signed(offset));
                if is_authentic(send(odd(&mail).as_bytes(), at)?) {
                    let direction = if offset < 0 { "behind" } else { "ahead of" };
                    reason = format!(
                        "refused, but accepted with a time of {offset} s from now: the \
                         receiver's clock is {direction} this machine's"
                    );
                    break;
                }
            }
            report.fault("genuine", reason);
            return Ok(false);
        }
        500..=599 => report.fault("genuine", format!("{status}: see the log of the receiver")),
        other => report.fault("genuine", format!("{other}: expected a status of 2xx")),
    }
    if is_authentic(status) {
        compressed(sender, signer, url, now, report)?;
    }
    Ok(is_authentic(status))
}

/// Sends an authentic body that is compressed. It is not JSON, so no handler of mails takes it.
fn compressed(
    sender: &Sender,
    signer: &Signer,
    url: &str,
    now: UnixTime,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let mut request = signed(signer, &stored_gzip(b"agentmail-doctor"), now);
    request.headers.push(("content-encoding".into(), "gzip".into()));
    match sender.send_request(url, &request, None)?.status {
        401 | 403 => report.fault(
            "decompression",
            "an authentic body that is compressed is refused: something in front of the check \
             decompresses bodies",
        ),
        status if is_authentic(status) => {
            report.ok("decompression", "bodies are not decompressed before the check");
        }
        status => report.note("decompression", format!("a compressed body gets {status}")),
    }
    Ok(())
}

const fn is_authentic(status: u16) -> bool {
    matches!(status, 200..=299 | 422)
}

fn signed(signer: &Signer, body: &[u8], at: UnixTime) -> Request {
    let mut request = Request::signed(Some(signer), body, None, at);
    request.headers.push(("x-agentmail-doctor".into(), "1".into()));
    request
}

fn mail(agent: &str, now: UnixTime) -> Vec<(&'static str, Value)> {
    let id = format!("agentmail-doctor-{}", now.as_secs());
    vec![
        ("type", json!("mail.received")),
        ("agent_id", json!(agent)),
        ("message_id", json!(id)),
        ("sender", json!("doctor@example.com")),
        ("subject", json!("A delivery of agentmail-webhook doctor")),
        ("sender_verified", json!(false)),
    ]
}

/// Writes JSON as no program does.
fn odd(mail: &[(&str, Value)]) -> String {
    let members: Vec<_> = mail.iter().map(|(name, value)| format!("{name:?} :{value}")).collect();
    format!("{{ {} }}", members.join(" ,"))
}

/// The forms in which programs write the same mail again.
fn forms(mail: &[(&str, Value)]) -> Vec<(String, &'static str)> {
    let join = |mail: &[(&str, Value)], colon: &str, comma: &str| {
        let member = |(name, value): &(&str, Value)| format!("{name:?}{colon}{value}");
        format!("{{{}}}", mail.iter().map(member).collect::<Vec<_>>().join(comma))
    };
    let mut sorted = mail.to_vec();
    sorted.sort_by_key(|(name, _)| *name);
    vec![
        (join(mail, ":", ","), "JavaScript writes"),
        (join(mail, ": ", ", "), "Python writes"),
        (join(&sorted, ":", ","), "programs write that sort members, such as Go"),
        (join(&sorted, ": ", ", "), "Python writes with sorted members"),
    ]
}

/// Wraps bytes as gzip, without compressing them.
fn stored_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    // Writing to a `Vec` does not fail.
    _ = writer.write_all(bytes);
    writer.finish().unwrap_or_default()
}
