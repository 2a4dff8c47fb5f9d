use std::{env, error::Error, path::PathBuf, time::Duration};

use agentmail_axum::Event;
use tokio::{fs, time};

use crate::{environment::number, message::Message};

/// Why an attempt has failed. Its text is logged: keep the mail's content out of it.
pub(crate) type WorkError = Box<dyn Error + Send + Sync>;

/// Does the work for one message: **replace this with your own**.
///
/// It runs at least once for each message. It runs again after a crash between its effect and the
/// record of it. So make the effect safe to repeat, pass the message's ids on as an idempotency
/// key, or write the effect in the transaction that records the message as done.
///
/// At the time limit it is dropped, which can only happen where it awaits. Run blocking code in
/// `spawn_blocking`, with a limit of its own.
pub(crate) async fn work(message: Message, faults: &Faults) -> Result<(), WorkError> {
    // serde_json's own error would quote the mail.
    let event = serde_json::from_slice(&message.body).map_err(|_| "the body is not an event")?;
    faults.inject(&event, message.attempt).await?;
    match event {
        // The signature proves that the service sent the event, not who sent the mail. The ids are
        // text of the mail's author: `?` escapes them.
        Event::MailReceived(mail) if mail.sender_verified => {
            tracing::info!(?mail.agent_id, ?mail.message_id, "mail received");
        }
        Event::MailReceived(mail) => {
            tracing::warn!(?mail.agent_id, ?mail.message_id, "mail of an unverified sender");
        }
        other => tracing::info!(kind = ?other.kind(), "not a mail"),
    }
    Ok(())
}

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
    pub(crate) fn from_env() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            fail_first: number("FAIL_FIRST")?.unwrap_or(0),
            poison: env::var("POISON").ok(),
            hold: env::var_os("HOLD").map(PathBuf::from),
        })
    }

    async fn inject(&self, event: &Event, attempt: u32) -> Result<(), WorkError> {
        while let Some(file) = &self.hold
            && fs::try_exists(file).await?
        {
            time::sleep(Duration::from_millis(20)).await;
        }
        if let (Event::MailReceived(mail), Some(poison)) = (event, &self.poison) {
            assert!(mail.message_id != *poison, "POISON names this message");
        }
        if attempt <= self.fail_first {
            return Err("FAIL_FIRST asks for it".into());
        }
        Ok(())
    }
}
