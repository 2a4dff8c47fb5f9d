//! A genuine delivery is accepted in one piece and in any two pieces. With another body it is
//! refused.
#![no_main]

use agentmail_verify::{Secret, SignedHeaders, Signer, UnixTime, Verifier};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], u64, u16, &[u8])| {
    let (body, secs, cut, other) = input;
    let now = UnixTime::from_secs(secs);
    let secret = || Secret::new("the secret of the fuzzer").expect("it is neither empty nor blank");

    let delivery = Signer::new(secret()).sign(now, body);
    let headers = SignedHeaders::parse(|header| delivery.value(header));
    let headers = headers.expect("they are well formed");
    let verifier = Verifier::new(secret());
    assert!(verifier.verify(&headers, body, now).is_ok());
    assert_eq!(verifier.verify(&headers, other, now).is_ok(), other == body);

    let (head, tail) = body.split_at(usize::from(cut).min(body.len()));
    let mut verification = verifier.begin(&headers, now).expect("it is fresh");
    verification.update(head);
    verification.update(tail);
    assert!(verification.finish().is_ok());
});
