//! The traits that every public type has, and those that a secret must not have.
//!
//! The compiler checks them. A change of a private field can remove an auto trait, which is
//! a breaking change.

use std::{
    error::Error,
    fmt::{Debug, Display},
    hash::Hash,
    panic::{RefUnwindSafe, UnwindSafe},
};

use agentmail_verify::{
    ClockFn, Label, LabelError, Receipt, Secret, SecretError, SignedDelivery, SignedHeaders,
    Signer, Tolerance, ToleranceError, UnixTime, Verification, Verifier, VerifierError,
    VerifyError, WebhookHeader,
};

fn value<T: Debug + Clone + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
fn error<T: Error + Send + Sync + Unpin + 'static>() {}

const _: fn() = || {
    value::<ClockFn<fn() -> UnixTime>>();
    value::<Label>();
    value::<Receipt>();
    value::<Secret>();
    value::<SignedDelivery>();
    value::<SignedHeaders>();
    value::<Signer>();
    value::<Tolerance>();
    value::<UnixTime>();
    value::<Verification>();
    value::<Verifier>();
    value::<WebhookHeader>();

    value::<LabelError>();
    value::<SecretError>();
    value::<ToleranceError>();
    value::<VerifierError>();
    value::<VerifyError>();
    error::<LabelError>();
    error::<SecretError>();
    error::<ToleranceError>();
    error::<VerifierError>();
    error::<VerifyError>();
};

#[cfg(feature = "std")]
const _: fn() = || {
    use agentmail_verify::{
        SecretEnvError, SecretEnvErrorKind, SecretFileError, SecretFileErrorKind, SystemClock,
    };

    value::<SecretEnvError>();
    value::<SecretEnvErrorKind>();
    value::<SecretFileErrorKind>();
    value::<SystemClock>();
    error::<SecretEnvError>();
    // It contains an `io::Error`, which is neither `Clone` nor `UnwindSafe`.
    error::<SecretFileError>();
};

#[cfg(feature = "event")]
const _: fn() = || {
    use agentmail_verify::{Event, EventTime, MailReceived, PayloadError, TrustTier};
    use serde::{Serialize, de::DeserializeOwned};

    fn read<T: DeserializeOwned>() {}
    fn written<T: Serialize>() {}

    value::<Event>();
    value::<EventTime>();
    value::<MailReceived>();
    value::<PayloadError>();
    value::<TrustTier>();
    error::<PayloadError>();
    read::<Event>();
    read::<EventTime>();
    read::<MailReceived>();
    read::<TrustTier>();
    written::<EventTime>();
    written::<MailReceived>();
    written::<TrustTier>();
};

/// Does not compile if the type has the trait, because then `absent` is ambiguous.
macro_rules! assert_absent {
    ($type:ty: $($trait:path),+) => {
        $(const _: fn() = || {
            trait IfAbsent<Marker> {
                fn absent() {}
            }
            struct Present;
            impl<T> IfAbsent<()> for T {}
            impl<T: $trait> IfAbsent<Present> for T {}

            <$type as IfAbsent<_>>::absent();
        };)+
    };
}

assert_absent!(Secret: Copy, Default, Display, Hash, PartialEq, AsRef<str>, AsRef<[u8]>);
assert_absent!(Signer: Copy, Default, Display, PartialEq);
assert_absent!(Verifier: Copy, Default, Display, PartialEq);
// Only a verification creates one.
assert_absent!(Receipt: Default);
