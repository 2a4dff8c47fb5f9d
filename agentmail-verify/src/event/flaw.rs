use serde::de;

/// A fault that this crate's own types find in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    MissingType,
    OtherType,
    MissingAgentId,
    MissingMessageId,
    MistypedAgentId,
    MistypedMessageId,
}

impl Flaw {
    const ALL: [Self; 6] = [
        Self::MissingType,
        Self::OtherType,
        Self::MissingAgentId,
        Self::MissingMessageId,
        Self::MistypedAgentId,
        Self::MistypedMessageId,
    ];

    /// Passes the flaw through serde, whose errors carry only text.
    pub(crate) fn error<E: de::Error>(self) -> E {
        E::custom(self.as_str())
    }

    /// Recognizes the flaw that [`error`](Self::error) passed through serde.
    pub(crate) fn behind(message: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flaw| message.starts_with(flaw.as_str()))
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::MissingType => "`type` is missing or empty",
            Self::OtherType => "`type` is not `mail.received`",
            Self::MissingAgentId => "`agent_id` is missing or empty",
            Self::MissingMessageId => "`message_id` is missing or empty",
            Self::MistypedAgentId => "`agent_id` is not a string",
            Self::MistypedMessageId => "`message_id` is not a string",
        }
    }
}
