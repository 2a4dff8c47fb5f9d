/// How many bytes a diagnosis may hash. When the budget is used up, the diagnosis ends with what it
/// has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct DiagnosisBudget {
    bytes: u64,
}

impl DiagnosisBudget {
    /// 4 MiB, the default of [`DiagnosisConfig`](super::DiagnosisConfig): about 10 milliseconds.
    pub const DEVELOPMENT: Self = Self::from_bytes(4 << 20);

    /// 1 GiB, for a captured request: a few seconds.
    pub const EXPLAIN: Self = Self::from_bytes(1 << 30);

    /// Sets the budget, in bytes. With 0, no MAC is computed.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self { bytes }
    }

    /// Returns the budget, in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.bytes
    }
}

/// Counts what is hashed.
#[derive(Debug)]
pub(super) struct Meter {
    left: u64,
    spent: u64,
    exhausted: bool,
}

impl Meter {
    /// What HMAC hashes beside the message: the padding and the outer hash.
    const OVERHEAD: u64 = 128;

    pub(super) const fn new(budget: DiagnosisBudget) -> Self {
        Self { left: budget.bytes, spent: 0, exhausted: false }
    }

    /// Pays for the MAC of a message. If it returns `false`, the MAC must not be computed.
    pub(super) fn pay(&mut self, message_len: usize) -> bool {
        let price = u64::try_from(message_len).unwrap_or(u64::MAX).saturating_add(Self::OVERHEAD);
        let Some(left) = self.left.checked_sub(price) else {
            self.exhausted = true;
            return false;
        };
        self.left = left;
        self.spent = self.spent.saturating_add(price);
        true
    }

    pub(super) const fn spent(&self) -> u64 {
        self.spent
    }

    pub(super) const fn is_exhausted(&self) -> bool {
        self.exhausted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_does_not_fit_costs_nothing_and_is_recorded() {
        let mut meter = Meter::new(DiagnosisBudget::from_bytes(300));

        assert!(meter.pay(100));
        assert!(!meter.is_exhausted());
        assert!(!meter.pay(100));
        assert!(meter.is_exhausted());
        assert_eq!(meter.spent(), 228);
        assert!(!meter.pay(usize::MAX));
    }
}
