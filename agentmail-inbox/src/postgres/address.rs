#[cfg(feature = "postgres-tls")]
use tokio_postgres::config::Host;
use tokio_postgres::{Config, config::SslMode};

use super::error::{PostgresError, PostgresErrorKind};

/// Parses the address of a server, in either form of PostgreSQL.
///
/// The client's error may quote a part of the address, which may be the password.
pub(super) fn parse(address: &str) -> Result<Config, PostgresError> {
    let malformed = |detail: &str| Err(PostgresError::new(PostgresErrorKind::Address, detail));
    let address = address.trim();
    if address.is_empty() {
        return malformed("it is empty");
    }
    if !address.starts_with("postgres://")
        && !address.starts_with("postgresql://")
        && (address.contains("://") || !address.contains('='))
    {
        return malformed("it does not begin with `postgres://`");
    }
    // This client always checks the certificate and its name, if it uses TLS.
    let address = ["verify-full", "verify-ca"].into_iter().fold(address.to_owned(), |all, mode| {
        all.replace(&format!("sslmode={mode}"), "sslmode=require")
    });
    let Ok(config) = address.parse::<Config>() else {
        return malformed(
            "percent-encode the user name and the password, for example `%2F` for `/`; an option \
             may be unknown",
        );
    };
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return malformed("it has no host");
    }
    if cfg!(not(feature = "postgres-tls")) && config.get_ssl_mode() == SslMode::Require {
        return malformed("`sslmode=require` needs the feature `postgres-tls`");
    }
    Ok(config)
}

/// Whether a connection may be encrypted. PostgreSQL does not encrypt its sockets.
#[cfg(feature = "postgres-tls")]
pub(super) fn may_encrypt(config: &Config) -> bool {
    let is_socket = |host: &Host| !matches!(host, Host::Tcp(_));
    config.get_ssl_mode() != SslMode::Disable && !config.get_hosts().iter().all(is_socket)
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::Host;

    use super::*;

    #[test]
    fn each_wrong_address_has_its_cause_and_no_password_is_shown() {
        for (address, cause) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("localhost", "does not begin with"),
            ("localhost:5432/app", "does not begin with"),
            ("mysql://app:hush@localhost/app", "does not begin with"),
            ("postgres://app:hush@local%ffhost/app", "percent-encode"),
            ("postgres://app:hush@localhost:port/app", "percent-encode"),
            ("postgres://app:hush@localhost/app?hush=1", "percent-encode"),
            ("postgres://app:hush@localhost/app?sslmode=hush", "percent-encode"),
            ("user=app password=hush dbname=app", "it has no host"),
            ("host=localhost password=hush hush=1", "percent-encode"),
        ] {
            let error = parse(address).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), PostgresErrorKind::Address, "{address:?}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(cause), "{address:?}: {shown}");
            assert!(!shown.contains("hush"), "{shown}");
        }
    }

    #[test]
    fn reads_both_forms_of_an_address() {
        for address in [
            "postgres://app:hu%2Fsh@localhost:5433/mail",
            "postgresql://app:hu%2Fsh@localhost:5433/mail?sslmode=disable",
            " host=localhost port=5433 user=app password=hu/sh dbname=mail\n",
        ] {
            let config = parse(address).unwrap();
            assert_eq!(config.get_hosts(), [Host::Tcp("localhost".into())], "{address}");
            assert_eq!(config.get_ports(), [5433], "{address}");
            assert_eq!(config.get_user(), Some("app"), "{address}");
            assert_eq!(config.get_password(), Some(&b"hu/sh"[..]), "{address}");
            assert_eq!(config.get_dbname(), Some("mail"), "{address}");
        }
    }

    #[test]
    fn encryption_that_must_not_be_skipped_needs_the_feature() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let parsed = parse(&format!("postgres://localhost/app?sslmode={mode}"));
            if cfg!(feature = "postgres-tls") {
                assert_eq!(parsed.unwrap().get_ssl_mode(), SslMode::Require, "{mode}");
            } else {
                assert!(parsed.unwrap_err().to_string().contains("postgres-tls"), "{mode}");
            }
        }
    }
}
