use std::{error::Error, fmt, sync::Arc};

use redis::{ErrorKind, RedisError};

/// The error of a call of a [`RedisStore`](crate::RedisStore): what
/// [`StoreError::Failed`](crate::StoreError::Failed) contains.
///
/// The text names the cause, and what the server or the system said. It never contains a password.
#[derive(Debug, Clone)]
pub struct RedisCallError {
    kind: RedisErrorKind,
    peer: Peer,
    detail: Option<Arc<str>>,
}

/// The cause of a [`RedisCallError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisErrorKind {
    /// There is no connection: for example, the server is down, its name is not known, or its
    /// certificate is not trusted.
    Unreachable,
    /// The response is not of the Redis protocol: the address may be that of another server.
    MalformedResponse,
    /// The server requires a password, and the address has none.
    AuthenticationRequired,
    /// The server refuses the user name or password.
    AuthenticationFailed,
    /// The ACL does not let the user run a command of the store, or use keys with its prefix.
    PermissionDenied,
    /// The server has no database of the number in the address.
    InvalidDatabase,
    /// The server is a node of a cluster, and the address is that of one server.
    Cluster,
    /// The server is not a node of a cluster, and the address is that of a cluster.
    NotACluster,
    /// The cluster has no primary for the key at present: for example, during a failover.
    ClusterDown,
    /// The server is a Sentinel, and the address is that of one server.
    Sentinel,
    /// The server is not a Sentinel, and the address is that of Sentinels.
    NotASentinel,
    /// The Sentinels know no primary of the name in the address.
    UnknownPrimary,
    /// The server does not know a command of the store: it may be disabled.
    UnknownCommand,
    /// The server is a replica.
    Replica,
    /// Fewer replicas than [required](crate::RedisStore::with_wait) have a write.
    TooFewReplicas,
    /// The server has reached its `maxmemory`.
    OutOfMemory,
    /// The server has just started, and reads its data from disk.
    Loading,
    /// The server runs a script that takes long.
    Busy,
    /// The server accepts no writes, because it cannot save them, or has too few replicas.
    WritesRefused,
    /// The server returned another error.
    Other,
}

/// What an error comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Server,
    #[cfg(feature = "redis-cluster")]
    Cluster,
    Sentinel,
}

impl RedisCallError {
    /// Takes an error of the client. Its detail is left out if it contains a password: a server may
    /// quote the arguments of a command that it does not know.
    pub(super) fn new(error: &RedisError, peer: Peer, password: Option<&str>) -> Self {
        let text = text(error);
        let kind = of_topology(kind(error, &text), peer);
        let shown = without_arguments(&text);
        let has_password = password.is_some_and(|it| !it.is_empty() && shown.contains(it));
        // For these, the client has no text but its own.
        let is_of_client = matches!(
            kind,
            RedisErrorKind::AuthenticationFailed | RedisErrorKind::MalformedResponse
        );
        let is_shown = !has_password && !is_of_client;
        let detail = is_shown.then(|| shown.replace(char::is_control, " ").into());
        Self { kind, peer, detail }
    }

    /// Creates an error that is not one of the client.
    pub(super) fn of_kind(kind: RedisErrorKind, peer: Peer, detail: Option<String>) -> Self {
        Self { kind, peer, detail: detail.map(Into::into) }
    }

    /// Creates the error of an attempt that has ended without a cause.
    pub(super) fn timed_out(peer: Peer) -> Self {
        Self::of_kind(RedisErrorKind::Unreachable, peer, Some("timed out".into()))
    }

    /// Returns the cause.
    #[must_use]
    pub const fn kind(&self) -> RedisErrorKind {
        self.kind
    }
}

