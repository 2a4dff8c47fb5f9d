use std::io::{self, BufRead};

use agentmail_receive::MessageKey;
use agentmail_verify::{Event, from_json};

use crate::{error::InboxError, inbox::Inbox, state::State, text};

/// The result of [`Inbox::reconcile`]: what a file of payloads has that the inbox does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "payloads may be missing, or could not be read"]
pub struct Reconciled {
    /// Lines whose message is in the inbox and is not dead.
    pub found: u64,
    /// Lines whose message is in the inbox and is dead.
    pub dead: u64,
    /// Lines whose message is not in the inbox.
    pub missing: u64,
    /// Lines that are not an event. It is not known whether the inbox has them: look at them by
    /// hand.
    pub unreadable: u64,
}

impl Reconciled {
    /// Returns whether the inbox has the message of every line.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.missing == 0 && self.unreadable == 0
    }
}

/// A line that the inbox does not have, or has as a dead message, or that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discrepancy {
    /// The number of the line, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub kind: DiscrepancyKind,
}

/// What is wrong with a line: see [`Discrepancy`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscrepancyKind {
    /// The inbox does not have the message.
    #[non_exhaustive]
    Missing {
        /// The key that identifies the message. For an event other than `mail.received`, it is the
        /// SHA-256 of the line: it is right only if the line has the bytes that were signed.
        key: MessageKey,
        /// The event's `type`: at most 256 bytes, without control characters.
        event: String,
        /// The agent's id of a mail: at most 256 bytes, without control characters.
        agent_id: Option<String>,
        /// The id of a mail: at most 256 bytes, without control characters.
        message_id: Option<String>,
    },
    /// The message is in the inbox, and is dead.
    #[non_exhaustive]
    Dead {
        /// The key that identifies the message.
        key: MessageKey,
    },
    /// The line is not an event. The text quotes nothing of it.
    Unreadable(String),
}

/// Why [`Inbox::reconcile`] has stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The file could not be read.
    Read(io::Error),
    /// The inbox could not be read.
    Inbox(InboxError),
}

impl std::fmt::Display for ReconcileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "the exported payloads could not be read",
            Self::Inbox(_) => "the inbox could not be read",
        })
    }
}

impl std::error::Error for ReconcileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Inbox(error) => Some(error),
        }
    }
}

/// How many lines are looked up at once.
const BATCH: usize = 256;
/// The longest line, in bytes. A longer one is not an event of the service.
const LONGEST_LINE: usize = 8 * 1_024 * 1_024;

/// A line that is an event.
struct Payload {
    line: u64,
    key: MessageKey,
    event: Event,
}

impl Inbox {
    /// Compares the inbox with payloads that were exported from a queue: one JSON object a line.
    ///
    /// It reads line by line, so the file may be large. `report` gets each line that is missing,
    /// dead or unreadable. An empty line is ignored.
    ///
    /// The reader blocks the thread, so call this from an operator's program, not from a server.
    ///
    /// ```
    /// use agentmail_inbox::{Inbox, ReconcileError};
    ///
    /// async fn compare(inbox: &Inbox, export: &[u8]) -> Result<bool, ReconcileError> {
    ///     let reconciled = inbox.reconcile(export, |found| println!("{found:?}")).await?;
    ///     Ok(reconciled.is_complete())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The reader or the store failed. The lines before were reported.
    pub async fn reconcile(
        &self,
        mut export: impl BufRead,
        mut report: impl FnMut(Discrepancy),
    ) -> Result<Reconciled, ReconcileError> {
        let mut reconciled = Reconciled::default();
        let mut batch = Vec::new();
        let mut number: u64 = 0;
        let mut line = Vec::new();
        while read_line(&mut export, &mut line).map_err(ReconcileError::Read)? {
            number = number.saturating_add(1);
            match payload(number, &line) {
                Some(Ok(payload)) => batch.push(payload),
                Some(Err(reason)) => {
                    reconciled.unreadable = reconciled.unreadable.saturating_add(1);
                    let kind = DiscrepancyKind::Unreadable(reason);
                    report(Discrepancy { line: number, kind });
                }
                None => {}
            }
            if batch.len() >= BATCH {
                self.look_up(std::mem::take(&mut batch), &mut reconciled, &mut report).await?;
            }
        }
        self.look_up(batch, &mut reconciled, &mut report).await?;
        Ok(reconciled)
    }

    async fn look_up(
        &self,
        batch: Vec<Payload>,
        reconciled: &mut Reconciled,
        report: &mut impl FnMut(Discrepancy),
    ) -> Result<(), ReconcileError> {
        let keys = batch.iter().map(|payload| payload.key).collect();
        let states = self.states(keys).await.map_err(ReconcileError::Inbox)?;
        for (payload, state) in batch.into_iter().zip(states) {
            let (count, kind) = match state {
                Some(State::Dead) => {
                    let kind = DiscrepancyKind::Dead { key: payload.key };
                    (&mut reconciled.dead, Some(kind))
                }
                Some(_) => (&mut reconciled.found, None),
                None => (&mut reconciled.missing, Some(payload.missing())),
            };
            *count = count.saturating_add(1);
            if let Some(kind) = kind {
                report(Discrepancy { line: payload.line, kind });
            }
        }
        Ok(())
    }
}

impl Payload {
    fn missing(&self) -> DiscrepancyKind {
        let mail = match &self.event {
            Event::MailReceived(mail) => Some(mail),
            _ => None,
        };
        DiscrepancyKind::Missing {
            key: self.key,
            event: text::id(self.event.kind()),
            agent_id: mail.map(|mail| text::id(&mail.agent_id)),
            message_id: mail.map(|mail| text::id(&mail.message_id)),
        }
    }
}

/// Reads a line without its end. Of a line that is too long, it keeps one byte more than the limit.
/// Returns whether there was one.
fn read_line(export: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut is_there = false;
    loop {
        let buffer = match export.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(is_there);
        }
        is_there = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let space = LONGEST_LINE.saturating_add(1).saturating_sub(line.len());
        line.extend(part.iter().take(space));
        let read = part.len().saturating_add(usize::from(end.is_some()));
        export.consume(read);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Returns `None` for an empty line, and the reason if the line is not an event.
fn payload(number: u64, line: &[u8]) -> Option<Result<Payload, String>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    if line.len() > LONGEST_LINE {
        return Some(Err(format!("the line is longer than {LONGEST_LINE} bytes")));
    }
    let payload = from_json::<Event>(line).map(|event| {
        // The key of the body, as `Delivery` computes it.
        let key = MessageKey::of_payload(line);
        Payload { line: number, key, event }
    });
    Some(payload.map_err(|error| error.to_string()))
}
