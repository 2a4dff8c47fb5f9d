use std::time::{SystemTime, UNIX_EPOCH};

use agentmail_inbox::Row;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::output::{Output, plain};

/// A message without its body, as `--json` writes it.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    id: i64,
    state: &'static str,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    attempts: u32,
    received_at: u64,
    due_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    redrives: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    redriven_by: Option<String>,
}

impl Line {
    pub(super) fn new(row: &Row) -> Self {
        Self {
            id: row.id.get(),
            state: row.state.name(),
            kind: row.kind.clone(),
            agent_id: row.agent_id.clone(),
            message_id: row.message_id.clone(),
            attempts: row.attempts,
            received_at: seconds(row.received_at),
            due_at: seconds(row.due_at),
            reason: row.reason.clone(),
            redrives: row.redrives,
            redriven_by: row.redriven_by.clone(),
        }
    }

    pub(super) fn print(&self, output: &Output) {
        if output.is_json() {
            return output.json(self);
        }
        let text = |text: &Option<String>| format!("{:?}", text.as_deref().unwrap_or_default());
        let redriven = match &self.redriven_by {
            Some(by) => format!(", redriven {} times, last by {}", self.redrives, plain(by)),
            None => String::new(),
        };
        output.line(&format!(
            "{} {} {}, {} agent {} message {}, attempts {}{redriven}",
            self.id,
            self.state,
            date(self.received_at),
            plain(&self.kind),
            text(&self.agent_id),
            text(&self.message_id),
            self.attempts,
        ));
        if let Some(reason) = &self.reason {
            output.line(&format!("  reason: {}", plain(reason)));
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn date(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|time| Timestamp::from_second(time).ok());
    time.map_or_else(|| seconds.to_string(), |time| time.to_string())
}
