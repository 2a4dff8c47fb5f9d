/// The optional fields that had another JSON type than in the guide.
///
/// It says how a value was read and is no part of it: any two are equal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MistypedFields(u16);

/// One bit each, in this order.
const OPTIONAL_FIELDS: [&str; 9] = [
    "sender",
    "subject",
    "timestamp",
    "sender_verified",
    "peer_trust_tier",
    "rate_limited",
    "is_duplicate",
    "s3_bucket",
    "s3_key",
];

impl MistypedFields {
    /// Notes a field, and returns the value that it is treated as.
    pub(super) fn note<T>(&mut self, name: &'static str) -> Option<T> {
        let at = OPTIONAL_FIELDS.iter().position(|field| *field == name);
        self.0 |= 1 << at.expect("only optional fields are noted");
        None
    }

    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        let noted = move |(at, _): &(usize, &str)| self.0 & (1 << at) != 0;
        OPTIONAL_FIELDS.into_iter().enumerate().filter(noted).map(|(_, name)| name)
    }
}

impl PartialEq for MistypedFields {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for MistypedFields {}
