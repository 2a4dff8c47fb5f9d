use std::{error::Error, fmt};

use redis::{ConnectionInfo, IntoConnectionInfo};

/// Why a text cannot be the address of a Redis server.
///
/// The sentences never contain any part of the address, because it may contain a password.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// The text is empty.
    Empty,
    /// The address has no scheme, for example `localhost:6379`.
    NoScheme,
    /// The scheme is not that of a Redis server.
    UnsupportedScheme,
    /// The scheme is that of a cluster, for example `redis-cluster://`.
    Cluster,
    /// The scheme is that of a Sentinel, for example `redis+sentinel://`.
    Sentinel,
    /// The scheme needs the feature `redis-tls`, which is off.
    TlsDisabled,
    /// The user name or password has a character that must be percent-encoded.
    UnencodedCharacter,
    /// The address has a list of servers.
    SeveralHosts,
    /// The address has no host.
    NoHost,
    /// The host is `0.0.0.0` or `::`.
    WildcardHost,
    /// The port is not a number from 1 to 65535.
    InvalidPort,
    /// The part after the `/` is not the number of a database.
    InvalidDatabase,
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
                "the address of the Redis server does not begin with `redis://` or `rediss://`"
            }
            Self::Cluster => {
                "the address of the Redis server has the scheme of a cluster, which is not \
                 supported: use a server that is not part of a cluster"
            }
            Self::Sentinel => {
                "the address of the Redis server has the scheme of a Sentinel, which is not \
                 supported: use the address of the primary, or of a proxy that leads to it"
            }
            Self::TlsDisabled => "the address of the Redis server needs the feature `redis-tls`",
            Self::UnencodedCharacter => {
                "the user name or password in the address of the Redis server must be \
                 percent-encoded: for example, write `%23` for `#`, and `%2F` for `/`"
            }
            Self::SeveralHosts => "the address of the Redis server has several hosts",
            Self::NoHost => "the address of the Redis server has no host",
            Self::WildcardHost => {
                "the host in the address of the Redis server is `0.0.0.0` or `::`, to which no \
                 client can connect"
            }
            Self::InvalidPort => {
                "the port in the address of the Redis server is not a number from 1 to 65535"
            }
            Self::InvalidDatabase => {
                "the database in the address of the Redis server, after the `/`, is not a number"
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

/// Parses an address.
///
/// The client's parser has one error for most causes, and some wrong addresses have another meaning
/// for it: with an unencoded `#` or `/` in the password, the user name is the host.
pub(super) fn parse(url: &str) -> Result<ConnectionInfo, RedisStoreError> {
    let url = url.trim();
    if url.is_empty() {
        return Err(RedisStoreError::Empty);
    }
    if !is_socket(url) {
        let (scheme, rest) = url.split_once("://").ok_or(RedisStoreError::NoScheme)?;
        check_scheme(&scheme.to_ascii_lowercase())?;
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(end) => rest.split_at(end),
            None => (rest, ""),
        };
        check_path(path)?;
        let (credentials, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        check_credentials(credentials)?;
        check_host(host)?;
    }
    // The client's error may quote a part of the address.
    url.into_connection_info().map_err(|_| RedisStoreError::Malformed)
}

/// Whether the address is that of a Unix socket.
fn is_socket(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| {
        matches!(scheme.to_ascii_lowercase().as_str(), "unix" | "redis+unix" | "valkey+unix")
    })
}

fn check_scheme(scheme: &str) -> Result<(), RedisStoreError> {
    match scheme {
        "redis" | "valkey" => Ok(()),
        "rediss" | "valkeys" if cfg!(feature = "redis-tls") => Ok(()),
        "rediss" | "valkeys" => Err(RedisStoreError::TlsDisabled),
        other if other.contains("cluster") => Err(RedisStoreError::Cluster),
        other if other.contains("sentinel") => Err(RedisStoreError::Sentinel),
        _ => Err(RedisStoreError::UnsupportedScheme),
    }
}

/// Checks what follows the host: `/database?protocol=3`.
fn check_path(path: &str) -> Result<(), RedisStoreError> {
    if path.contains('@') {
        // The `/`, `?` or `#` before it is a part of the password.
        return Err(RedisStoreError::UnencodedCharacter);
    }
    if path.contains('#') {
        return Err(RedisStoreError::Fragment);
    }
    let (database, query) = path.split_once('?').unwrap_or((path, ""));
    let database = database.trim_matches('/');
    if !database.is_empty() && database.parse::<u32>().is_err() {
        return Err(RedisStoreError::InvalidDatabase);
    }
    let mut protocols = query.split('&').filter_map(|pair| pair.strip_prefix("protocol="));
    if protocols.all(|protocol| matches!(protocol, "2" | "resp2" | "3" | "resp3")) {
        Ok(())
    } else {
        Err(RedisStoreError::InvalidProtocol)
    }
}

/// Checks that the decoded user name and password are text. An unencoded `%` may make them invalid.
fn check_credentials(credentials: &str) -> Result<(), RedisStoreError> {
    let probe = format!("redis://{credentials}@localhost");
    probe.into_connection_info().map(drop).map_err(|_| RedisStoreError::UnencodedCharacter)
}

