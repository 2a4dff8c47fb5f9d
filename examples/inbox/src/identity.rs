use agentmail_axum::Event;
use sha2::{Digest, Sha256};

/// What two deliveries of one event have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The ids of a mail. An identity only together: each agent's mail has ids of its own.
    Mail { agent_id: String, message_id: String },
    /// The SHA-256 of the body. Of a type that this version does not know nobody can tell whether its
    /// ids are unique (a status that changes twice would carry the same ones), so that nothing but a
    /// byte-for-byte copy counts as a repetition.
    Digest([u8; 32]),
}

impl Identity {
    /// Returns the event's `type`, and what identifies it among those of its type.
    pub(crate) fn of(event: Event, body: &[u8]) -> (String, Self) {
        match event {
            Event::MailReceived(mail) => (
                "mail.received".into(),
                Self::Mail { agent_id: mail.agent_id, message_id: mail.message_id },
            ),
            Event::Other { kind, .. } => (kind, Self::digest(body)),
            // A type that a later version of the library knows.
            _ => ("unknown".into(), Self::digest(body)),
        }
    }

    fn digest(body: &[u8]) -> Self {
        Self::Digest(Sha256::digest(body).into())
    }
}
