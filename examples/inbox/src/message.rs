use std::fmt;

/// A message that was taken out of the inbox for one attempt.
#[derive(Clone)]
pub(crate) struct Message {
    /// Its row in the inbox.
    pub(crate) id: i64,
    /// Which attempt this is, counted from 1.
    pub(crate) attempt: u32,
    /// The bytes that were signed.
    pub(crate) body: Vec<u8>,
}

/// Shows the length of the body, not the body, which has the mail's content.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("attempt", &self.attempt)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