fn check_host(host: &str) -> Result<(), RedisStoreError> {
    if host.contains(',') {
        return Err(RedisStoreError::SeveralHosts);
    }
    // The address of IPv6 is in brackets.
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (host, ""),
    };
    if host.is_empty() {
        return Err(RedisStoreError::NoHost);
    }
    if !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port != 0) {
        return Err(RedisStoreError::InvalidPort);
    }
    if matches!(host, "0.0.0.0" | "[::]") { Err(RedisStoreError::WildcardHost) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORDS: [&str; 4] = ["hush", "hu#sh", "hu/sh", "hu%ffsh"];

    #[test]
    fn each_wrong_address_has_its_cause_and_no_password_is_shown() {
        use RedisStoreError as E;

        let tls = |otherwise| if cfg!(feature = "redis-tls") { otherwise } else { E::TlsDisabled };
        for (address, expected) in [
            ("", E::Empty),
            (" \n", E::Empty),
            ("localhost", E::NoScheme),
            ("localhost:6379", E::NoScheme),
            ("user:hush@localhost:6379", E::NoScheme),
            ("redis:localhost", E::NoScheme),
            ("http://user:hush@localhost", E::UnsupportedScheme),
            ("\"redis://user:hush@localhost\"", E::UnsupportedScheme),
            ("redis-cluster://:hush@localhost", E::Cluster),
            ("rediss+cluster://:hush@localhost", E::Cluster),
            ("redis+sentinel://:hush@localhost", E::Sentinel),
            ("redis-sentinel://:hush@localhost:26379/primary", E::Sentinel),
            ("REDISS://:hush@localhost:0", tls(E::InvalidPort)),
            ("valkeys://:hush@localhost:0", tls(E::InvalidPort)),
            ("rediss://:hush@localhost/#insecure", tls(E::Fragment)),
            ("redis://:hu#sh@localhost", E::UnencodedCharacter),
            ("redis://:hu/sh@localhost", E::UnencodedCharacter),
            ("redis://:hu?sh@localhost", E::UnencodedCharacter),
            ("redis://user:6379#hush@localhost", E::UnencodedCharacter),
            ("redis://user:6379/hush@localhost", E::UnencodedCharacter),
            ("redis://:hu@sh/hush@localhost", E::UnencodedCharacter),
            ("redis://:hu%ffsh@localhost", E::UnencodedCharacter),
            ("redis://hu%ffsh:hush@localhost", E::UnencodedCharacter),
            ("redis://:hush@one:6379,two:6379", E::SeveralHosts),
            ("redis://", E::NoHost),
            ("redis:///0", E::NoHost),
            ("redis://:6379", E::NoHost),
            ("redis://:hush", E::NoHost),
            ("redis://:hush@", E::NoHost),
            ("redis://:hush@:6379/0", E::NoHost),
            ("redis://0.0.0.0:6379", E::WildcardHost),
            ("redis://:hush@[::]:6379", E::WildcardHost),
            ("redis://:hush@localhost:port", E::InvalidPort),
            ("redis://:hush@localhost:0", E::InvalidPort),
            ("redis://:hush@localhost:65536", E::InvalidPort),
            ("redis://user:hush", E::InvalidPort),
            ("redis://:hush@localhost/first", E::InvalidDatabase),
            ("redis://:hush@localhost/-1", E::InvalidDatabase),
            ("redis://:hush@localhost/0?protocol=hush", E::InvalidProtocol),
            ("redis://:hush@localhost#name", E::Fragment),
            ("redis://:hush@local host", E::Malformed),
            ("redis://:hush@[::1", E::Malformed),
            ("redis://:hush@::1", E::Malformed),
        ] {
            let error = parse(address).map(|_| ()).unwrap_err();
            assert_eq!(error, expected, "{address:?}");
            let shown = format!("{error} {error:?}");
            assert_eq!(shown, format!("{error} {error}"), "{address:?}");
            assert!(error.source().is_none(), "{address:?}");
            assert!(!PASSWORDS.iter().any(|password| shown.contains(password)), "{shown}");
        }
    }

    #[test]
    fn reads_the_parts_of_a_right_address() {
        for (address, host, user, password, database) in [
            ("redis://localhost", "localhost:6379", None, None, 0),
            (" redis://localhost:7000/\n", "localhost:7000", None, None, 0),
            ("valkey://localhost:/3", "localhost:6379", None, None, 3),
            ("REDIS://user:hush@[::1]:7000/3", "::1:7000", Some("user"), Some("hush"), 3),
            ("redis://[::1]", "::1:6379", None, None, 0),
            ("redis://:hu%23%2F%25sh@localhost", "localhost:6379", None, Some("hu#/%sh"), 0),
            (
                "redis://:hu@sh:50%@localhost?protocol=3",
                "localhost:6379",
                None,
                Some("hu@sh:50%"),
                0,
            ),
        ] {
            let info = parse(address).unwrap();
            assert_eq!(info.addr().to_string(), host, "{address:?}");
            let settings = info.redis_settings();
            assert_eq!(settings.username(), user, "{address:?}");
            assert_eq!(settings.password(), password, "{address:?}");
            assert_eq!(settings.db(), database, "{address:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn reads_the_address_of_a_socket() {
        let info = parse("unix:///run/redis.sock?db=3").unwrap();
        assert_eq!(info.addr().to_string(), "/run/redis.sock");

        assert_eq!(parse("unix://:hush@redis/sock").unwrap_err(), RedisStoreError::Malformed);
    }
}
