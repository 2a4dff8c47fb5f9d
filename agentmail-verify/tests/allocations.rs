//! The core never allocates, for any headers and any size of body, accepted or refused.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use agentmail_verify::{
    Secret, SignedDelivery, SignedHeaders, Signer, UnixTime, Verifier, VerifyError,
};
use allocation_counter::measure;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn secret(label: &str) -> Secret {
    Secret::new(format!("secret of {label}")).unwrap().with_label(label.parse().unwrap())
}

fn receive(verifier: &Verifier, delivery: &SignedDelivery, body: &[u8]) -> Result<(), VerifyError> {
    let headers = SignedHeaders::parse(|header| delivery.value(header))?;
    verifier.verify(&headers, body, NOW).map(drop)
}

fn receive_in_pieces(
    verifier: &Verifier,
    delivery: &SignedDelivery,
    body: &[u8],
) -> Result<(), VerifyError> {
    let headers = SignedHeaders::parse(|header| delivery.value(header))?;
    let mut verification = verifier.begin(&headers, NOW)?;
    body.chunks(1_000).for_each(|piece| verification.update(piece));
    verification.finish().map(drop)
}

fn assert_no_allocation(
    name: &str,
    expected: Result<(), VerifyError>,
    run: impl Fn() -> Result<(), VerifyError>,
) {
    let mut outcome = None;
    let counted = measure(|| outcome = Some(run()));

    assert_eq!(outcome, Some(expected), "{name}");
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "{name}");
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(std::hint::black_box(vec![0_u8; 10]))).count_total, 1);
}

#[test]
fn verification_allocates_nothing() {
    let verifier = Verifier::new(secret("new")).with_secret(secret("old")).unwrap();

    for len in [0, 1, 55, 64, 400, 1_024, 16 * 1_024, 256 * 1_024] {
        let body = vec![b'x'; len];
        for (label, expected) in
            [("new", Ok(())), ("old", Ok(())), ("forger", Err(VerifyError::Mismatch))]
        {
            let delivery = Signer::new(secret(label)).sign(NOW, &body);
            let name = format!("{label}, {len} bytes");

            assert_no_allocation(&name, expected, || receive(&verifier, &delivery, &body));
            assert_no_allocation(&name, expected, || {
                receive_in_pieces(&verifier, &delivery, &body)
            });
        }
    }
}

#[test]
fn refusals_by_headers_allocate_nothing() {
    for (name, timestamp, signature) in [
        ("missing", None, None),
        ("malformed timestamp", Some("now"), Some("v1=00")),
        ("malformed signature", Some("1700000000"), Some("v1=00")),
        ("unsupported scheme", Some("1700000000"), Some("v2=00")),
    ] {
        let counted = measure(|| {
            let outcome = SignedHeaders::parse(|header| match header.name() {
                "x-agentmail-timestamp" => timestamp.map(str::as_bytes),
                "x-agentmail-signature" => signature.map(str::as_bytes),
                _ => None,
            });
            assert!(outcome.is_err());
        });

        assert_eq!(counted.count_total, 0, "{name}");
    }
}

#[test]
fn a_stale_delivery_is_refused_without_allocation() {
    let verifier = Verifier::new(secret("new"));
    let delivery = Signer::new(secret("new")).sign(UnixTime::from_secs(1_600_000_000), b"{}");
    let stale = verifier.tolerance().check(UnixTime::from_secs(1_600_000_000), NOW).unwrap_err();
    assert_eq!(stale.code(), "stale");

    assert_no_allocation("stale", Err(stale), || receive(&verifier, &delivery, b"{}"));
}

#[test]
fn signing_allocates_nothing() {
    let signer = Signer::new(secret("new"));

    assert_eq!(measure(|| drop(signer.sign(NOW, b"{}"))).count_total, 0);
}
