use std::net::{SocketAddr, ToSocketAddrs};

use http::Uri;

use super::error::SendError;

/// Where a URL leads.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    uri: Uri,
    host: String,
    port: u16,
    is_https: bool,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, SendError> {
        let uri: Uri = url.parse().map_err(|error| {
            let example = "a URL is, for example, http://127.0.0.1:8080/agentmail/webhook";
            SendError::request(format!("{url}: {error}; {example}"))
        })?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => {
                let reason = format!("{url}: a URL begins with http:// or https://");
                return Err(SendError::request(reason));
            }
        };
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        Ok(Self { uri, host, port, is_https })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn is_https(&self) -> bool {
        self.is_https
    }

    /// The value of the header `Host`.
    pub(crate) fn authority(&self) -> &str {
        self.uri.authority().map_or("", http::uri::Authority::as_str)
    }

    /// The path and the query.
    pub(crate) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }

    /// The same URL with another path.
    #[cfg(feature = "cli")]
    pub(crate) fn with_path(&self, path: &str) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.authority())
    }

    pub(crate) fn addresses(&self) -> Result<Vec<SocketAddr>, SendError> {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let addresses =
            addresses.map_err(|error| SendError::unreachable(format!("{}: {error}", self.host)))?;
        Ok(addresses.collect())
    }
}
