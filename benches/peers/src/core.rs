//! The verification alone: ours, the usual parsing with other backends, and whole calls of other
//! crates.

use std::time::{SystemTime, UNIX_EPOCH};

use agentmail_verify::{
    Label, Secret, SignedHeaders, Signer, Tolerance, UnixTime, Verifier, WebhookHeader,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use crate::rounds::{Contender, Group, contender};

pub const SECRET: &str = "whsec_test_secret";
const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const SIZES: [usize; 6] = [0, 64, 400, 1 << 10, 16 << 10, 256 << 10];

pub fn groups() -> Vec<Group> {
    let mut groups = Vec::new();
    for bytes in SIZES {
        groups.push(Group {
            name: "mac",
            case: "accept",
            bytes,
            added: false,
            contenders: vec![ours(bytes, SECRET), ring(bytes), aws_lc(bytes)],
        });
    }
    for bytes in SIZES {
        groups.push(Group {
            name: "whole",
            case: "accept",
            bytes,
            added: false,
            contenders: vec![
                ours_whole(bytes),
                hand_written(bytes),
                webhook_verify(bytes),
                blooio(bytes),
                async_stripe(bytes),
                svix(bytes),
                standard_webhooks(bytes),
            ],
        });
    }
    groups.push(refusals());
    groups
}

/// Returns a body that is not JSON. A crate that parses the body fails at the first byte.
fn body(bytes: usize) -> Vec<u8> {
    vec![b'x'; bytes]
}

fn secret() -> Secret {
    Secret::new(SECRET).expect("it is neither empty nor blank")
}

fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs()
}

fn signed(at: UnixTime, body: &[u8], key: &str) -> (String, String) {
    let signer = Signer::new(Secret::new(key).expect("it is neither empty nor blank"));
    let signed = signer.sign(at, body);
    (signed.timestamp().to_owned(), signed.signature().to_owned())
}

/// From header bytes to receipt, with a fixed clock.
fn ours(bytes: usize, key: &str) -> Contender {
    let (body, verifier) = (body(bytes), Verifier::new(secret()));
    let (timestamp, signature) = signed(NOW, &body, key);
    contender("agentmail-verify", key == SECRET, move || {
        let headers = SignedHeaders::parse(|header| match header {
            WebhookHeader::Timestamp => Some(timestamp.as_bytes()),
            WebhookHeader::Signature => Some(signature.as_bytes()),
            WebhookHeader::Unsigned => None,
        });
        headers.is_ok_and(|headers| verifier.verify(&headers, &body, NOW).is_ok())
    })
}

/// The usual parsing of both headers, with ring's prekeyed HMAC.
fn ring(bytes: usize) -> Contender {
    let body = body(bytes);
    let (timestamp, signature) = signed(NOW, &body, SECRET);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    contender("ring, prekeyed, usual parsing", true, move || {
        let Some(mac) = parsed(&timestamp, &signature) else { return false };
        let mut context = ring::hmac::Context::with_key(&key);
        context.update(timestamp.as_bytes());
        context.update(b".");
        context.update(&body);
        equal(context.sign().as_ref(), &mac)
    })
}

fn aws_lc(bytes: usize) -> Contender {
    let body = body(bytes);
    let (timestamp, signature) = signed(NOW, &body, SECRET);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    contender("aws-lc-rs, prekeyed, usual parsing", true, move || {
        let Some(mac) = parsed(&timestamp, &signature) else { return false };
        let mut context = aws_lc_rs::hmac::Context::with_key(&key);
        context.update(timestamp.as_bytes());
        context.update(b".");
        context.update(&body);
        equal(context.sign().as_ref(), &mac)
    })
}

/// Parses both headers in the usual way, and checks the tolerance as ours does.
fn parsed(timestamp: &str, signature: &str) -> Option<[u8; 32]> {
    let at = UnixTime::from_secs(timestamp.parse().ok()?);
    Tolerance::default().check(at, NOW).ok()?;
    let mut mac = [0; 32];
    hex::decode_to_slice(signature.strip_prefix("v1=")?, &mut mac).ok()?;
    Some(mac)
}

/// Compares four words in constant time, as ours does.
fn equal(a: &[u8], b: &[u8; 32]) -> bool {
    let (a, _) = a.as_chunks::<8>();
    let (b, _) = b.as_chunks::<8>();
    let differ = a
        .iter()
        .zip(b)
        .fold(0, |differ, (a, b)| differ | (u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b)));
    std::hint::black_box(differ) == 0 && a.len() == b.len()
}

