use std::{pin::pin, time::Duration};

use redis::{
    Arg, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection,
};
use tokio::sync::{mpsc, oneshot};

use crate::redis::{
    error::{Peer, RedisCallError, RedisErrorKind},
    silence::Silence,
};

/// How many replicas must have a write, and how long to wait for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    pub(super) replicas: usize,
    pub(super) timeout: Duration,
}

impl Wait {
    /// The timeout is at least a millisecond, because 0 would wait forever.
    pub(super) fn command(self) -> Cmd {
        let millis = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let mut command = redis::cmd("WAIT");
        command.arg(self.replicas).arg(millis.clamp(1, Self::LONGEST_MILLIS));
        command
    }

    /// Returns the error for a write that only some replicas have.
    pub(super) fn too_few(self, replicas: usize) -> RedisCallError {
        let detail = format!("{replicas} of {} within {:?}", self.replicas, self.timeout);
        RedisCallError::of_kind(RedisErrorKind::TooFewReplicas, Peer::Server, Some(detail))
    }

    const LONGEST_MILLIS: u64 = 3_600_000;

    /// Reads the timeout of a command.
    fn timeout_of(command: &Cmd) -> Option<Duration> {
        let Arg::Simple(millis) = command.args_iter().nth(2)? else { return None };
        let millis = std::str::from_utf8(millis).ok()?.parse().ok()?;
        Some(Duration::from_millis(millis))
    }
}

/// Sends calls that wait for replicas, on one connection to one server.
///
/// `WAIT` blocks its connection, and covers the writes of this connection only. Calls that arrive
/// meanwhile are therefore sent together, before one `WAIT`. It is on the connection of the calls:
/// after a failover, the new primary would confirm a write that only the old one has.
pub(super) struct WaitQueue(mpsc::UnboundedSender<Waiting>);

/// A call, the `WAIT` behind it, and where their replies go.
struct Waiting {
    pipeline: Pipeline,
    replies: oneshot::Sender<RedisResult<Vec<Value>>>,
}

/// How many calls share one `WAIT`.
const MAX_BATCH: usize = 1_024;

impl WaitQueue {
    /// Starts the task that sends the calls. It ends when the queue is dropped.
    pub(super) fn start(connection: MultiplexedConnection, silence: Silence) -> Self {
        let (sender, queue) = mpsc::unbounded_channel();
        tokio::spawn(run(connection, silence, queue));
        Self(sender)
    }

    /// Sends a pipeline of a call and a `WAIT`, and returns the replies of the two.
    pub(super) async fn send(&self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        let (replies, reply) = oneshot::channel();
        let waiting = Waiting { pipeline: pipeline.clone(), replies };
        self.0.send(waiting).map_err(|_| ended())?;
        reply.await.map_err(|_| ended())?
    }
}

async fn run(
    mut connection: MultiplexedConnection,
    silence: Silence,
    mut queue: mpsc::UnboundedReceiver<Waiting>,
) {
    let base = silence.limit();
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, MAX_BATCH).await > 0 {
        // The caller of a dropped call has given up.
        batch.retain(|waiting| !waiting.replies.is_closed());
        let commands = batch.iter().filter_map(|waiting| waiting.pipeline.cmd_iter().next());
        let mut pipeline = redis::pipe();
        commands.for_each(|command| _ = pipeline.add_command(command.clone()));
        let Some(wait) = batch.first().and_then(|first| first.pipeline.cmd_iter().nth(1)) else {
            batch.clear();
            continue;
        };
        // All calls behind the `WAIT` get their replies after it.
        silence.set_limit(base + Wait::timeout_of(wait).unwrap_or_default());
        pipeline.add_command(wait.clone());
        let count = pipeline.len();
        let sent = pin!(connection.send_packed_commands(&pipeline, 0, count));
        let sent = silence.watch(sent, |_| true).await.unwrap_or_else(|| Err(silent(&silence)));
        reply(sent, batch.drain(..));
    }
}

/// Gives each call its own reply and that of the `WAIT`.
fn reply(sent: RedisResult<Vec<Value>>, batch: impl ExactSizeIterator<Item = Waiting>) {
    let sent = sent.and_then(|mut values| match values.pop() {
        Some(replicas) if values.len() == batch.len() => Ok((values, replicas)),
        _ => Err((ErrorKind::UnexpectedReturnType, "a pipeline has other replies").into()),
    });
    // The caller of a call may have given up meanwhile.
    match sent {
        Ok((values, replicas)) => {
            for (waiting, value) in batch.zip(values) {
                _ = waiting.replies.send(Ok(vec![value, replicas.clone()]));
            }
        }
        Err(error) => batch.for_each(|waiting| _ = waiting.replies.send(Err(error.clone()))),
    }
}

/// The error of a connection on which the server sends nothing.
pub(super) fn silent(silence: &Silence) -> RedisError {
    let text = format!("the server has sent nothing for {:?}", silence.limit());
    // The kind tells the cluster client to connect again. It would use a slow connection further.
    std::io::Error::new(std::io::ErrorKind::BrokenPipe, text).into()
}

fn ended() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()
}
