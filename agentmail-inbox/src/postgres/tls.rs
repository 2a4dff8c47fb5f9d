//! Encryption of connections to the server.

use tokio_postgres::Config;

use super::error::PostgresError;

/// Creates the client's side of each connection.
#[cfg(not(feature = "postgres-tls"))]
pub(super) type Tls = tokio_postgres::NoTls;
/// Creates the client's side of each connection.
#[cfg(feature = "postgres-tls")]
pub(super) type Tls = tokio_postgres_rustls::MakeRustlsConnect;

#[cfg(not(feature = "postgres-tls"))]
pub(super) fn connector(_: &Config) -> Result<Tls, PostgresError> {
    Ok(tokio_postgres::NoTls)
}

/// Trusts the certificates of the system, or those of the file in `SSL_CERT_FILE`.
#[cfg(feature = "postgres-tls")]
pub(super) fn connector(config: &Config) -> Result<Tls, PostgresError> {
    use std::sync::Arc;

    use rustls::{
        ClientConfig, RootCertStore,
        crypto::{CryptoProvider, ring},
    };

    use super::{address, error::PostgresErrorKind};

    let mut roots = RootCertStore::empty();
    if address::may_encrypt(config) {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let detail = "the system has no certificates of authorities";
            return Err(PostgresError::new(PostgresErrorKind::Tls, detail));
        }
    }
    // A choice of the application is kept.
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| Arc::new(ring::default_provider()));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| PostgresError::new(PostgresErrorKind::Tls, error.to_string()))?;
    Ok(Tls::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
