//! A forged delivery whose signature is wrong at one byte, and two ways to refuse it.

use agentmail_verify::{Secret, SignedHeaders, Signer, UnixTime, Verifier, WebhookHeader};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const BODY: &[u8] = b"{}";

/// A forged delivery, with the verification of the library and a leaky comparison as a control.
pub struct Case {
    verifier: Verifier,
    genuine: String,
    forged: Vec<u8>,
}

impl Case {
    /// Flips one bit of the signature's byte at `wrong`, 0 to 31.
    pub fn new(wrong: usize) -> Self {
        let secret = || Secret::new("whsec_test_secret").expect("it is neither empty nor blank");
        let genuine = Signer::new(secret()).sign(NOW, BODY).signature().to_owned();
        let forged = genuine.clone().into_bytes();
        let mut case = Self { verifier: Verifier::new(secret()), genuine, forged };
        case.set_wrong(wrong);
        case
    }

    /// Moves the wrong byte within the same memory, because another address can take another time.
    pub fn set_wrong(&mut self, wrong: usize) {
        self.forged.copy_from_slice(self.genuine.as_bytes());
        let digit = &mut self.forged[3 + 2 * wrong + 1];
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }

    /// Verifies the forged delivery.
    pub fn verify(&self) -> bool {
        let headers = SignedHeaders::parse(|header| match header {
            WebhookHeader::Timestamp => Some(&b"1700000000"[..]),
            WebhookHeader::Signature => Some(&self.forged[..]),
            WebhookHeader::Unsigned => None,
        });
        headers.is_ok_and(|headers| self.verifier.verify(&headers, BODY, NOW).is_ok())
    }

    /// Compares digit by digit, and stops at the first difference. The measurement must detect
    /// this.
    pub fn leak(&self) -> bool {
        self.forged.iter().zip(self.genuine.bytes()).all(|(a, b)| *std::hint::black_box(a) == b)
    }
}
