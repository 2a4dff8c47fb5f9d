//! Verification through the public API: vectors of independent tools, and properties.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::time::Duration;

use agentmail_verify::{
    Label, Receipt, Secret, SignedHeaders, Signer, Tolerance, UnixTime, Verifier, VerifyError,
    WebhookHeader,
};
use proptest::prelude::*;
use serde_json::Value;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn secret(label: &str) -> Secret {
    Secret::new(format!("secret of {label}")).unwrap().with_label(label.parse().unwrap())
}

fn headers(timestamp: &[u8], signature: &[u8]) -> Result<SignedHeaders, VerifyError> {
    SignedHeaders::parse(|header| match header {
        WebhookHeader::Timestamp => Some(timestamp),
        WebhookHeader::Signature => Some(signature),
        WebhookHeader::Unsigned => None,
    })
}

fn verify(
    verifier: &Verifier,
    timestamp: &[u8],
    signature: &[u8],
    body: &[u8],
) -> Result<Receipt, VerifyError> {
    verifier.verify(&headers(timestamp, signature)?, body, NOW)
}

fn verify_in_pieces(
    verifier: &Verifier,
    headers: &SignedHeaders,
    pieces: &[Vec<u8>],
) -> Result<Receipt, VerifyError> {
    let mut verification = verifier.begin(headers, NOW)?;
    pieces.iter().for_each(|piece| verification.update(piece));
    verification.finish()
}

#[test]
fn accepts_what_independent_tools_signed() {
    let file: Value = serde_json::from_str(include_str!("vectors/basic.json")).unwrap();
    let verifier = Verifier::new(Secret::new(file["secret"].as_str().unwrap()).unwrap());
    let vectors = file["vectors"].as_array().unwrap();

    for vector in vectors {
        let field = |name| str::as_bytes(vector[name].as_str().unwrap());
        let timestamp = file["timestamp"].as_str().unwrap().as_bytes();

        let receipt = verify(&verifier, timestamp, field("signature"), field("body"));

        assert_eq!(receipt.map(|receipt| receipt.signed_at()), Ok(NOW), "{}", vector["name"]);
    }
    assert_eq!(vectors.len(), 3);
}

#[test]
fn a_dot_moved_between_timestamp_and_body_is_refused() {
    // (`1700000000`, `1.{}`) and (`1700000000.1`, `{}`) have the same MAC.
    let signature = b"v1=7d06567885b19ba563fcb960d9d42ebcb14c2af04d0fb9e5571eec968751b126";
    let verifier = Verifier::new(Secret::new("whsec_test_secret").unwrap());

    assert!(verify(&verifier, b"1700000000", signature, b"1.{}").is_ok());
    assert_eq!(
        verify(&verifier, b"1700000000.1", signature, b"{}"),
        Err(VerifyError::MalformedTimestamp)
    );
}

#[test]
fn the_receipt_names_the_secret_that_matched() {
    let labels = ["a", "b", "c", "d"];
    let first = Verifier::new(secret("a"));
    let verifier =
        labels[1..].iter().try_fold(first, |accepting, label| accepting.with_secret(secret(label)));
    let verifier = verifier.unwrap();

    for label in labels {
        let delivery = Signer::new(secret(label)).sign(NOW, b"{}");
        let headers = SignedHeaders::parse(|header| delivery.value(header)).unwrap();

        let whole = verifier.verify(&headers, b"{}", NOW).unwrap();
        let pieces = verify_in_pieces(&verifier, &headers, &[b"{".into(), b"}".into()]).unwrap();

        assert_eq!(whole.label().as_str(), label);
        assert_eq!(whole, pieces);
    }
}