fn header_map(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // Other headers of a request that a proxy forwards.
    for (name, value) in [
        ("host", "example.com"),
        ("user-agent", "webhooks/1.0"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip"),
        ("content-type", "application/json"),
        ("content-length", "400"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in lines {
        headers.insert(*name, HeaderValue::from_str(value).expect("it is ASCII"));
    }
    headers
}

static TIMESTAMP: HeaderName = HeaderName::from_static("x-agentmail-timestamp");
static SIGNATURE: HeaderName = HeaderName::from_static("x-agentmail-signature");
static UNSIGNED: HeaderName = HeaderName::from_static("x-agentmail-unsigned");

fn agentmail_headers(body: &[u8]) -> HeaderMap {
    let (timestamp, signature) = signed(UnixTime::now(), body, SECRET);
    header_map(&[("x-agentmail-timestamp", &timestamp), ("x-agentmail-signature", &signature)])
}

/// From a `HeaderMap`, with the system's clock.
fn ours_whole(bytes: usize) -> Contender {
    let (body, verifier) = (body(bytes), Verifier::new(secret()));
    let headers = agentmail_headers(&body);
    contender("agentmail-verify", true, move || {
        let signed = SignedHeaders::parse(|header| {
            let name = match header {
                WebhookHeader::Timestamp => &TIMESTAMP,
                WebhookHeader::Signature => &SIGNATURE,
                WebhookHeader::Unsigned => &UNSIGNED,
            };
            // Looks the headers up as our adapter for axum does.
            let named = move |(line, _): &(&HeaderName, &HeaderValue)| *line == name;
            headers.iter().filter(named).map(|(_, value)| value.as_bytes())
        });
        signed.is_ok_and(|signed| verifier.verify(&signed, &body, UnixTime::now()).is_ok())
    })
}

/// Hand-written code for one endpoint, with the same refusals as ours. It uses the usual crates,
/// and creates the key state for each request.
fn hand_written(bytes: usize) -> Contender {
    let body = body(bytes);
    let headers = agentmail_headers(&body);
    contender("hand-written: hmac, sha2, hex", true, move || {
        let only = |name: &str| -> Option<String> {
            let lines: Vec<_> = headers.get_all(name).iter().collect();
            match lines[..] {
                [line] => Some(line.to_str().ok()?.to_owned()),
                _ => None,
            }
        };
        let verify = || -> Option<()> {
            let timestamp = only("x-agentmail-timestamp")?;
            let signature = only("x-agentmail-signature")?;
            let at: u64 = timestamp.parse().ok()?;
            if at.to_string() != timestamp || at.abs_diff(now_secs()) > 300 {
                return None;
            }
            let items: Vec<_> =
                signature.split(',').map(|item| item.trim().split_once('=')).collect();
            let macs =
                items.into_iter().filter_map(|item| item.filter(|(scheme, _)| *scheme == "v1"));
            let macs: Vec<_> =
                macs.map(|(_, hex)| hex::decode(hex)).collect::<Result<_, _>>().ok()?;

            let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).ok()?;
            mac.update(timestamp.as_bytes());
            mac.update(b".");
            mac.update(&body);
            macs.iter().find_map(|expected| mac.clone().verify_slice(expected).ok())
        };
        verify().is_some()
    })
}

/// Stripe's scheme, which has our two values in one header. Each call creates the key state.
fn webhook_verify(bytes: usize) -> Contender {
    use webhook_verify::{Provider, Secret, VerifyOptions, verify};

    let body = body(bytes);
    let (timestamp, signature) = signed(UnixTime::now(), &body, SECRET);
    let headers = header_map(&[("stripe-signature", &format!("t={timestamp},{signature}"))]);
    let secret = Secret::new(SECRET);
    contender("webhook-verify (Stripe's scheme)", true, move || {
        verify(Provider::Stripe, &headers, &body, &secret, VerifyOptions::default()).is_ok()
    })
}

/// The same scheme in one header. Each call creates the key state.
fn blooio(bytes: usize) -> Contender {
    use blooio::webhook::{X_BLOOIO_SIGNATURE_HEADER, verify_default};

    let body = body(bytes);
    let (timestamp, signature) = signed(UnixTime::now(), &body, SECRET);
    let signature = format!("t={timestamp},{signature}");
    let headers = header_map(&[(X_BLOOIO_SIGNATURE_HEADER, &signature)]);
    contender("blooio", true, move || {
        let signature = headers.get(X_BLOOIO_SIGNATURE_HEADER);
        let signature = signature.and_then(|value| value.to_str().ok());
        signature.is_some_and(|value| verify_default(SECRET.as_bytes(), value, &body).is_ok())
    })
}

/// Verifies, and then fails at the first byte of the body, which is not JSON.
fn async_stripe(bytes: usize) -> Contender {
    use stripe_webhook::{Webhook, WebhookError};

    let body = String::from_utf8(body(bytes)).expect("it is ASCII");
    let (timestamp, signature) = signed(UnixTime::now(), body.as_bytes(), SECRET);
    let header = format!("t={timestamp},{signature}");
    contender("async-stripe (and a failing parse)", true, move || {
        matches!(Webhook::construct_event(&body, &header, SECRET), Err(WebhookError::BadParse(_)))
    })
}

/// The headers of Standard Webhooks, which have also an id, and a signature in base64.
fn standard_headers(prefix: &'static str, body: &[u8]) -> HeaderMap {
    let at = now_secs();
    let signature = standard_signature(&at.to_string(), body);
    let [id, timestamp, signed] = match prefix {
        "svix" => ["svix-id", "svix-timestamp", "svix-signature"],
        _ => ["webhook-id", "webhook-timestamp", "webhook-signature"],
    };
    header_map(&[(id, "msg_1"), (timestamp, &at.to_string()), (signed, &signature)])
}

pub fn standard_signature(timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length will do");
    mac.update(format!("msg_1.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn svix(bytes: usize) -> Contender {
    let body = body(bytes);
    let headers = standard_headers("svix", &body);
    let webhook = svix::webhooks::Webhook::from_bytes(SECRET.into()).expect("it is a secret");
    contender("svix", true, move || webhook.verify(&body, &headers).is_ok())
}

fn standard_webhooks(bytes: usize) -> Contender {
    let body = body(bytes);
    let headers = standard_headers("webhook", &body);
    let webhook = standardwebhooks::Webhook::from_bytes(SECRET.into()).expect("it is a secret");
    contender("standardwebhooks", true, move || webhook.verify(&body, &headers).is_ok())
}

/// The time of refusals, compared with that of a genuine delivery.
fn refusals() -> Group {
    let bytes = 400;
    let refused = |name, timestamp: Option<&'static str>, signature: Option<String>, now: u64| {
        let (body, verifier) = (body(bytes), Verifier::new(secret()));
        contender(name, false, move || {
            let headers = SignedHeaders::parse(|header| match header {
                WebhookHeader::Timestamp => timestamp.map(str::as_bytes),
                WebhookHeader::Signature => signature.as_deref().map(str::as_bytes),
                WebhookHeader::Unsigned => None,
            });
            let now = UnixTime::from_secs(now);
            headers.is_ok_and(|headers| verifier.verify(&headers, &body, now).is_ok())
        })
    };
    let (_, genuine) = signed(NOW, &body(bytes), SECRET);
    let (_, forged) = signed(NOW, &body(bytes), "another secret");
    let old_of_two = {
        let body = body(bytes);
        let label = Label::new("new").expect("a label");
        let new = Secret::new("the new one").expect("a secret").with_label(label);
        let verifier = Verifier::new(new).with_secret(secret()).expect("two labels");
        let genuine = genuine.clone();
        contender("accepted with the second of two secrets", true, move || {
            let headers = SignedHeaders::parse(|header| match header {
                WebhookHeader::Timestamp => Some(&b"1700000000"[..]),
                WebhookHeader::Signature => Some(genuine.as_bytes()),
                WebhookHeader::Unsigned => None,
            });
            headers.is_ok_and(|headers| verifier.verify(&headers, &body, NOW).is_ok())
        })
    };
    Group {
        name: "refuse",
        case: "one delivery",
        bytes,
        added: false,
        contenders: vec![
            ours(bytes, SECRET),
            refused("forged", Some("1700000000"), Some(forged), 1_700_000_000),
            refused("stale", Some("1700000000"), Some(genuine.clone()), 1_700_000_301),
            refused("missing signature", Some("1700000000"), None, 1_700_000_000),
            refused(
                "malformed timestamp",
                Some("+1700000000"),
                Some(genuine.clone()),
                1_700_000_000,
            ),
            refused(
                "malformed signature, one digit short",
                Some("1700000000"),
                Some(genuine[..66].into()),
                1_700_000_000,
            ),
            refused(
                "malformed signature, bad last digit",
                Some("1700000000"),
                Some(format!("{}g", &genuine[..66])),
                1_700_000_000,
            ),
            old_of_two,
        ],
    }
}
