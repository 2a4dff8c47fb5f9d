use core::fmt;

use subtle::{Choice, ConstantTimeEq};

use crate::error::VerifyError;

/// A MAC as four words: `subtle` compares words several times faster than bytes.
type Words = [u64; 4];

/// The hex digits of a MAC.
const DIGITS: usize = 64;

/// The value of `X-AgentMail-Signature`: its `v1` values.
///
/// A comma-separated list of `scheme=value`, with optional spaces around the items, of at most
/// [`Signature::MAX_ITEMS`] items. Each `v1` value is 64 hex digits of either case. Items of other
/// schemes are ignored, so that the service can add one.
#[derive(Clone, Copy)]
pub(crate) struct Signature(Macs);

/// One MAC, as nearly always, or a list. The first case writes little memory.
#[derive(Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "a box would allocate")]
enum Macs {
    One(Words),
    List(List),
}

#[derive(Clone, Copy)]
struct List {
    macs: [Words; Signature::MAX_ITEMS],
    len: usize,
}

impl Signature {
    /// The largest number of items in one header.
    pub(crate) const MAX_ITEMS: usize = 8;

    /// Parses a header's value.
    ///
    /// Fails with [`VerifyError::MalformedSignature`] for a value that is not such a list, for one
    /// malformed `v1` value even beside a valid one, and for too many items. Fails with
    /// [`VerifyError::UnsupportedScheme`] for a list without `v1`.
    #[inline]
    pub(crate) fn parse(value: &[u8]) -> Result<Self, VerifyError> {
        // What the service sends: one `v1` value, and nothing else.
        match value.strip_prefix(b"v1=").and_then(decode) {
            Some(mac) => Ok(Self(Macs::One(words(&mac)))),
            None => List::parse(value).map(|list| Self(Macs::List(list))),
        }
    }

    /// Returns whether one of the `v1` values is this MAC, in time that does not depend on either.
    pub(crate) fn matches(&self, mac: &[u8; 32]) -> bool {
        let mac = words(mac);
        match &self.0 {
            Macs::One(candidate) => candidate.ct_eq(&mac).into(),
            Macs::List(list) => list.contains(&mac).into(),
        }
    }
}

impl List {
    fn parse(value: &[u8]) -> Result<Self, VerifyError> {
        // `Signature::parse` could not decode such a value. To split it would double the time of
        // this refusal, and find the same first item.
        if value.strip_prefix(b"v1=").is_some_and(|hex| hex.len() == DIGITS) {
            return Err(VerifyError::MalformedSignature);
        }
        let mut list = Self { macs: [[0; 4]; Signature::MAX_ITEMS], len: 0 };
        for (seen, item) in value.split(|byte| *byte == b',').enumerate() {
            if seen == Signature::MAX_ITEMS {
                return Err(VerifyError::MalformedSignature);
            }
            if let Some(hex) = v1_value(trim(item))? {
                list.push(&decode(hex).ok_or(VerifyError::MalformedSignature)?)?;
            }
        }
        if list.len == 0 { Err(VerifyError::UnsupportedScheme) } else { Ok(list) }
    }

    fn push(&mut self, mac: &[u8; 32]) -> Result<(), VerifyError> {
        let slot = self.macs.get_mut(self.len).ok_or(VerifyError::MalformedSignature)?;
        *slot = words(mac);
        self.len += 1;
        Ok(())
    }