impl fmt::Display for RedisCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = match self.peer {
            Peer::Server => "the Redis server",
            #[cfg(feature = "redis-cluster")]
            Peer::Cluster => "the Redis cluster",
            Peer::Sentinel => "the Sentinel",
        };
        match self.kind {
            RedisErrorKind::Unreachable => write!(f, "{peer} cannot be reached"),
            RedisErrorKind::MalformedResponse => {
                write!(f, "the response is not that of {}", peer.replacen("the", "a", 1))
            }
            RedisErrorKind::AuthenticationRequired if self.peer == Peer::Sentinel => {
                write!(f, "{peer} requires a password: add `?sentinel_password=…` to the address")
            }
            RedisErrorKind::AuthenticationRequired => {
                write!(f, "{peer} requires a password, and its address has none")
            }
            RedisErrorKind::AuthenticationFailed => {
                write!(f, "{peer} refuses the user name or password")
            }
            RedisErrorKind::PermissionDenied => {
                write!(f, "the user of {peer} lacks a permission")
            }
            RedisErrorKind::InvalidDatabase => {
                write!(f, "{peer} refuses the database in its address")
            }
            RedisErrorKind::Cluster => f.write_str(
                "the Redis server is a node of a cluster: write `redis-cluster://` in its address",
            ),
            RedisErrorKind::NotACluster => f.write_str(
                "the Redis server is not a node of a cluster: write `redis://` in its address",
            ),
            RedisErrorKind::ClusterDown => {
                f.write_str("the Redis cluster has no primary for the key at present")
            }
            RedisErrorKind::Sentinel => f.write_str(
                "the Redis server is a Sentinel: write `redis-sentinel://host:26379/NAME` as its \
                 address",
            ),
            RedisErrorKind::NotASentinel => {
                f.write_str("the Redis server is not a Sentinel: write `redis://` in its address")
            }
            RedisErrorKind::UnknownPrimary => f.write_str(
                "the Sentinels know no primary of the name in the address: for its names, run \
                 `redis-cli -p 26379 SENTINEL MASTERS`",
            ),
            RedisErrorKind::UnknownCommand => {
                write!(f, "{peer} does not know a command of the store: it may be disabled")
            }
            RedisErrorKind::Replica => write!(f, "{peer} is a replica, and accepts no writes"),
            RedisErrorKind::TooFewReplicas => {
                write!(f, "too few replicas of {peer} have the write")
            }
            RedisErrorKind::OutOfMemory => write!(f, "{peer} is out of memory"),
            RedisErrorKind::Loading => write!(f, "{peer} is loading its data"),
            RedisErrorKind::Busy => write!(f, "{peer} is busy with a script"),
            RedisErrorKind::WritesRefused => write!(f, "{peer} accepts no writes at present"),
            RedisErrorKind::Other => write!(f, "{peer} cannot carry out a call"),
        }?;
        self.detail.iter().try_for_each(|detail| write!(f, ": {detail}"))
    }
}

impl Error for RedisCallError {}

/// Returns the words of the server, or of the system.
fn text(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.into(),
        (None, _) => error.to_string(),
    }
}

fn without_arguments(text: &str) -> &str {
    let end = [", with args", " script: "].iter().filter_map(|rest| text.find(rest)).min();
    end.and_then(|end| text.get(..end)).unwrap_or(text).trim_end_matches('.')
}

/// Returns what a kind means on a topology.
fn of_topology(kind: RedisErrorKind, peer: Peer) -> RedisErrorKind {
    match (kind, peer) {
        #[cfg(feature = "redis-cluster")]
        (RedisErrorKind::Cluster, Peer::Cluster) => RedisErrorKind::ClusterDown,
        (RedisErrorKind::UnknownCommand, Peer::Sentinel) => RedisErrorKind::NotASentinel,
        _ => kind,
    }
}

fn kind(error: &RedisError, text: &str) -> RedisErrorKind {
    match error.kind() {
        ErrorKind::AuthenticationFailed => return RedisErrorKind::AuthenticationFailed,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            return RedisErrorKind::MalformedResponse;
        }
        #[cfg(feature = "redis-cluster")]
        ErrorKind::ClusterConnectionNotFound => return RedisErrorKind::Cluster,
        _ => {}
    }
    if error.is_io_error() || error.is_unrecoverable_error() {
        return RedisErrorKind::Unreachable;
    }
    // Some servers put the code of an error within a script after another one.
    let words = || text.split([' ', ':']).map(|word| word.trim_start_matches('-'));
    words().find_map(kind_of_code).or_else(|| kind_of_text(text)).unwrap_or(RedisErrorKind::Other)
}

fn kind_of_code(code: &str) -> Option<RedisErrorKind> {
    Some(match code {
        "NOAUTH" => RedisErrorKind::AuthenticationRequired,
        "WRONGPASS" => RedisErrorKind::AuthenticationFailed,
        "NOPERM" => RedisErrorKind::PermissionDenied,
        "MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT" | "TRYAGAIN" => RedisErrorKind::Cluster,
        "IDONTKNOW" => RedisErrorKind::UnknownCommand,
        "READONLY" | "MASTERDOWN" => RedisErrorKind::Replica,
        "OOM" => RedisErrorKind::OutOfMemory,
        "LOADING" => RedisErrorKind::Loading,
        "BUSY" => RedisErrorKind::Busy,
        "MISCONF" | "NOREPLICAS" => RedisErrorKind::WritesRefused,
        _ => return None,
    })
}

