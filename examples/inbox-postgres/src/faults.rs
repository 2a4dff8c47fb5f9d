use std::{
    env::{self, VarError},
    fmt::Display,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use agentmail_axum::Event;
use agentmail_inbox::{BoxError, Message};
use tokio::{fs, time};

/// Faults to try the inbox with. Without these variables there are none.
///
/// | variable | what it does |
/// | --- | --- |
/// | `FAIL_FIRST` | this many first attempts of every message fail |
/// | `POISON` | each attempt of the mail with this `message_id` panics |
/// | `HOLD` | the work waits while the file with this name exists |
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    fail_first: u32,
    poison: Option<String>,
    hold: Option<PathBuf>,
}

impl Faults {
    /// Reads the faults from the environment.
    pub(crate) fn from_env() -> Result<Self, String> {
        Ok(Self {
            fail_first: number("FAIL_FIRST")?.unwrap_or(0),
            poison: env::var("POISON").ok(),
            hold: env::var_os("HOLD").map(PathBuf::from),
        })
    }

    /// Fails as the variables say.
    pub(crate) async fn inject(&self, message: &Message) -> Result<(), BoxError> {
        while let Some(file) = &self.hold
            && fs::try_exists(file).await?
        {
            time::sleep(Duration::from_millis(20)).await;
        }
        if let (Event::MailReceived(mail), Some(poison)) = (message.event(), &self.poison) {
            assert!(mail.message_id != *poison, "POISON names this message");
        }
        if message.attempt() <= self.fail_first {
            return Err("FAIL_FIRST asks for it".into());
        }
        Ok(())
    }
}

/// Reads a number from a variable, if it is set.
///
/// # Errors
///
/// It is set, but not to a number.
pub(crate) fn number<T: FromStr<Err: Display>>(name: &str) -> Result<Option<T>, String> {
    match env::var(name) {
        Ok(text) => text.parse().map(Some).map_err(|error| format!("{name}: {error}")),
        Err(VarError::NotPresent) => Ok(None),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
