use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use redis::{ConnectionAddr, ErrorKind, RedisError, RedisResult};
use tokio::time::Instant;

/// The addresses of nodes to which connecting has just timed out.
///
/// The cluster client connects to each node of the slots that it has looked up, and makes no calls
/// meanwhile. It looks them up again after each redirection, and while a primary hangs, its replica
/// redirects each call. Without this list, all calls would wait for a node that hangs.
///
/// It is one list for the process, because the client connects without any state of a store.
static TIMEOUTS: Mutex<Vec<(ConnectionAddr, Instant)>> = Mutex::new(Vec::new());

/// For how long connecting to an address fails at once after it has timed out.
const PAUSE: Duration = Duration::from_secs(2);

/// Connects, or fails at once if connecting has just timed out.
pub(super) async fn connect<C>(
    address: ConnectionAddr,
    connect: impl Future<Output = RedisResult<C>>,
) -> RedisResult<C> {
    if has_timed_out(&address) {
        return Err(timed_out());
    }
    let connected = connect.await;
    if connected.as_ref().is_err_and(RedisError::is_timeout) {
        list(|timeouts| timeouts.push((address, Instant::now())));
    }
    connected
}

fn has_timed_out(address: &ConnectionAddr) -> bool {
    list(|timeouts| timeouts.iter().any(|(it, _)| it == address))
}

/// Uses the list without the entries that are over.
fn list<T>(usage: impl FnOnce(&mut Vec<(ConnectionAddr, Instant)>) -> T) -> T {
    let mut timeouts = TIMEOUTS.lock().unwrap_or_else(PoisonError::into_inner);
    timeouts.retain(|(_, at)| at.elapsed() < PAUSE);
    usage(&mut timeouts)
}

fn timed_out() -> RedisError {
    (ErrorKind::Io, "timed out").into()
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn connecting_fails_at_once_after_it_has_timed_out() {
        let address = || ConnectionAddr::Tcp("timeouts.invalid".into(), 1);
        let slow = async { Err::<u8, _>(io::Error::from(io::ErrorKind::TimedOut).into()) };
        assert!(connect(address(), slow).await.unwrap_err().is_timeout());

        let works = || async { Ok::<_, RedisError>(1) };
        assert_eq!(connect(address(), works()).await.unwrap_err().to_string(), "timed out - Io");
        let other = ConnectionAddr::Tcp("timeouts.invalid".into(), 2);
        assert_eq!(connect(other, works()).await.unwrap(), 1);
        sleep(PAUSE).await;
        assert_eq!(connect(address(), works()).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn connecting_is_tried_again_after_another_failure() {
        let address = || ConnectionAddr::Tcp("refused.invalid".into(), 1);
        let refused =
            async { Err::<u8, _>(io::Error::from(io::ErrorKind::ConnectionRefused).into()) };
        connect(address(), refused).await.unwrap_err();

        assert_eq!(connect(address(), async { Ok(1) }).await.unwrap(), 1);
    }
}
