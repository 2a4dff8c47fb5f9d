use std::fmt;

use agentmail_verify::MailReceived;
use sha2::{Digest, Sha256};

use crate::identity::{Field, Identity};

/// The key that identifies a message: a digest of 32 bytes. A store of claims therefore contains no
/// ids.
///
/// | the body | its key |
/// | --- | --- |
/// | a `mail.received` with a plain `agent_id` and `message_id` | SHA-256 over `type`, `agent_id` and `message_id`, each preceded by its length (8 bytes, big-endian) |
/// | anything else | SHA-256 of the body |
///
/// An id is plain if it appears once, and is a string that is not empty and has no lone surrogate
/// (which is read as U+FFFD). An event of another type is identified by its bytes, because its ids
/// may not be unique: for example, three updates of one status may have the same id.
///
/// ```
/// # use agentmail_receive::MessageKey;
/// let key = MessageKey::of_mail("my-agent", "msg-abc123");
///
/// assert_eq!(key.as_bytes().len(), 32);
/// assert_ne!(key, MessageKey::of_mail("my-agent", "msg-abc124"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey([u8; 32]);

impl MessageKey {
    /// Returns the key of a `mail.received` with these ids.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the invariant cannot be broken")]
    pub fn of_mail(agent_id: &str, message_id: &str) -> Self {
        let mut hash = Sha256::new();
        for text in [MailReceived::KIND, agent_id, message_id] {
            let len = u64::try_from(text.len()).expect("no text is longer than 2^64 bytes");
            hash.update(len.to_be_bytes());
            hash.update(text);
        }
        Self(hash.finalize().into())
    }

    /// Returns the SHA-256 of a body: the digest that `sha256sum` prints.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// Returns the key of a payload, as [`Delivery::message_key`](crate::Delivery::message_key)
    /// does: for payloads that are in a file, for example.
    #[must_use]
    pub fn of_payload(body: &[u8]) -> Self {
        Self::new(Identity::read(body).ok().as_ref(), body)
    }

    /// Returns the key with these bytes, for example from a database.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the key of a body whose identity has been read.
    pub(crate) fn new(identity: Option<&Identity>, body: &[u8]) -> Self {
        match identity {
            Some(
                identity @ Identity {
                    agent_id: Field::Plain(agent_id),
                    message_id: Field::Plain(message_id),
                    ..
                },
            ) if identity.is_mail() => Self::of_mail(agent_id, message_id),
            _ => Self::of_body(body),
        }
    }
}

impl From<&MailReceived> for MessageKey {
    fn from(mail: &MailReceived) -> Self {
        Self::of_mail(&mail.agent_id, &mail.message_id)
    }
}

impl From<MessageKey> for [u8; 32] {
    fn from(key: MessageKey) -> Self {
        key.0
    }
}

/// Shows the key in 64 hex digits.
impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(body: &[u8]) -> MessageKey {
        MessageKey::of_payload(body)
    }

    #[test]
    fn no_two_messages_share_a_key() {
        let long = "m".repeat(200 * 1024);
        let keys = [
            MessageKey::of_mail("a:b", "c"),
            MessageKey::of_mail("a", "b:c"),
            MessageKey::of_mail("ab", "c"),
            MessageKey::of_mail("a", "bc"),
            MessageKey::of_mail("", "abc"),
            MessageKey::of_mail("abc", ""),
            MessageKey::of_mail("a", &long),
            MessageKey::of_body(b"abc"),
            MessageKey::of_body(b""),
        ];

        assert_eq!(HashSet::from(keys).len(), keys.len());
    }

    #[test]
    fn agrees_with_an_independent_digest() {
        // python3 -c 'import hashlib; parts = [b"mail.received", b"my-agent", b"msg-abc123"];
        // print(hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in
        // parts)).hexdigest())'
        assert_eq!(
            MessageKey::of_mail("my-agent", "msg-abc123").to_string(),
            "29d2f0c80db5a79395acc03a05a46203f8eae6fbf4ee9d2b490fb40baf14a7a1"
        );
        // printf '{}' | sha256sum
        assert_eq!(
            MessageKey::of_body(b"{}").to_string(),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }

    #[test]
    fn only_a_mail_with_plain_ids_is_known_by_them() {
        let mail = MessageKey::of_mail("a", "m");

        let with_ids = br#"{"type":"mail.received","agent_id":"a","message_id":"m","x":1}"#;
        assert_eq!(key(with_ids), mail);
        for body in [
            &br#"{"type":"mail.status","agent_id":"a","message_id":"m"}"#[..],
            br#"{"type":"mail.received","agent_id":"a"}"#,
            br#"{"type":"mail.received","agent_id":"","message_id":"m"}"#,
            br#"{"type":"mail.received","agent_id":"a","message_id":7}"#,
            br#"{"type":"mail.received","agent_id":"a","agent_id":"a","message_id":"m"}"#,
            br#"{"type":"mail.received","agent_id":"a","message_id":"\ud800"}"#,
            b"not JSON",
        ] {
            assert_eq!(key(body), MessageKey::of_body(body), "{}", body.escape_ascii());
        }
    }
}
