use std::{error::Error, fmt, time::Duration};

/// An error of your work that says when to try again.
///
/// ```
/// use std::time::Duration;
///
/// use agentmail_inbox::{BoxError, Message, Retry};
///
/// async fn work(message: Message) -> Result<(), BoxError> {
///     if message.attempt() == 1 {
///         let pause = Duration::from_secs(90);
///         return Err(Retry::after(pause).because("the quota is used up").into());
///     }
///     Ok(())
/// }
/// ```
///
/// The attempt counts like any other. The pause is at most [`LONGEST_PAUSE`](crate::LONGEST_PAUSE).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Retry {
    pause: Duration,
    reason: String,
}

impl Retry {
    /// Asks for the next attempt after this pause.
    pub fn after(pause: Duration) -> Self {
        Self { pause, reason: "the work asks for another attempt".to_owned() }
    }

    /// Sets the text for the log and for an operator. Keep the mail's content out of it.
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..self }
    }

    /// Returns the pause.
    #[must_use]
    pub const fn pause(&self) -> Duration {
        self.pause
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for Retry {}

/// An error of your work that says not to try again: the message is dead at once.
///
/// ```
/// use agentmail_inbox::{BoxError, GiveUp, Message};
///
/// async fn work(message: Message) -> Result<(), BoxError> {
///     if message.event().kind() != "mail.received" {
///         return Err(GiveUp::because("this app has no use for such an event").into());
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct GiveUp {
    reason: String,
}

impl GiveUp {
    /// Sets the text for the log and for an operator. Keep the mail's content out of it.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for GiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for GiveUp {}

/// What an error of the work asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Retry(Option<Duration>),
    GiveUp,
}

impl Wish {
    /// Looks for [`Retry`] and [`GiveUp`] in an error and in its sources: an app may have wrapped
    /// them.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<GiveUp>() {
                return Self::GiveUp;
            }
            if let Some(retry) = error.downcast_ref::<Retry>() {
                return Self::Retry(Some(retry.pause()));
            }
            next = error.source();
        }
        Self::Retry(None)
    }
}

/// Returns the text of an error and of its sources.
pub(crate) fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::InboxError, store::BoxError};

    #[test]
    fn a_wish_is_found_within_another_error() {
        let minute = Duration::from_secs(60);
        for (name, error, wish) in [
            ("other", BoxError::from("down"), Wish::Retry(None)),
            ("retry", Retry::after(minute).into(), Wish::Retry(Some(minute))),
            ("give up", GiveUp::because("no").into(), Wish::GiveUp),
        ] {
            assert_eq!(Wish::of(&*error), wish, "{name}");
            let wrapped = InboxError::Failed(InboxError::Failed(error).into());
            assert_eq!(Wish::of(&wrapped), wish, "{name}, wrapped twice");
        }
    }
}
