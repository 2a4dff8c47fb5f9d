//! Any bytes in the two headers: parsed or refused, and what is parsed keeps to its grammar.
#![no_main]

use agentmail_verify::{Header, SignedHeaders};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|headers: (Option<&[u8]>, Option<&[u8]>, Option<&[u8]>)| {
    let (timestamp, signature, unsigned) = headers;
    let parsed = SignedHeaders::read(|header| match header {
        Header::Timestamp => timestamp,
        Header::Signature => signature,
        Header::Unsigned => unsigned,
    });
    if let Ok(parsed) = parsed {
        let printed = parsed.timestamp().time().as_secs().to_string();
        assert_eq!(timestamp, Some(printed.as_bytes()), "the timestamp is canonical");
        let signature = signature.unwrap_or_default();
        assert!(signature.windows(3).any(|window| window == b"v1="), "there is a v1 value");
    }
});
