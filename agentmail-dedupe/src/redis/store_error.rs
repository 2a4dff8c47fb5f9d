use std::{error::Error, fmt};

/// Why a text cannot be the address of a Redis server, of a cluster, or of Sentinels.
///
/// The sentences never contain any part of the address, because it may contain a password.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// The text is empty.
    Empty,
    /// The address has no scheme, for example `localhost:6379`.
    NoScheme,
    /// The scheme is not that of a Redis server, of a cluster, or of Sentinels.
    UnsupportedScheme,
    /// The scheme is that of a cluster, which needs the feature `redis-cluster`. It is off.
    ClusterDisabled,
    /// The scheme needs the feature `redis-tls`, which is off.
    TlsDisabled,
    /// The user name or password has a character that must be percent-encoded.
    UnencodedCharacter,
    /// The address has several hosts, and the scheme is that of one server.
    SeveralHosts,
    /// The address has no host, or one of its hosts is empty.
    NoHost,
    /// The host is `0.0.0.0` or `::`.
    WildcardHost,
    /// The port is not a number from 1 to 65535.
    InvalidPort,
    /// The address of Sentinels has no name of a primary, or the name has a character that Redis
    /// does not allow.
    InvalidPrimaryName,
    /// The part after the `/` is not the number of a database.
    InvalidDatabase,
    /// The address of a cluster has a database other than 0.
    ClusterDatabase,
    /// The parameter `protocol` is neither 2 nor 3.
    InvalidProtocol,
    /// The address ends with `#` and a text.
    Fragment,
    /// The address is malformed in another way.
    Malformed,
}

impl fmt::Display for RedisStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the address of the Redis server is empty",
            Self::NoScheme => {
                "the address of the Redis server has no scheme: write `redis://` before the host"
            }
            Self::UnsupportedScheme => {
                "the address of the Redis server does not begin with `redis://`, `rediss://`, \
                 `redis-cluster://` or `redis-sentinel://`"
            }
            Self::ClusterDisabled => {
                "the address of the Redis server is that of a cluster, which needs the feature \
                 `redis-cluster`"
            }
            Self::TlsDisabled => "the address of the Redis server needs the feature `redis-tls`",
            Self::UnencodedCharacter => {
                "the user name or password in the address of the Redis server must be \
                 percent-encoded: for example, write `%23` for `#`, and `%2F` for `/`"
            }
            Self::SeveralHosts => {
                "the address of the Redis server has several hosts: write `redis-cluster://` for \
                 a cluster, or `redis-sentinel://` for Sentinels"
            }
            Self::NoHost => "the address of the Redis server has no host",
            Self::WildcardHost => {
                "the host in the address of the Redis server is `0.0.0.0` or `::`, to which no \
                 client can connect"
            }
            Self::InvalidPort => {
                "the port in the address of the Redis server is not a number from 1 to 65535"
            }
            Self::InvalidPrimaryName => {
                "the address of the Redis server has no valid name of a primary: write \
                 `redis-sentinel://host:26379/NAME`"
            }
            Self::InvalidDatabase => {
                "the database in the address of the Redis server, after the `/`, is not a number"
            }
            Self::ClusterDatabase => {
                "the address of the Redis server has a database, but a cluster has only database 0"
            }
            Self::InvalidProtocol => {
                "the parameter `protocol` in the address of the Redis server is neither 2 nor 3"
            }
            Self::Fragment => {
                "the address of the Redis server ends with `#` and a text, which is not supported"
            }
            Self::Malformed => "the address of the Redis server is malformed",
        })
    }
}

/// Shows the sentence of `Display`, for a `main` that returns this error.
impl fmt::Debug for RedisStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for RedisStoreError {}
