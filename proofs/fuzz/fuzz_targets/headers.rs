//! Any bytes in the two headers are parsed or refused. A parsed header conforms to the grammar.
#![no_main]

use agentmail_verify::{SignedHeaders, WebhookHeader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|headers: (Option<&[u8]>, Option<&[u8]>, Option<&[u8]>)| {
    let (timestamp, signature, unsigned) = headers;
    let parsed = SignedHeaders::parse(|header| match header {
        WebhookHeader::Timestamp => timestamp,
        WebhookHeader::Signature => signature,
        WebhookHeader::Unsigned => unsigned,
    });
    if let Ok(parsed) = parsed {
        let printed = parsed.signed_at().to_string();
        assert_eq!(timestamp, Some(printed.as_bytes()), "the timestamp is canonical");
        let signature = signature.unwrap_or_default();
        assert!(signature.windows(3).any(|window| window == b"v1="), "there is a v1 value");
    }
});
