use std::time::Duration;

use agentmail_verify::{Secret, SecretError, Signer, UnixTime};

use super::{error::SendError, fault::Fault, raw, request::Request, target::Target};

/// Sends deliveries as the service does, and as an attacker would.
#[derive(Debug)]
pub struct Sender {
    agent: ureq::Agent,
    signer: Option<Signer>,
    timeout: Duration,
    trust: Trust,
}

/// The response to a delivery.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The names, in lower case, and the values of the headers.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, at most 64 KiB.
    pub body: String,
}

impl Sender {
    /// Creates a sender that signs with this secret.
    ///
    /// # Errors
    ///
    /// The text cannot be a secret.
    pub fn new(secret: &str) -> Result<Self, SecretError> {
        Ok(Self::with_signer(Some(Signer::new(Secret::new(secret)?)), Trust::default()))
    }

    /// Creates a sender without a secret sends only what needs none.
    pub(crate) fn with_signer(signer: Option<Signer>, trust: Trust) -> Self {
        Self { agent: agent(&trust, Self::TIMEOUT), signer, timeout: Self::TIMEOUT, trust }
    }

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// Sets how long a delivery may take, until its response has arrived. The default is 30
    /// seconds.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { agent: agent(&self.trust, timeout), timeout, ..self }
    }

    /// Sends one delivery.
    ///
    /// # Errors
    ///
    /// The URL cannot be used, or there was no response.
    pub fn send(
        &self,
        url: &str,
        body: &[u8],
        fault: Option<Fault>,
    ) -> Result<Response, SendError> {
        self.send_request(url, &self.request(body, fault), fault)
    }

    pub(crate) fn request(&self, body: &[u8], fault: Option<Fault>) -> Request {
        Request::signed(self.signer.as_ref(), body, fault, UnixTime::now())
    }

    /// Sends a request as it is.
    pub(crate) fn send_request(
        &self,
        url: &str,
        request: &Request,
        fault: Option<Fault>,
    ) -> Result<Response, SendError> {
        let target = Target::parse(url)?;
        match fault {
            Some(Fault::Truncated) => {
                return raw::send_half(&target, &self.trust, request, self.timeout, true);
            }
            Some(Fault::Slow) => {
                return raw::send_half(&target, &self.trust, request, self.timeout, false);
            }
            _ => {}
        }
        self.exchange("POST", url, &request.headers, Some(&request.body))
    }

    /// Sends any request, and does not follow a redirect.
    pub(crate) fn exchange(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: Option<&[u8]>,
    ) -> Result<Response, SendError> {
        let mut builder = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let body = body.unwrap_or_default();
        if body.len() > 64 * 1024 {
            // A long body is only sent if the receiver wants it.
            builder = builder.header("expect", "100-continue");
        }
        self.run(builder.body(body).map_err(SendError::request)?)
    }

    /// Sends any request, and reads its response.
    pub(crate) fn run(&self, request: http::Request<&[u8]>) -> Result<Response, SendError> {
        let mut response = self.agent.run(request).map_err(SendError::of_client)?;
        let headers = response.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let headers = headers.collect();
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(64 * 1024).lossy_utf8(true);
        Ok(Response::new(status, headers, body.read_to_string().unwrap_or_default()))
    }
}

impl Response {
    pub(crate) const fn new(status: u16, headers: Vec<(String, String)>, body: String) -> Self {
        Self { status, headers, body }
    }

    /// Returns the first value of a header. The name is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Which certificates are trusted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    /// The certificates of a file, instead of those of the public authorities.
    #[cfg(feature = "tls")]
    pub(crate) authorities: Option<Vec<rustls::pki_types::CertificateDer<'static>>>,
}

#[cfg(feature = "tls")]
impl Trust {
    /// Trusts the certificates in a PEM file only.
    #[cfg(feature = "cli")]
    pub(crate) fn of_pem(pem: &[u8]) -> Result<Self, SendError> {
        use rustls::pki_types::{CertificateDer, pem::PemObject};

        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|error| SendError::request(error.to_string()))?;
        if certificates.is_empty() {
            return Err(SendError::request("the file has no certificate in PEM form"));
        }
        Ok(Self { authorities: Some(certificates) })
    }

    pub(super) fn roots(&self) -> Result<rustls::RootCertStore, SendError> {
        let mut roots = rustls::RootCertStore::empty();
        match &self.authorities {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(certificates) => {
                for certificate in certificates {
                    roots.add(certificate.clone()).map_err(SendError::request)?;
                }
            }
        }
        Ok(roots)
    }
}

fn agent(trust: &Trust, timeout: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // To the receiver itself, even if the environment names a proxy.
        .proxy(None)
        .user_agent(concat!("agentmail-webhook/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(timeout));
    #[cfg(feature = "tls")]
    let config = match &trust.authorities {
        None => config,
        Some(certificates) => {
            use ureq::tls::{Certificate, RootCerts, TlsConfig};

            let certificates = certificates
                .iter()
                .map(|certificate| Certificate::from_der(certificate).to_owned());
            let roots: RootCerts = certificates.collect::<Vec<_>>().into();
            config.tls_config(TlsConfig::builder().root_certs(roots).build())
        }
    };
    #[cfg(not(feature = "tls"))]
    let Trust {} = trust;
    config.build().into()
}
