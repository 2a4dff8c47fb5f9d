//! Verifies a genuine or a forged delivery, from header bytes to receipt, this many times.
//!
//! Usage: `instructions accept|refuse BYTES TIMES`

use agentmail_verify::{Secret, SignedHeaders, Signer, UnixTime, Verifier, WebhookHeader};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [what, bytes, times] = &arguments[..] else { panic!("accept|refuse BYTES TIMES") };
    let number = |text: &String| text.parse::<usize>().expect("a number");

    let secret = |text| Secret::new(text).expect("it is neither empty nor blank");
    let body = vec![b'x'; number(bytes)];
    let signer = Signer::new(secret(if what == "accept" { "genuine" } else { "forged!" }));
    let signed = signer.sign(NOW, &body);
    let (timestamp, signature) = (signed.timestamp().to_owned(), signed.signature().to_owned());
    let verifier = Verifier::new(secret("genuine"));
    for _ in 0..number(times) {
        let headers = SignedHeaders::parse(|header| match header {
            WebhookHeader::Timestamp => Some(timestamp.as_bytes()),
            WebhookHeader::Signature => Some(signature.as_bytes()),
            WebhookHeader::Unsigned => None,
        });
        let headers = headers.expect("they are well formed");
        let accepted = verifier.verify(&headers, std::hint::black_box(&body), NOW).is_ok();
        assert_eq!(accepted, what == "accept");
    }
}
