use std::{error::Error, fmt, io, time::Duration};

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::{Error as ClientError, error::SqlState};

/// An error of a [`PostgresStore`](crate::PostgresStore).
///
/// The text names the cause, and what the server said. It never contains the address of the server,
/// a password, or a message.
#[derive(Clone)]
pub struct PostgresError {
    kind: PostgresErrorKind,
    detail: String,
    /// The code of the server, if the server itself has refused the statement.
    state: Option<SqlState>,
}

/// The cause of a [`PostgresError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostgresErrorKind {
    /// The address of the server is malformed.
    Address,
    /// A setting is out of range.
    Setting,
    /// The server cannot be reached, or the connection broke.
    Unreachable,
    /// The server starts, recovers or shuts down.
    NotReady,
    /// The server refuses the user name or the password.
    Authentication,
    /// The encrypted connection cannot be made.
    Tls,
    /// The database in the address does not exist.
    UnknownDatabase,
    /// The user lacks a permission.
    Permission,
    /// The server, or the limit of the user, has no connection left.
    TooManyConnections,
    /// All connections of the pool were in use until the deadline.
    PoolExhausted,
    /// The server did not respond until the deadline.
    TimedOut,
    /// The server is a standby, or its transactions are read-only.
    ReadOnly,
    /// The disk of the server is full, or its memory is used up.
    OutOfSpace,
    /// The server has `fsync` off, so a stored message can be lost.
    FsyncOff,
    /// `synchronous_commit` cannot be set, so a stored message can be lost.
    AsynchronousCommit,
    /// A newer release of this crate has changed the tables.
    NewerSchema,
    /// The tables are not there, or are not those of this crate.
    Schema,
    /// Anything else.
    Other,
}

impl PostgresError {
    pub(super) fn new(kind: PostgresErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), state: None }
    }

    pub(super) fn timed_out(deadline: Duration) -> Self {
        let detail = format!("no response within {} ms", deadline.as_millis());
        Self::new(PostgresErrorKind::TimedOut, detail)
    }

    /// Whether the connection can carry out another statement.
    pub(super) const fn leaves_connection_idle(&self) -> bool {
        use PostgresErrorKind as Kind;

        // Nothing runs any more if the server has responded. A standby is left, because the name
        // may lead to the new primary by now.
        self.state.is_some()
            && !matches!(self.kind, Kind::Unreachable | Kind::NotReady | Kind::ReadOnly)
    }

    /// Whether the server refuses a value, so that a statement with other values may succeed.
    pub(super) fn is_of_value(&self) -> bool {
        let class = self.state.as_ref().map(|state| state.code());
        class.is_some_and(|code| {
            ["22", "23", "54", "P0"].iter().any(|class| code.starts_with(class))
        })
    }

    /// Whether the server cannot read its own data.
    pub(super) fn is_of_data(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.code().starts_with("XX"))
    }

    /// Returns the cause.
    #[must_use]
    pub const fn kind(&self) -> PostgresErrorKind {
        self.kind
    }
}

impl fmt::Display for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use PostgresErrorKind as Kind;

        f.write_str(match self.kind {
            Kind::Address => "the address of the PostgreSQL server is malformed",
            Kind::Setting => "a setting of the inbox on PostgreSQL is out of range",
            Kind::Unreachable => "the PostgreSQL server cannot be reached",
            Kind::NotReady => "the PostgreSQL server is starting or stopping",
            Kind::Authentication => "the PostgreSQL server refuses the user name or password",
            Kind::Tls => "the PostgreSQL server cannot be reached over TLS",
            Kind::UnknownDatabase => "the database of the PostgreSQL server does not exist",
            Kind::Permission => "the user of the PostgreSQL server lacks a permission",
            Kind::TooManyConnections => "the PostgreSQL server accepts no more connections",
            Kind::PoolExhausted => "all connections to the PostgreSQL server are in use",
            Kind::TimedOut => "the PostgreSQL server does not respond in time",
            Kind::ReadOnly => "the PostgreSQL server accepts no writes",
            Kind::OutOfSpace => "the PostgreSQL server has no space left",
            Kind::FsyncOff => "the PostgreSQL server has `fsync` off, and can lose messages",
            Kind::AsynchronousCommit => {
                "the PostgreSQL server ignores `synchronous_commit`, and can lose messages"
            }
            Kind::NewerSchema => "the tables of the inbox on PostgreSQL are of a newer release",
            Kind::Schema => "the tables of the inbox on PostgreSQL do not match this release",
            Kind::Other => "the PostgreSQL server cannot carry out a call",
        })?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// Shows the text of `Display`, for a `main` that returns this error.
impl fmt::Debug for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PostgresError {}

impl From<ClientError> for PostgresError {
    fn from(error: ClientError) -> Self {
        if let Some(refusal) = error.as_db_error() {
            // The message of PostgreSQL quotes names. Its detail may quote a row.
            let detail = format!("{} (SQLSTATE {})", refusal.message(), refusal.code().code());
            let state = Some(refusal.code().clone());
            return Self { kind: kind_of_state(refusal.code()), detail, state };
        }
        // This text is that of the client. Its sources may quote the address, except for an
        // `io::Error`.
        let text = error.to_string();
        let cause = find_io(&error);
        let kind = match text.as_str() {
            "error performing TLS handshake" => PostgresErrorKind::Tls,
            "authentication error" => PostgresErrorKind::Authentication,
            "timeout waiting for server" => PostgresErrorKind::TimedOut,
            "connection closed" => PostgresErrorKind::Unreachable,
            _ if cause.is_some() => PostgresErrorKind::Unreachable,
            _ => PostgresErrorKind::Other,
        };
        let text = cause.map_or(text, |cause| cause.to_string().to_lowercase());
        Self::new(kind, text)
    }
}

/// Not an implementation of `From`, which would name the pool in the public interface.
pub(super) fn of_pool(pool_error: PoolError) -> PostgresError {
    use PostgresErrorKind as Kind;

    let error = |kind, detail| PostgresError::new(kind, detail);
    match pool_error {
        PoolError::Backend(error) => error.into(),
        PoolError::Timeout(TimeoutType::Wait) => error(Kind::PoolExhausted, ""),
        PoolError::Timeout(_) => error(Kind::TimedOut, "it accepts no connection"),
        PoolError::Closed => error(Kind::Other, "the pool is closed"),
        PoolError::NoRuntimeSpecified => error(Kind::Other, "the pool has no runtime"),
        PoolError::PostCreateHook(_) => error(Kind::Other, "the pool has a hook"),
    }
}

fn kind_of_state(state: &SqlState) -> PostgresErrorKind {
    use PostgresErrorKind as Kind;

    match state.code() {
        "28000" | "28P01" => Kind::Authentication,
        "3D000" => Kind::UnknownDatabase,
        "42501" => Kind::Permission,
        "53300" => Kind::TooManyConnections,
        "25006" => Kind::ReadOnly,
        // A statement beyond `statement_timeout`, or a lock beyond `lock_timeout`.
        "57014" | "55P03" => Kind::TimedOut,
        "57P01" | "57P02" | "57P03" => Kind::NotReady,
        "42P01" | "42703" | "42804" => Kind::Schema,
        code if code.starts_with("53") => Kind::OutOfSpace,
        code if code.starts_with("08") => Kind::Unreachable,
        _ => Kind::Other,
    }
}

fn find_io<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut source = Some(error);
    while let Some(error) = source {
        // An error of rustls is inside of an `io::Error`, and has a text of its own.
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        source = error.source();
    }
    None
}
