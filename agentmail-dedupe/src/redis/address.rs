use std::time::Duration;

use redis::{
    ConnectionInfo, IntoConnectionInfo,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use crate::redis::store_error::RedisStoreError;

/// Where the claims are, as the address says.
pub(super) enum Address {
    Server(ConnectionInfo),
    Sentinels(SentinelAddress),
    #[cfg(feature = "redis-cluster")]
    Cluster(Vec<ConnectionInfo>),
}

/// A primary that Sentinels know by its name.
pub(super) struct SentinelAddress {
    pub(super) sentinels: Vec<ConnectionInfo>,
    pub(super) name: String,
    /// How to connect to the primary. The Sentinels know its host and port.
    pub(super) primary: ConnectionInfo,
}

/// Parses an address.
///
/// The client's parser has one error for most causes, and some wrong addresses have another meaning
/// for it: with an unencoded `#` or `/` in the password, the user name is the host. It knows no
/// addresses of clusters and Sentinels.
pub(super) fn parse(url: &str) -> Result<Address, RedisStoreError> {
    let url = url.trim();
    if url.is_empty() {
        return Err(RedisStoreError::Empty);
    }
    if is_socket(url) {
        return connection_info(url).map(Address::Server);
    }
    let (scheme, rest) = url.split_once("://").ok_or(RedisStoreError::NoScheme)?;
    let scheme = scheme.to_ascii_lowercase();
    let (scheme, topology) = parse_scheme(&scheme)?;
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    let (path, query) = parse_path(path)?;
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    check_credentials(credentials)?;
    let hosts: Vec<&str> = hosts.split(',').collect();
    hosts.iter().try_for_each(|host| check_host(host))?;
    let address = |credentials: &str, host: &str, database: &str| {
        let at = if credentials.is_empty() { "" } else { "@" };
        connection_info(&format!("{scheme}://{credentials}{at}{host}/{database}?{query}"))
    };
    match topology {
        Topology::Server => {
            let [host] = hosts[..] else { return Err(RedisStoreError::SeveralHosts) };
            check_database(path)?;
            address(credentials, host, path).map(Address::Server)
        }
        Topology::Sentinels => {
            let (name, database) = path.split_once('/').unwrap_or((path, ""));
            check_name(name)?;
            check_database(database)?;
            let of_sentinels = sentinel_credentials(query)?;
            let sentinel = |host: &&str| address(&of_sentinels, &with_port(host), "");
            let sentinels = hosts.iter().map(sentinel).collect::<Result<_, _>>()?;
            let primary = address(credentials, "localhost", database)?;
            Ok(Address::Sentinels(SentinelAddress { sentinels, name: name.into(), primary }))
        }
        #[cfg(feature = "redis-cluster")]
        Topology::Cluster => {
            check_database(path)?;
            if !path.is_empty() && path.parse() != Ok(0) {
                return Err(RedisStoreError::ClusterDatabase);
            }
            let nodes = hosts.iter().map(|host| address(credentials, host, ""));
            nodes.collect::<Result<_, _>>().map(Address::Cluster)
        }
    }
}

enum Topology {
    Server,
    Sentinels,
    #[cfg(feature = "redis-cluster")]
    Cluster,
}

/// The client's error may quote a part of the address.
fn connection_info(url: &str) -> Result<ConnectionInfo, RedisStoreError> {
    let info = url.into_connection_info().map_err(|_| RedisStoreError::Malformed)?;
    Ok(info.set_tcp_settings(tcp_settings()))
}

/// A server that disappears is noticed after seconds. The default is a quarter of an hour.
fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(5));
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(Duration::from_secs(10));
    settings
}

/// Whether the address is that of a Unix socket.
fn is_socket(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| {
        matches!(scheme.to_ascii_lowercase().as_str(), "unix" | "redis+unix" | "valkey+unix")
    })
}

/// Returns the scheme for one server, and the topology.
fn parse_scheme(scheme: &str) -> Result<(&str, Topology), RedisStoreError> {
    let (scheme, topology) = match scheme.split_once(['-', '+']) {
        None => (scheme, Topology::Server),
        Some((scheme, "sentinel")) => (scheme, Topology::Sentinels),
        #[cfg(feature = "redis-cluster")]
        Some((scheme, "cluster")) => (scheme, Topology::Cluster),
        #[cfg(not(feature = "redis-cluster"))]
        Some((_, "cluster")) => return Err(RedisStoreError::ClusterDisabled),
        Some(_) => return Err(RedisStoreError::UnsupportedScheme),
    };
    match scheme {
        "redis" | "valkey" => Ok((scheme, topology)),
        "rediss" | "valkeys" if cfg!(feature = "redis-tls") => Ok((scheme, topology)),
        "rediss" | "valkeys" => Err(RedisStoreError::TlsDisabled),
        _ => Err(RedisStoreError::UnsupportedScheme),
    }
}

