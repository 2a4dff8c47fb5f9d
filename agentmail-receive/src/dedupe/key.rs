use std::fmt;

use agentmail_verify::MailReceived;
use sha2::{Digest, Sha256};

use crate::{Delivery, identity::Identity};

/// What a message is known by in a store: a digest of fixed size, so that no id stands there.
///
/// SHA-256 over a scope and the message's `type`, `agent_id` and `message_id`, each preceded by its
/// length. The *scope* keeps apart what must not swallow each other's messages: two routes that one
/// message goes to, or staging and production on one store.
///
/// Two payloads are one message when the three members are equal, whatever else stands in them. A
/// payload that does not name the three plainly (one is missing, empty, no string, or there twice) is
/// known by its bytes instead.
///
/// ```
/// use agentmail_receive::Key;
/// use agentmail_verify::MailReceived;
///
/// let mail = MailReceived::new("my-agent", "msg-abc123");
///
/// assert_eq!(
///     Key::of_mail("production", &mail),
///     Key::of_message("production", "mail.received", "my-agent", "msg-abc123"),
/// );
/// assert_ne!(Key::of_mail("production", &mail), Key::of_mail("staging", &mail));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// Returns the key of a mail.
    #[must_use]
    pub fn of_mail(scope: &str, mail: &MailReceived) -> Self {
        Self::of_message(scope, "mail.received", &mail.agent_id, &mail.message_id)
    }

    /// Returns the key of a message, by its `type` and its ids.
    #[must_use]
    pub fn of_message(scope: &str, kind: &str, agent_id: &str, message_id: &str) -> Self {
        Self::digest("message", &[scope, kind, agent_id, message_id].map(str::as_bytes))
    }

    /// Returns the key of a body that names no message.
    #[must_use]
    pub fn of_body(scope: &str, body: &[u8]) -> Self {
        Self::digest("body", &[scope.as_bytes(), body])
    }

    /// Returns the key that an authentic delivery is claimed by.
    #[must_use]
    pub fn of_delivery(scope: &str, delivery: &Delivery) -> Self {
        let body = delivery.body();
        match Identity::read(body) {
            Some(Identity {
                kind: Some(kind),
                agent_id: Some(agent_id),
                message_id: Some(message_id),
            }) => Self::of_message(scope, &kind, &agent_id, &message_id),
            _ => Self::of_body(scope, body),
        }
    }

    fn digest(what: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in [what.as_bytes()].iter().chain(parts) {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

/// Shows the key in 64 hex digits, as it stands in the store.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_messages_share_a_key() {
        let long = "m".repeat(200 * 1024);
        let keys = [
            Key::of_message("s", "t", "a:b", "c"),
            Key::of_message("s", "t", "a", "b:c"),
            Key::of_message("s", "t", "ab", "c"),
            Key::of_message("s", "ta", "b", "c"),
            Key::of_message("st", "", "ab", "c"),
            Key::of_message("s", "t", "", "abc"),
            Key::of_message("s", "t", "a", &long),
            Key::of_body("s", b"tabc"),
            Key::of_body("st", b"abc"),
            Key::of_body("s", b""),
        ];

        assert_eq!(HashSet::from(keys).len(), keys.len());
        assert!(keys.iter().all(|key| key.to_string().len() == 64));
    }

    #[test]
    fn agrees_with_an_independent_digest() {
        // python3 -c 'import hashlib; parts = [b"message", b"production", b"mail.received", b"my-agent", b"msg-abc123"];
        // print(hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest())'
        assert_eq!(
            Key::of_message("production", "mail.received", "my-agent", "msg-abc123").to_string(),
            "25a4037f459337c543c8bd427169f29e5f3be1ca410be9050fee6b688b8b08f0"
        );
    }
}