    fn contains(&self, mac: &Words) -> Choice {
        let candidates = self.macs.iter().take(self.len);
        candidates.fold(Choice::from(0), |found, candidate| found | candidate.ct_eq(mac))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// Returns the value of an item whose scheme is `v1`, `None` for another scheme.
fn v1_value(item: &[u8]) -> Result<Option<&[u8]>, VerifyError> {
    let equals = item.iter().position(|byte| *byte == b'=');
    match equals.and_then(|at| item.split_at_checked(at)) {
        Some((b"v1", [b'=', hex @ ..])) => Ok(Some(hex)),
        Some((scheme, _)) if is_token(scheme) => Ok(None),
        _ => Err(VerifyError::MalformedSignature),
    }
}

/// Decodes exactly 64 hex digits.
///
/// By `const-hex`, although it brings a second `cpufeatures`: with `hex` or `base16ct`, verifying
/// 400 bytes takes 1.36 times as long as the bare block function, and the target is 1.30. The
/// decoder accepts an `0x` before the digits, so the length is checked first.
#[inline]
fn decode(hex: &[u8]) -> Option<[u8; 32]> {
    let hex: &[u8; DIGITS] = hex.try_into().ok()?;
    const_hex::decode_to_array(hex).ok()
}

#[inline]
fn words(mac: &[u8; 32]) -> Words {
    let (words, _) = mac.as_chunks::<8>();
    let words: &[[u8; 8]; 4] = words.try_into().expect("32 bytes are four words");
    words.map(u64::from_ne_bytes)
}

fn is_token(scheme: &[u8]) -> bool {
    let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    !scheme.is_empty() && scheme.iter().all(is_token_byte)
}

fn trim(mut item: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = item {
        item = rest;
    }
    item
}

#[cfg(test)]
mod tests {
    use std::{format, string::String, vec::Vec};

    use super::*;

    const HEX: &str = "63893a3709806933548b8fc7291ddfc44b4a760abfa32a31c107d9a260ad0db4";

    fn hex_of(byte: u8) -> String {
        format!("{byte:02x}").repeat(32)
    }

    #[test]
    fn takes_one_value_of_either_case() {
        for value in [format!("v1={HEX}"), format!("v1={}", HEX.to_uppercase())] {
            let signature = Signature::parse(value.as_bytes()).unwrap();

            assert!(signature.matches(&const_hex::decode_to_array(HEX).unwrap()), "{value}");
            assert!(!signature.matches(&[0; 32]), "an unused slot must not match");
        }
    }

    #[test]
    fn takes_the_v1_values_of_a_list_and_no_others() {
        let value =
            format!("  v2=zz, v1={} ,v1={},v1={},future-3=a=b  ", hex_of(1), hex_of(2), hex_of(2));

        let signature = Signature::parse(value.as_bytes()).unwrap();

        assert!(signature.matches(&[1; 32]));
        assert!(signature.matches(&[2; 32]));
        assert!(!signature.matches(&[3; 32]));
    }

    #[test]
    fn takes_eight_items_and_refuses_a_ninth() {
        let item = |byte: u8| format!("v1={}", hex_of(byte));
        let eight: Vec<_> = (1..=8).map(item).collect();
        let nine: Vec<_> = (1..=9).map(item).collect();

        assert!(Signature::parse(eight.join(",").as_bytes()).unwrap().matches(&[8; 32]));
        assert_eq!(
            Signature::parse(nine.join(",").as_bytes()).unwrap_err(),
            VerifyError::MalformedSignature
        );
    }

    #[test]
    fn counts_items_of_other_schemes_too() {
        let value = format!("{}v1={HEX}", "v0=a,".repeat(8));

        assert_eq!(
            Signature::parse(value.as_bytes()).unwrap_err(),
            VerifyError::MalformedSignature
        );
    }

    #[test]
    fn one_malformed_v1_refuses_the_whole_header() {
        let longer = format!("v1={HEX}0");
        let prefixed = [format!("v1=0x{}", &HEX[2..]), format!("v1=0x{HEX}")];
        for bad in ["v1=", "v1=00", "v1", "v1 =00", &longer, &prefixed[0], &prefixed[1]] {
            for value in [format!("{bad},v1={HEX}"), format!("v1={HEX},{bad}")] {
                assert_eq!(
                    Signature::parse(value.as_bytes()).unwrap_err(),
                    VerifyError::MalformedSignature,
                    "{value}"
                );
            }
        }
    }

    #[test]
    fn one_byte_that_is_not_a_digit_is_malformed() {
        for at in [0, 1, 31, 62, 63] {
            for byte in [b'g', b' ', b',', b'=', b'x', 0xff] {
                let mut value = format!("v1={HEX}").into_bytes();
                value[3 + at] = byte;

                assert_eq!(
                    Signature::parse(&value).unwrap_err(),
                    VerifyError::MalformedSignature,
                    "{}",
                    value.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn every_proper_prefix_fails() {
        let value = format!("v1={HEX}");

        for len in 0..value.len() {
            assert_eq!(
                Signature::parse(&value.as_bytes()[..len]).unwrap_err(),
                VerifyError::MalformedSignature,
                "{len} bytes"
            );
        }
    }

    #[test]
    fn rejects_what_is_not_a_list_of_schemes() {
        for value in [
            &b""[..],
            b" ",
            b",",
            b"=",
            HEX.as_bytes(),
            b"v1",
            b"\xff\xfe=1",
            b"v 1=00",
            format!("v1={HEX},").as_bytes(),
            format!(",v1={HEX}").as_bytes(),
            format!("v1={HEX};v1={HEX}").as_bytes(),
            format!("\tv1={HEX}").as_bytes(),
            format!("v1= {HEX}").as_bytes(),
            format!("v1=\"{HEX}\"").as_bytes(),
        ] {
            assert_eq!(
                Signature::parse(value).unwrap_err(),
                VerifyError::MalformedSignature,
                "{}",
                value.escape_ascii()
            );
        }
    }

    #[test]
    fn a_list_without_v1_is_unsupported() {
        for value in [format!("sha256={HEX}"), format!("V1={HEX}"), format!("v10={HEX},v2=a")] {
            assert_eq!(
                Signature::parse(value.as_bytes()).unwrap_err(),
                VerifyError::UnsupportedScheme,
                "{value}"
            );
        }
    }
}