/// Recognizes an error whose code is only `ERR`.
fn kind_of_text(text: &str) -> Option<RedisErrorKind> {
    [
        ("Authentication required", RedisErrorKind::AuthenticationRequired),
        ("ACL failure", RedisErrorKind::PermissionDenied),
        ("The user executing the script can't", RedisErrorKind::PermissionDenied),
        ("no permissions", RedisErrorKind::PermissionDenied),
        ("cluster mode", RedisErrorKind::Cluster),
        ("cluster support disabled", RedisErrorKind::NotACluster),
        ("unknown command", RedisErrorKind::UnknownCommand),
        ("DB index", RedisErrorKind::InvalidDatabase),
    ]
    .into_iter()
    .find_map(|(part, kind)| text.contains(part).then_some(kind))
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::{ServerErrorKind, make_extension_error};

    use super::*;

    fn of_server(kind: ServerErrorKind, text: &str) -> RedisError {
        (ErrorKind::Server(kind), "ignored", text.into()).into()
    }

    #[test]
    fn each_cause_has_its_kind_and_its_text() {
        use RedisErrorKind as Kind;
        use ServerErrorKind as Code;

        let extension =
            |code: &str, text: &str| make_extension_error(code.into(), Some(text.into()));
        for (error, kind, text) in [
            (
                io::Error::from(io::ErrorKind::ConnectionRefused).into(),
                Kind::Unreachable,
                "the Redis server cannot be reached: connection refused",
            ),
            (
                extension("NOAUTH", "Authentication required."),
                Kind::AuthenticationRequired,
                "the Redis server requires a password, and its address has none: NOAUTH \
                 Authentication required",
            ),
            (
                (ErrorKind::AuthenticationFailed, "Password authentication failed").into(),
                Kind::AuthenticationFailed,
                "the Redis server refuses the user name or password",
            ),
            (
                extension("WRONGPASS", "invalid username-password pair"),
                Kind::AuthenticationFailed,
                "the Redis server refuses the user name or password",
            ),
            (
                of_server(Code::NoPerm, "User app has no permissions to run the 'evalsha' command"),
                Kind::PermissionDenied,
                "the user of the Redis server lacks a permission: NOPERM User app has no \
                 permissions to run the 'evalsha' command",
            ),
            (
                of_server(Code::Moved, "3999 127.0.0.1:6381"),
                Kind::Cluster,
                "the Redis server is a node of a cluster: write `redis-cluster://` in its address: \
                 MOVED 3999 127.0.0.1:6381",
            ),
            (
                extension("IDONTKNOW", "I don't know"),
                Kind::UnknownCommand,
                "the Redis server does not know a command of the store: it may be disabled: \
                 IDONTKNOW I don't know",
            ),
            (
                of_server(
                    Code::ResponseError,
                    "unknown command 'AUTH', with args beginning with: 'hush'",
                ),
                Kind::UnknownCommand,
                "the Redis server does not know a command of the store: it may be disabled: ERR \
                 unknown command 'AUTH'",
            ),
            (
                of_server(Code::ResponseError, "Protocol error: hush"),
                Kind::Other,
                "the Redis server cannot carry out a call",
            ),
            (
                of_server(
                    Code::ResponseError,
                    "Error running script (call to f_0): @user_script:5: -READONLY You can't write",
                ),
                Kind::Replica,
                "the Redis server is a replica, and accepts no writes: ERR Error running script \
                 (call to f_0): @user_script:5: -READONLY You can't write",
            ),
            (
                extension("OOM", "command not allowed. script: 0, on @user_script:5."),
                Kind::OutOfMemory,
                "the Redis server is out of memory: OOM command not allowed",
            ),
            (
                of_server(Code::BusyLoading, "Redis is loading the dataset in memory"),
                Kind::Loading,
                "the Redis server is loading its data: LOADING Redis is loading the dataset in \
                 memory",
            ),
            (
                extension("BUSY", "Redis is busy running a script."),
                Kind::Busy,
                "the Redis server is busy with a script: BUSY Redis is busy running a script",
            ),
            (
                extension("MISCONF", "Errors writing\nto the AOF file"),
                Kind::WritesRefused,
                "the Redis server accepts no writes at present: MISCONF Errors writing to the AOF \
                 file",
            ),
            (
                of_server(Code::ResponseError, "DB index is out of range"),
                Kind::InvalidDatabase,
                "the Redis server refuses the database in its address: ERR DB index is out of \
                 range",
            ),
        ] {
            let error = RedisCallError::new(&error, Peer::Server, Some("hush"));
            assert_eq!(error.to_string(), text);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.source().is_none(), "{error}");
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
    }

    #[test]
    fn an_empty_password_hides_nothing() {
        let error = of_server(ServerErrorKind::ResponseError, "as planned");

        for password in [None, Some("")] {
            assert_eq!(
                RedisCallError::new(&error, Peer::Server, password).to_string(),
                "the Redis server cannot carry out a call: ERR as planned"
            );
        }
    }
}
