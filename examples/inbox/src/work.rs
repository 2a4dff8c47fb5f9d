use std::{env, error::Error, path::PathBuf, time::Duration};

use agentmail_axum::Event;
use agentmail_examples::note;
use tokio::{fs, time};

use crate::{environment::number, message::Message};

/// Why an attempt has failed. Its text is logged: keep the mail's content out of it.
pub(crate) type WorkError = Box<dyn Error + Send + Sync>;

/// Does the work for one message: **replace this by your own**.
///
/// It runs at least once for each message, and again after a crash that came between its effect and
/// the record of it. So let the effect be safe to repeat, or hand the message's identity on to whatever
/// has it (an idempotency key), or write it in the transaction that records the message as done.
///
/// It is dropped at the time limit, which can only strike where it awaits: hand what blocks to
/// `spawn_blocking`, with a limit of its own.
pub(crate) async fn work(message: Message, faults: &Faults) -> Result<(), WorkError> {
    // serde_json's own error would quote the mail.
    let event = serde_json::from_slice(&message.body).map_err(|_| "the body is not an event")?;
    faults.strike(&event, message.attempt).await?;
    note(&event); // looks at `sender_verified` before it does anything
    Ok(())
}

/// Faults to try the inbox with. Without these variables there are none.
///
/// | variable | what it does |
/// | --- | --- |
/// | `FAIL_FIRST` | fails so many first attempts of every message |
/// | `POISON` | panics at every attempt of the mail with this `message_id` |
/// | `HOLD` | makes the work wait as long as the file of this name is there |
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    fail_first: u32,
    poison: Option<String>,
    hold: Option<PathBuf>,
}

impl Faults {
    /// Reads them from the environment.
    pub(crate) fn from_env() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            fail_first: number("FAIL_FIRST")?.unwrap_or(0),
            poison: env::var("POISON").ok(),
            hold: env::var_os("HOLD").map(PathBuf::from),
        })
    }

    async fn strike(&self, event: &Event, attempt: u32) -> Result<(), WorkError> {
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
