use alloc::string::String;

use serde::{Deserialize, Deserializer};

use crate::event::{
    flaw::Flaw,
    mail_received::MailReceived,
    wire::{Kind, Wire},
};

/// An event of AgentMail by Assmbl, of any type.
///
/// The vendor's guide names only the type `mail.received`. Use this enum to accept deliveries of
/// other types too.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `mail.received`.
    MailReceived(MailReceived),
    /// A type that this version does not know. Its payload is in the delivery's raw body.
    ///
    /// A minor version may add a variant for a type that is `Other` now. Code that must recognize a
    /// type in both versions compares [`Event::kind`].
    #[non_exhaustive]
    Other {
        /// The payload's `type`.
        kind: String,
    },
}

impl Event {
    /// Creates an event of another type, for tests.
    ///
    /// ```
    /// # use agentmail_verify::Event;
    /// assert_eq!(Event::other("mail.bounced").kind(), "mail.bounced");
    /// ```
    #[must_use]
    pub fn other(kind: impl Into<String>) -> Self {
        Self::Other { kind: kind.into() }
    }

    /// Returns the payload's `type`.
    ///
    /// ```
    /// # use agentmail_verify::{Event, MailReceived};
    /// let event = Event::MailReceived(MailReceived::new("my-agent", "msg-abc123"));
    ///
    /// assert_eq!(event.kind(), "mail.received");
    /// ```
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::MailReceived(_) => MailReceived::KIND,
            Self::Other { kind } => kind,
        }
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut wire = Wire::read(deserializer)?;
        match wire.take_kind() {
            Some(Kind::MailReceived) => wire.into_mail().map(Self::MailReceived),
            Some(Kind::Other(kind)) => Ok(Self::Other { kind }),
            None => Err(Flaw::MissingType.error()),
        }
    }
}
