use alloc::string::ToString;

use serde::de;

/// A fault that this crate's own types find in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    MissingType,
    OtherType,
    MissingAgentId,
    MissingMessageId,
    MistypedMember,
}

impl Flaw {
    const ALL: [Self; 5] = [
        Self::MissingType,
        Self::OtherType,
        Self::MissingAgentId,
        Self::MissingMessageId,
        Self::MistypedMember,
    ];

    /// Passes the flaw through serde, whose errors carry only text.
    pub(crate) fn error<E: de::Error>(self) -> E {
        E::custom(self.as_str())
    }

    /// Recognizes the flaw that [`error`](Self::error) passed through serde.
    pub(crate) fn behind(error: &serde_json::Error) -> Option<Self> {
        let message = error.to_string();
        Self::ALL.into_iter().find(|flaw| message.starts_with(flaw.as_str()))
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::MissingType => "`type` is missing or empty",
            Self::OtherType => "`type` is not `mail.received`",
            Self::MissingAgentId => "`agent_id` is missing or empty",
            Self::MissingMessageId => "`message_id` is missing or empty",
            Self::MistypedMember => "a member is of another type than in the guide",
        }
    }
}
