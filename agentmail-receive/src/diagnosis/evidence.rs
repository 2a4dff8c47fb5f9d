use std::time::Duration;

use agentmail_verify::{Tolerance, VerifyError, WebhookHeader};

use super::{
    captured::CapturedRequest,
    cause::{Cause, Certainty},
    json::Json,
    json_forms::is_sorted,
    kind::Kind,
    signatures::Signatures,
    signed_text::{IN_SIGNATURE, SignedTexts},
    vendor::other_sender,
};

const LOOKED: &str = "the names and the forms of the headers were looked at";

/// What the headers of a request show.
pub(super) fn of_headers(
    request: &CapturedRequest,
    signatures: &Signatures,
    texts: &SignedTexts,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut push = |kind, sentence: String| {
        causes.push(Cause::new(kind, Certainty::HeaderEvidence, sentence, LOOKED));
    };
    let has = |header: WebhookHeader| request.has(header.name());
    let (signature, timestamp) = (has(WebhookHeader::Signature), has(WebhookHeader::Timestamp));
    let unsigned = !signature && request.webhook_values(WebhookHeader::Unsigned).eq([b"1"]);
    let milliseconds = matches!(texts.form, Some((Kind::TimestampMilliseconds, _)));

    let sender = other_sender(request, signatures, milliseconds);
    let is_other = sender.is_some();
    if let Some(sentence) = sender {
        push(Kind::OtherSender, sentence);
    }
    if unsigned {
        push(
            Kind::Unsigned,
            "the service has no signing secret for this agent, as `X-AgentMail-Unsigned: 1` says"
                .to_owned(),
        );
    }
    for header in [WebhookHeader::Signature, WebhookHeader::Timestamp] {
        if let Some(renamed) = renamed(request, header) {
            push(Kind::HeaderRenamed, renamed);
        }
    }
    let in_signature = !timestamp && !signatures.times.is_empty();
    if in_signature {
        push(Kind::SignatureForm, IN_SIGNATURE.to_owned());
    }
    if !(unsigned || in_signature || is_other || signature && timestamp) {
        push(Kind::HeaderMissing, missing(signature, timestamp).to_owned());
    }
    for header in [WebhookHeader::Signature, WebhookHeader::Timestamp] {
        let values: Vec<_> = request.webhook_values(header).collect();
        let joined =
            header == WebhookHeader::Timestamp && values.iter().any(|value| value.contains(&b','));
        if values.len() > 1 {
            let header = name(header);
            push(Kind::HeaderRepeated, format!("the header `{header}` has more than one value"));
        } else if joined {
            let header = name(header);
            push(
                Kind::HeaderRepeated,
                format!("the header `{header}` has several values in one, joined by a comma"),
            );
        }
    }
    if let Some(form) = signatures.form {
        push(Kind::SignatureForm, form.to_owned());
    } else if signature && signatures.macs.is_empty() {
        push(Kind::SignatureForm, no_signature(request).to_owned());
    }
    if let Some((kind, form)) = texts.form {
        push(kind, form.to_owned());
    }
    if request.values("content-encoding").any(|value| !value.eq_ignore_ascii_case(b"identity")) {
        push(
            Kind::ContentEncoding,
            "the request has the header `Content-Encoding`, so a program between the service and \
             the receiver may have compressed or decompressed the body"
                .to_owned(),
        );
    }
    if let (Some(declared), Some(body)) = (request.declared_length(), request.body()) {
        let arrived = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if arrived < declared {
            push(
                Kind::BodyCut,
                format!("the request declares {declared} bytes, and {arrived} bytes are there"),
            );
        }
    }
    causes
}

/// What the body looks like. It is not looked at if a proven cause explains the refusal.
pub(super) fn of_body(body: &[u8]) -> Vec<Cause> {
    let looked = "the body was looked at: its length, its encoding, its JSON";
    let cause = |kind, sentence: &'static str| {
        vec![Cause::new(kind, Certainty::ShapeEvidence, sentence, looked)]
    };
    if body.is_empty() {
        return cause(Kind::BodyEmpty, "the body is empty");
    }
    let Ok(text) = str::from_utf8(body) else {
        return cause(Kind::BodyDamaged, "the body is not UTF-8, so it is probably not as it was");
    };
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Err(error) if error.is_eof() => {
            return cause(Kind::BodyCut, "the JSON of the body ends too early");
        }
        _ if text.contains('\u{fffd}') => {
            return cause(
                Kind::BodyDamaged,
                "the body contains U+FFFD, which programs write in place of bytes that they \
                 cannot decode",
            );
        }
        _ => {}
    }
    match Json::read(text) {
        Some(json) if is_sorted(&json) => cause(
            Kind::BodySorted,
            "the members of the body are sorted by name, unlike in the vendor's guide; the \
             guide's order was tried, but the service's own order cannot be known",
        ),
        _ => Vec::new(),
    }
}

/// What the clock says about a request. The signature says nothing about it.
pub(super) fn of_time(
    request: &CapturedRequest,
    texts: &SignedTexts,
    tolerance: Tolerance,
    signature_matches: bool,
) -> Option<Cause> {
    let also = if signature_matches { "; apart from this, the signature is right" } else { "" };
    let (kind, sentence) = match tolerance.check(texts.signed_at?, request.received_at()?) {
        Err(VerifyError::Stale { age, .. }) => (
            Kind::OldTimestamp,
            format!(
                "the timestamp is {} old: the receiver's clock is ahead, or the delivery was \
                 late, and one delivery cannot show which{also}",
                seconds(age)
            ),
        ),
        Err(VerifyError::TooFarAhead { ahead, .. }) => (
            Kind::FutureTimestamp,
            format!(
                "the timestamp is {} ahead: the receiver's clock is behind, or the sender's is \
                 ahead{also}",
                seconds(ahead)
            ),
        ),
        _ => return None,
    };
    let tried = "the timestamp was compared with the receiver's clock";
    Some(Cause::new(kind, Certainty::HeaderEvidence, sentence, tried))
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

const fn name(header: WebhookHeader) -> &'static str {
    match header {
        WebhookHeader::Timestamp => "X-AgentMail-Timestamp",
        WebhookHeader::Signature => "X-AgentMail-Signature",
        WebhookHeader::Unsigned => "X-AgentMail-Unsigned",
    }
}

const fn missing(signature: bool, timestamp: bool) -> &'static str {
    match (signature, timestamp) {
        (true, _) => "the header `X-AgentMail-Timestamp` is missing, and its signature is there",
        (_, true) => "the header `X-AgentMail-Signature` is missing, and its timestamp is there",
        _ => "both headers are missing: another program sends this, or a proxy removes them",
    }
}

/// Finds a header whose hyphens became underscores, or that got a prefix.
fn renamed(request: &CapturedRequest, header: WebhookHeader) -> Option<String> {
    if request.has(header.name()) {
        return None;
    }
    let ending = header.name().trim_start_matches('x');
    let is_renamed = |other: &&str| other.replace('_', "-").ends_with(ending);
    let other = request.names().find(is_renamed)?;
    Some(format!(
        "the header `{}` arrived under another name: `{}`",
        name(header),
        other.escape_debug()
    ))
}

fn no_signature(request: &CapturedRequest) -> &'static str {
    let value = request.webhook_values(WebhookHeader::Signature).next().unwrap_or_default();
    match value.trim_ascii().strip_prefix(b"v1=") {
        Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {
            "the signature has another number of hex digits than 64"
        }
        Some(_) => "the signature is not hex",
        None => "the signature header has no `v1=` and 64 hex digits",
    }
}
