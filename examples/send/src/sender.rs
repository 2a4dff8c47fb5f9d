use std::time::Duration;

use agentmail_verify::{Secret, SecretError, Signer, UnixTime};

/// The example payload of the vendor's guide.
pub const SAMPLE: &str = include_str!("../../sample.json");

/// Sends deliveries as the service does, and as an attacker would.
#[derive(Debug)]
pub struct Sender {
    agent: ureq::Agent,
    signer: Signer,
    forger: Signer,
}

/// What is wrong with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// It is signed with another secret.
    Forged,
    /// It was signed an hour ago.
    Stale,
    /// It is not signed: the service has no secret.
    Unsigned,
    /// A byte was appended after it was signed.
    Tampered,
}

/// The response to a delivery.
#[derive(Debug)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Sender {
    /// Creates a sender that signs with this secret.
    ///
    /// # Errors
    ///
    /// The text cannot be a secret.
    pub fn new(secret: &str) -> Result<Self, SecretError> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // To the receiver itself, even if the environment names a proxy.
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Ok(Self {
            agent: config.into(),
            signer: Signer::new(Secret::new(secret)?),
            forger: Signer::new(Secret::new("not the secret of the service")?),
        })
    }

    /// Sends one delivery.
    ///
    /// # Errors
    ///
    /// There was no response.
    pub fn send(
        &self,
        url: &str,
        body: &[u8],
        flaw: Option<Flaw>,
    ) -> Result<Response, ureq::Error> {
        let now = UnixTime::now();
        let an_hour_ago = now.saturating_sub(Duration::from_secs(3_600));
        let signed = match flaw {
            Some(Flaw::Unsigned) => None,
            Some(Flaw::Forged) => Some(self.forger.sign(now, body)),
            Some(Flaw::Stale) => Some(self.signer.sign(an_hour_ago, body)),
            Some(Flaw::Tampered) | None => Some(self.signer.sign(now, body)),
        };

        let mut request = self.agent.post(url).header("content-type", "application/json");
        match &signed {
            Some(signed) => {
                for (name, value) in signed.headers() {
                    request = request.header(name, value);
                }
            }
            None => request = request.header("x-agentmail-unsigned", "1"),
        }
        if body.len() > 64 * 1024 {
            // A long body is only sent if the receiver wants it.
            request = request.header("expect", "100-continue");
        }
        let mut response = match flaw {
            Some(Flaw::Tampered) => request.send([body, b" "].concat())?,
            _ => request.send(body)?,
        };
        let body = response.body_mut().read_to_string()?;
        Ok(Response { status: response.status().as_u16(), body })
    }
}