/// Splits what follows the hosts, `/path?query`.
fn parse_path(path: &str) -> Result<(&str, &str), RedisStoreError> {
    if path.contains('@') {
        // The `/`, `?` or `#` before it is a part of the password.
        return Err(RedisStoreError::UnencodedCharacter);
    }
    if path.contains('#') {
        return Err(RedisStoreError::Fragment);
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut protocols = query.split('&').filter_map(|pair| pair.strip_prefix("protocol="));
    if protocols.all(|protocol| matches!(protocol, "2" | "resp2" | "3" | "resp3")) {
        Ok((path.trim_matches('/'), query))
    } else {
        Err(RedisStoreError::InvalidProtocol)
    }
}

fn check_database(database: &str) -> Result<(), RedisStoreError> {
    let is_number = database.is_empty() || database.parse::<u32>().is_ok();
    is_number.then_some(()).ok_or(RedisStoreError::InvalidDatabase)
}

/// Checks the name of a primary. Redis allows these characters only.
fn check_name(name: &str) -> Result<(), RedisStoreError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_name = !name.is_empty() && name.bytes().all(is_allowed);
    is_name.then_some(()).ok_or(RedisStoreError::InvalidPrimaryName)
}

/// Checks that the decoded user name and password are text. An unencoded `%` may make them invalid.
fn check_credentials(credentials: &str) -> Result<(), RedisStoreError> {
    let probe = format!("redis://{credentials}@localhost");
    probe.into_connection_info().map(drop).map_err(|_| RedisStoreError::UnencodedCharacter)
}

/// Returns the credentials of the Sentinels themselves, from the query.
fn sentinel_credentials(query: &str) -> Result<String, RedisStoreError> {
    let parameter = |name| query.split('&').find_map(|pair| pair.strip_prefix(name));
    let user = parameter("sentinel_username=").unwrap_or_default();
    let Some(password) = parameter("sentinel_password=") else { return Ok(String::new()) };
    if [user, password].iter().any(|text| text.contains(['/', '?', ':'])) {
        return Err(RedisStoreError::UnencodedCharacter);
    }
    let credentials = format!("{user}:{password}");
    check_credentials(&credentials)?;
    Ok(credentials)
}

fn check_host(host: &str) -> Result<(), RedisStoreError> {
    let (host, port) = split_port(host);
    if host.is_empty() {
        return Err(RedisStoreError::NoHost);
    }
    if !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port != 0) {
        return Err(RedisStoreError::InvalidPort);
    }
    if matches!(host, "0.0.0.0" | "[::]") { Err(RedisStoreError::WildcardHost) } else { Ok(()) }
}

/// Adds the default port of a Sentinel.
fn with_port(host: &str) -> String {
    match split_port(host) {
        (host, "") => format!("{host}:26379"),
        _ => host.into(),
    }
}