#[test]
fn a_secret_is_accepted_to_its_end_and_not_a_second_longer() {
    let at = |offset: u64| UnixTime::from_secs(NOW.as_secs() + offset);
    let verifier = Verifier::new(secret("new"))
        .with_secret_until(secret("former"), at(60))
        .and_then(|verifier| verifier.with_secret_until(secret("first"), at(0)))
        .and_then(|verifier| verifier.with_secret(secret("backup")))
        .unwrap();

    for (label, now, accepted) in [
        ("new", at(300), true),
        ("former", at(0), true),
        ("former", at(60), true),
        ("former", at(61), false),
        ("former", at(300), false),
        ("first", at(0), true),
        ("first", at(1), false),
        ("backup", at(300), true),
        ("forger", at(0), false),
    ] {
        let delivery = Signer::new(secret(label)).sign(NOW, b"{}");
        let headers = SignedHeaders::parse(|header| delivery.value(header)).unwrap();

        let whole = verifier.verify(&headers, b"{}", now);
        let mut verification = verifier.begin(&headers, now).unwrap();
        verification.update(b"{}");

        assert_eq!(verification.finish(), whole, "{label} at {now:?}, streamed");
        let expected = if accepted { Ok(label) } else { Err(VerifyError::Mismatch) };
        let matched = whole.map(|receipt| receipt.label());
        assert_eq!(matched.as_ref().map(Label::as_str).map_err(|it| *it), expected, "at {now:?}");
    }
}

#[test]
fn one_matching_value_of_a_list_is_enough() {
    let verifier = Verifier::new(secret("new"));
    let good = Signer::new(secret("new")).sign(NOW, b"{}");
    let other = Signer::new(secret("other")).sign(NOW, b"{}");

    for (list, accepted) in [
        (format!("{},{}", good.signature(), other.signature()), true),
        (format!("{}, v2=abc, {}", other.signature(), good.signature()), true),
        (format!("{},{}", other.signature(), other.signature()), false),
    ] {
        let outcome = verify(&verifier, b"1700000000", list.as_bytes(), b"{}");

        assert_eq!(outcome.is_ok(), accepted, "{list}");
    }
}

#[test]
fn a_stale_delivery_is_stale_whether_its_signature_matches_or_not() {
    let verifier = Verifier::new(secret("new"));
    let stale = |error: &VerifyError| match error {
        VerifyError::Stale { age, .. } => *age == Duration::from_secs(301),
        _ => false,
    };

    for label in ["new", "forger"] {
        let delivery = Signer::new(secret(label)).sign(UnixTime::from_secs(1_699_999_699), b"{}");
        let headers = SignedHeaders::parse(|header| delivery.value(header)).unwrap();

        let whole = verifier.verify(&headers, b"{}", NOW).unwrap_err();
        assert!(stale(&whole), "{whole:?}");
        assert_eq!(verifier.begin(&headers, NOW).unwrap_err(), whole);
    }
}

#[test]
fn a_signers_verifier_accepts_what_it_signs() {
    let signer = Signer::new(secret("new"));
    let delivery = signer.sign(NOW, b"{}");
    let headers = SignedHeaders::parse(|header| delivery.value(header)).unwrap();

    let receipt = signer.verifier().verify(&headers, b"{}", NOW).unwrap();

    assert_eq!(receipt.label().as_str(), "new");
    assert_eq!(
        signer.verifier().verify(&headers, b"[]", NOW),
        Err(VerifyError::Mismatch),
        "another body"
    );
}

#[test]
fn a_wider_tolerance_accepts_an_older_delivery() {
    let day = Duration::from_secs(86_400);
    let tolerance = Tolerance::default().with_max_age(day).unwrap();
    let verifier = Verifier::new(secret("new")).with_tolerance(tolerance);
    let delivery = Signer::new(secret("new")).sign(UnixTime::from_secs(1_699_913_600), b"{}");
    let headers = SignedHeaders::parse(|header| delivery.value(header)).unwrap();

    assert!(verifier.verify(&headers, b"{}", NOW).is_ok());
}

