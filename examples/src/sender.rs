use std::time::Duration;

use agentmail_axum::{Clock, Secret, SecretError, Signer, SystemClock, UnixTime};

/// The example payload of the vendor's guide.
pub const SAMPLE: &str = include_str!("../sample.json");

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
    /// Signed with another secret.
    Forged,
    /// Signed an hour ago.
    Stale,
    /// Not signed: the service has no secret.
    Unsigned,
    /// One byte is appended after signing.
    Tampered,
}

/// The answer to a delivery.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Sender {
    /// Signs with this secret.
    ///
    /// # Errors
    ///
    /// The text cannot be a secret.
    pub fn new(secret: &str) -> Result<Self, SecretError> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // To the receiver itself, whatever proxy the environment names.
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
    /// No answer came.
    pub fn send(&self, url: &str, body: &[u8], flaw: Option<Flaw>) -> Result<Answer, ureq::Error> {
        let now = SystemClock.now();
        let an_hour_ago = UnixTime::from_secs(now.as_secs().saturating_sub(3_600));
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
        Ok(Answer { status: response.status().as_u16(), body })
    }
}
