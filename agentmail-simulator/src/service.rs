use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use crate::{
    error::Problem,
    inbound::{Flags, InboundMail, compose, parse},
    random,
    record::{Account, Message},
    settings::Settings,
    state::{Arrived, Lane, State},
    storage::{Ack, Bucket, Journal},
    time::{Time, now},
};

/// The simulator behind its API, its library and its deliveries.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) bucket: Bucket,
    state: Mutex<State>,
    journal: Mutex<Option<Journal>>,
    /// Changes with each change of the state.
    changed: watch::Sender<u64>,
    /// Wakes the dispatcher.
    pub(crate) wake: Notify,
}

impl Service {
    pub(crate) fn new(
        settings: Settings,
        bucket: Bucket,
        state: State,
        journal: Option<Journal>,
    ) -> Self {
        Self {
            settings,
            bucket,
            state: Mutex::new(state),
            journal: Mutex::new(journal),
            changed: watch::Sender::new(0),
            wake: Notify::new(),
        }
    }

    /// Reads the state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.lock())
    }

    /// Changes the state, and waits until the change is in the data file.
    pub(crate) async fn write<T>(
        &self,
        change: impl FnOnce(&mut State) -> T,
    ) -> Result<T, Problem> {
        let (result, ack, removed) = {
            let mut state = self.lock();
            let result = change(&mut state);
            state.retain(&self.settings, now());
            (result, self.journaled(&mut state), state.take_removed_keys())
        };
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
        self.wake.notify_one();
        ack.written().await?;
        self.bucket.remove(&removed).await;
        Ok(result)
    }

    /// Removes messages that have reached their age.
    pub(crate) async fn sweep(&self) -> Result<(), Problem> {
        let due = self.read(|state| state.has_expired(&self.settings, now()));
        if due { self.write(|_| ()).await } else { Ok(()) }
    }

    /// Closes the data file, when everything is in it.
    pub(crate) async fn close(&self) {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(journal) = journal {
            journal.close().await;
        }
    }

    /// Takes the deliveries that are due, and returns when the next one is.
    pub(crate) fn start(
        &self,
        now: std::time::Instant,
    ) -> (Vec<(Lane, u64)>, Option<std::time::Instant>) {
        let mut state = self.lock();
        (state.schedule.start(now), state.schedule.next_due())
    }

    /// Waits until the closure finds something, for at most this time.
    pub(crate) async fn wait_for<T>(
        &self,
        patience: Duration,
        mut find: impl FnMut(&State) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience.min(Settings::WAIT);
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(found) = self.read(&mut find) {
                return Some(found);
            }
            timeout_at(deadline, changed.changed()).await.ok()?.ok()?;
        }
    }

    /// Returns a receiver that changes with each change of the state.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Creates an agent, unless it exists. Returns its token.
    pub(crate) async fn agent(
        &self,
        agent_id: &str,
        token: Option<String>,
    ) -> Result<(String, bool), Problem> {
        check_agent_id(agent_id)?;
        if let Some(token) = &token {
            check_token(token)?;
        }
        self.write(|state| {
            if let Some(account) = state.accounts.get(agent_id) {
                return match token {
                    Some(token) if token != account.token => Err(Problem::new(
                        http::StatusCode::CONFLICT,
                        "the agent exists, with another token",
                    )),
                    _ => Ok((account.token.clone(), false)),
                };
            }
            if state.accounts.len() >= Settings::AGENTS {
                let detail = format!("there are {} agents, which is the limit", Settings::AGENTS);
                return Err(Problem::new(http::StatusCode::CONFLICT, detail));
            }
            let token = token.unwrap_or_else(random::hex::<16>);
            if state.agent_of(&token).is_some() {
                return Err(Problem::field("token", "is that of another agent"));
            }
            state.add_account(Account::new(agent_id.to_owned(), token.clone()));
            Ok((token, true))
        })
        .await?
    }

    pub(crate) async fn receive(
        &self,
        agent_id: &str,
        mail: InboundMail,
    ) -> Result<Arc<Message>, Problem> {
        let (at, flags) = (now(), mail.flags());
        let raw = compose(mail, agent_id, at)?;
        self.receive_raw(agent_id, &raw, flags, at).await
    }

    /// Puts a raw message into the bucket, and creates its deliveries.
    pub(crate) async fn receive_raw(
        &self,
        agent_id: &str,
        raw: &[u8],
        flags: Flags,
        at: Time,
    ) -> Result<Arc<Message>, Problem> {
        let parsed = parse(raw).map_err(|error| Problem::bad_request(error.to_string()))?;
        self.read(|state| {
            state.account(agent_id)?;
            state.check_backlog(&self.settings)
        })?;
        let message_id = format!("msg-{}", random::hex::<8>());
        let s3_key = Bucket::key(agent_id, &message_id);
        self.bucket.put(&s3_key, raw).await.map_err(|error| {
            Problem::unavailable(format!("the mail cannot be written to the bucket: {error}"))
        })?;
        let arrived = Arrived {
            agent_id: agent_id.to_owned(),
            message_id,
            at,
            size: raw.len(),
            parsed,
            flags,
            s3_key: s3_key.clone(),
        };
        let stored = self.write(|state| state.receive(arrived, &self.settings)).await?;
        if stored.is_err() {
            self.bucket.remove(&[s3_key]).await;
        }
        stored
    }

    pub(crate) fn bucket_folder(&self) -> &Path {
        self.bucket.folder()
    }

    fn journaled(&self, state: &mut State) -> Ack {
        let changes = state.take_changes();
        match &*self.journal.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(journal) if !changes.is_empty() => journal.send(changes),
            _ => Ack::NONE,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Agent ids are parts of file names, so only these are valid.
fn check_agent_id(agent_id: &str) -> Result<(), Problem> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=64).contains(&agent_id.len())
        && agent_id.bytes().all(valid)
        && agent_id.starts_with(|first: char| first.is_ascii_alphanumeric())
    {
        return Ok(());
    }
    Err(Problem::field(
        "agent_id",
        "is not 1 to 64 letters, digits, `-`, `_` or `.`, the first of which is a letter or digit",
    ))
}

fn check_token(token: &str) -> Result<(), Problem> {
    if (1..=200).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Problem::field("token", "is not 1 to 200 printable characters of ASCII"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_id_is_safe_as_a_part_of_a_file_name() {
        for (agent_id, valid) in [
            ("my-agent", true),
            ("a", true),
            ("A.b_c-9", true),
            ("", false),
            (".", false),
            ("..", false),
            (".hidden", false),
            ("a/b", false),
            ("a\\b", false),
            ("é", false),
            ("a\0", false),
            (&"a".repeat(65), false),
        ] {
            assert_eq!(check_agent_id(agent_id).is_ok(), valid, "{agent_id:?}");
        }
    }
}