#[test]
fn debug_shows_neither_secret_nor_signature() {
    let delivery = Signer::new(Secret::new("hush-hush").unwrap()).sign(NOW, b"{}");
    let headers = SignedHeaders::parse(|header| delivery.value(header)).unwrap();
    let verifier = Verifier::new(Secret::new("hush-hush").unwrap());
    let hex = &delivery.signature()[3..];

    assert_eq!(format!("{delivery:?}"), "SignedDelivery { timestamp: Timestamp(1700000000), .. }");
    assert_eq!(
        format!("{headers:?}"),
        "SignedHeaders { timestamp: Timestamp(1700000000), signature: Signature(..) }"
    );
    assert_eq!(
        format!("{:?}", verifier.begin(&headers, NOW).unwrap()),
        "Verification { signed_at: UnixTime(1700000000), .. }"
    );
    for shown in [
        format!("{:?}", Secret::new("hush-hush")),
        format!("{:?}", Signer::new(Secret::new("hush-hush").unwrap())),
        format!("{delivery:?}"),
        format!("{headers:?}"),
        format!("{verifier:?}"),
        format!("{:?}", verifier.begin(&headers, NOW)),
        format!("{:?}", verifier.verify(&headers, b"{}", NOW)),
    ] {
        assert!(!shown.contains("hush"), "{shown}");
        assert!(!shown.contains(hex), "{shown}");
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies_under_any_cut(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
    ) {
        let body = pieces.concat();
        let delivery = Signer::new(secret("new")).sign(NOW, &body);
        let headers = SignedHeaders::parse(|header| delivery.value(header)).unwrap();
        let verifier = Verifier::new(secret("old")).with_secret(secret("new")).unwrap();

        let whole = verifier.verify(&headers, &body, NOW);

        prop_assert!(whole.is_ok());
        prop_assert_eq!(verify_in_pieces(&verifier, &headers, &pieces), whole);
    }

    #[test]
    fn an_end_is_judged_by_the_time_of_the_check(end: u64, now: u64) {
        let now = UnixTime::from_secs(now);
        let verifier = Verifier::new(secret("new"));
        let verifier = verifier.with_secret_until(secret("old"), UnixTime::from_secs(end)).unwrap();
        let delivery = Signer::new(secret("old")).sign(now, b"{}");
        let headers = SignedHeaders::parse(|header| delivery.value(header)).unwrap();

        let outcome = verifier.verify(&headers, b"{}", now);

        prop_assert_eq!(outcome.is_ok(), now.as_secs() <= end);
        prop_assert_eq!(verifier.begin(&headers, now).map(|mut verification| {
            verification.update(b"{}");
            verification.finish()
        }), Ok(outcome));
    }

    #[test]
    fn any_flipped_bit_is_refused(
        body in prop::collection::vec(any::<u8>(), 1..300),
        at: prop::sample::Index,
        bit in 0_u8..8,
    ) {
        let delivery = Signer::new(secret("new")).sign(NOW, &body);
        let verifier = Verifier::new(secret("new"));
        let parts = [delivery.timestamp().as_bytes(), delivery.signature().as_bytes(), &body];
        let mut changed = parts.map(<[u8]>::to_vec);
        let (part, offset) = locate(&changed, at.index(parts.concat().len()));
        changed[part][offset] ^= 1 << bit;
        // `A` and `a` are the same hex digit.
        prop_assume!(!changed[1].eq_ignore_ascii_case(parts[1]) || part != 1);

        let [timestamp, signature, body] = &changed;

        prop_assert!(verify(&verifier, timestamp, signature, body).is_err());
    }

    #[test]
    fn no_header_bytes_panic(timestamp: Vec<u8>, signature: Vec<u8>, body: Vec<u8>) {
        let verifier = Verifier::new(secret("new"));

        prop_assert!(verify(&verifier, &timestamp, &signature, &body).is_err());
    }

    #[test]
    fn no_list_of_items_panics(signature in "( ?(v1|v2|=)=?[0-9a-fA-F]{0,66} ?,?){0,10}") {
        let verifier = Verifier::new(secret("new"));

        prop_assert!(verify(&verifier, b"1700000000", signature.as_bytes(), b"").is_err());
    }
}

fn locate(parts: &[Vec<u8>], mut offset: usize) -> (usize, usize) {
    for (part, bytes) in parts.iter().enumerate() {
        if offset < bytes.len() {
            return (part, offset);
        }
        offset -= bytes.len();
    }
    unreachable!("the offset lies inside the parts");
}
