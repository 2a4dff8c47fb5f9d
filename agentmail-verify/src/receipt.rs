use crate::{label::Label, unix_time::UnixTime};

/// The proof that a body is authentic.
///
/// Only a successful verification creates a receipt. A function that needs an authentic body can
/// require one as an argument.
///
/// ```compile_fail
/// // There is no other way to create one.
/// let receipt = agentmail_verify::Receipt::new(time, label);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Receipt {
    signed_at: UnixTime,
    label: Label,
}

impl Receipt {
    pub(crate) const fn new(signed_at: UnixTime, label: Label) -> Self {
        Self { signed_at, label }
    }

    /// Returns when the delivery was signed, by the sender's clock.
    #[must_use]
    pub const fn signed_at(&self) -> UnixTime {
        self.signed_at
    }

    /// Returns the label of the secret that matched.
    #[must_use]
    pub const fn label(&self) -> Label {
        self.label
    }
}
