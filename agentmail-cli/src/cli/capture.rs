use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// A request as it arrived, in a file. The body is base64, so that every byte is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Capture {
    /// The version of this format.
    pub(super) agentmail_capture: u32,
    /// In Unix seconds.
    pub(super) received_at: u64,
    pub(super) method: String,
    pub(super) path: String,
    /// Each byte of a value is one character.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body_base64: String,
}

impl Capture {
    pub(super) const VERSION: u32 = 1;

    pub(super) fn new(
        received_at: u64,
        method: &str,
        path: &str,
        headers: Vec<(String, String)>,
        body: &[u8],
    ) -> Self {
        Self {
            agentmail_capture: Self::VERSION,
            received_at,
            method: method.to_owned(),
            path: path.to_owned(),
            headers,
            body_base64: STANDARD.encode(body),
        }
    }

    pub(super) fn read(content: &[u8]) -> Result<Self, Failure> {
        let capture: Self = serde_json::from_slice(content).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Failure::input(format!("not a capture of `listen`: line {line}, column {column}"))
        })?;
        match capture.agentmail_capture {
            Self::VERSION => Ok(capture),
            other => Err(Failure::input(format!("the version {other} of a capture is not known"))),
        }
    }

    pub(super) fn body(&self) -> Result<Vec<u8>, Failure> {
        let body = STANDARD.decode(&self.body_base64);
        body.map_err(|_| Failure::input("the body of the capture is not base64"))
    }
}
