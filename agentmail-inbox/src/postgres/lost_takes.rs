use std::{
    sync::{Mutex as SyncMutex, MutexGuard as SyncGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use super::{connections::Connections, error::PostgresError, statements::RETURN_UNDER};
use crate::take::{TakeToken, Taken};

/// How long a statement may be late: it was sent, the server was frozen, and our side gave up.
const LATEST: Duration = Duration::from_secs(600);
/// The pause between two looks for late statements.
const PAUSE: Duration = Duration::from_secs(1);

/// The takes of this process that had no result.
///
/// The server may carry out such a take later. The messages that it takes then were never handed
/// out, so they are returned, and the attempt is not counted. Otherwise, a server that fails again
/// and again would use up the attempts of messages that nobody has tried.
#[derive(Debug, Default)]
pub(super) struct LostTakes {
    lost: SyncMutex<Vec<LostTake>>,
    /// Held while messages are returned, and while a lost take is repeated. A repetition would
    /// otherwise hand out what is being returned. Contains the time of the next look.
    turn: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone)]
struct LostTake {
    token: TakeToken,
    /// The rows that a repetition has handed out.
    kept: Vec<i64>,
    until: Instant,
}

/// A take that is running. If it is dropped, it is lost.
pub(super) struct RunningTake<'a> {
    takes: &'a LostTakes,
    token: TakeToken,
    is_lost: bool,
}

impl LostTakes {
    /// Notes that a take begins.
    pub(super) const fn begin(&self, token: TakeToken) -> RunningTake<'_> {
        RunningTake { takes: self, token, is_lost: true }
    }

    /// Waits until no message is being returned, and forgets this take: it is repeated.
    pub(super) async fn repeat(&self, token: TakeToken) -> MutexGuard<'_, Option<Instant>> {
        let turn = self.turn.lock().await;
        self.lost().retain(|lost| lost.token != token);
        turn
    }

    /// Notes which messages a repetition has handed out. The first statement may still come.
    pub(super) fn handed_out(&self, token: TakeToken, taken: &[Taken]) {
        let kept = taken.iter().map(|taken| taken.lease().id().get()).collect();
        self.add(LostTake { token, kept, until: Instant::now() + LATEST });
    }

    /// Returns messages of late statements, once a second while there may be any.
    pub(super) async fn return_late(&self, connections: &Connections) -> Result<(), PostgresError> {
        if self.lost().is_empty() {
            return Ok(());
        }
        let mut turn = self.turn.lock().await;
        let now = Instant::now();
        if turn.is_some_and(|next| now < next) {
            return Ok(());
        }
        *turn = now.checked_add(PAUSE);
        let lost = {
            let mut lost = self.lost();
            lost.retain(|lost| now < lost.until);
            lost.clone()
        };
        for take in lost {
            let token = take.token.as_bytes().as_slice();
            connections.query(RETURN_UNDER, &[&token, &take.kept]).await?;
        }
        Ok(())
    }

    fn add(&self, take: LostTake) {
        let mut lost = self.lost();
        lost.retain(|lost| lost.token != take.token);
        lost.push(take);
    }

    fn lost(&self) -> SyncGuard<'_, Vec<LostTake>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningTake<'_> {
    /// Notes that the take had a result.
    pub(super) fn end(mut self) {
        self.is_lost = false;
    }
}

impl Drop for RunningTake<'_> {
    fn drop(&mut self) {
        if self.is_lost {
            let until = Instant::now() + LATEST;
            self.takes.add(LostTake { token: self.token, kept: Vec::new(), until });
        }
    }
}