/// Splits a host and its port, which may be empty. The address of IPv6 is in brackets.
fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (host, ""),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    const PASSWORDS: [&str; 4] = ["hush", "hu#sh", "hu/sh", "hu%ffsh"];

    #[test]
    fn each_wrong_address_has_its_cause_and_no_password_is_shown() {
        use RedisStoreError as E;

        let tls = |otherwise| if cfg!(feature = "redis-tls") { otherwise } else { E::TlsDisabled };
        let cluster = |otherwise| {
            if cfg!(feature = "redis-cluster") { otherwise } else { E::ClusterDisabled }
        };
        for (address, expected) in [
            ("", E::Empty),
            (" \n", E::Empty),
            ("localhost", E::NoScheme),
            ("localhost:6379", E::NoScheme),
            ("user:hush@localhost:6379", E::NoScheme),
            ("redis:localhost", E::NoScheme),
            ("http://user:hush@localhost", E::UnsupportedScheme),
            ("\"redis://user:hush@localhost\"", E::UnsupportedScheme),
            ("redis-replica://:hush@localhost", E::UnsupportedScheme),
            ("cluster://:hush@localhost", E::UnsupportedScheme),
            ("redis-cluster://:hush@localhost/1", cluster(E::ClusterDatabase)),
            ("redis-cluster://:hush@localhost/first", cluster(E::InvalidDatabase)),
            ("redis-cluster://:hush@one,,two", cluster(E::NoHost)),
            ("redis+cluster://:hush@one,two:0", cluster(E::InvalidPort)),
            ("rediss-cluster://:hush@one:0", cluster(tls(E::InvalidPort))),
            ("redis-sentinel://:hush@localhost", E::InvalidPrimaryName),
            ("redis+sentinel://:hush@localhost/", E::InvalidPrimaryName),
            ("redis-sentinel://:hush@localhost/a,b", E::InvalidPrimaryName),
            ("redis-sentinel://:hush@localhost/name/first", E::InvalidDatabase),
            ("redis-sentinel://:hush@one,:26379/name", E::NoHost),
            ("valkey-sentinel://:hush@one,0.0.0.0/name", E::WildcardHost),
            ("rediss+sentinel://:hush@localhost:0/name", tls(E::InvalidPort)),
            ("redis-sentinel://h/name?sentinel_password=hu/sh", E::UnencodedCharacter),
            ("redis-sentinel://h/name?sentinel_password=hu@sh", E::UnencodedCharacter),
            ("redis-sentinel://h/name?sentinel_password=hu%ffsh", E::UnencodedCharacter),
            ("redis-sentinel://h/name?sentinel_password=hu#sh", E::Fragment),
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
            let Address::Server(info) = parse(address).unwrap() else { panic!("{address:?}") };
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
        let parsed = parse("unix:///run/redis.sock?db=3").unwrap();
        let Address::Server(info) = parsed else { panic!("it is one server") };
        assert_eq!(info.addr().to_string(), "/run/redis.sock");

        let error = parse("unix://:hush@redis/sock").map(|_| ()).unwrap_err();
        assert_eq!(error, RedisStoreError::Malformed);
    }

    #[test]
    fn reads_the_parts_of_an_address_of_sentinels() {
        for (address, sentinels, credentials, of_sentinels, database) in [
            ("redis-sentinel://one/name", "one:26379", (None, None), (None, None), 0),
            (
                "REDIS+SENTINEL://:hu%23sh@one:7000,[::1]/name/3?protocol=3",
                "one:7000 ::1:26379",
                (None, Some("hu#sh")),
                (None, None),
                3,
            ),
            (
                "valkey-sentinel://u:hush@one,two/name?sentinel_username=a&sentinel_password=%2Fb",
                "one:26379 two:26379",
                (Some("u"), Some("hush")),
                (Some("a"), Some("/b")),
                0,
            ),
            (
                "redis-sentinel://:hush@one/name?sentinel_password=b",
                "one:26379",
                (None, Some("hush")),
                (None, Some("b")),
                0,
            ),
        ] {
            let Address::Sentinels(parsed) = parse(address).unwrap() else { panic!("{address}") };
            assert_eq!(parsed.name, "name", "{address}");
            let hosts: Vec<_> = parsed.sentinels.iter().map(|it| it.addr().to_string()).collect();
            assert_eq!(hosts.join(" "), sentinels, "{address}");
            for (info, expected) in
                [(&parsed.primary, credentials), (&parsed.sentinels[0], of_sentinels)]
            {
                let settings = info.redis_settings();
                assert_eq!((settings.username(), settings.password()), expected, "{address}");
            }
            assert_eq!(parsed.primary.redis_settings().db(), database, "{address}");
            assert_eq!(parsed.sentinels[0].redis_settings().db(), 0, "{address}");
        }
    }

    #[cfg(feature = "redis-cluster")]
    #[test]
    fn reads_the_parts_of_an_address_of_a_cluster() {
        for address in [
            "redis-cluster://user:hush@one,two:7000",
            "valkey+cluster://user:hush@one:6379,two:7000/",
            "redis-cluster://user:hush@one,two:7000/0",
        ] {
            let Address::Cluster(nodes) = parse(address).unwrap() else { panic!("{address}") };
            let hosts: Vec<_> = nodes.iter().map(|node| node.addr().to_string()).collect();
            assert_eq!(hosts, ["one:6379", "two:7000"], "{address}");
            for node in nodes {
                assert_eq!(node.redis_settings().username(), Some("user"), "{address}");
                assert_eq!(node.redis_settings().password(), Some("hush"), "{address}");
            }
        }
    }
}
