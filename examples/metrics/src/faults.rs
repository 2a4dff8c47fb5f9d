//! A fault that an operator turns on and off, to see the alerts fire.

use std::{env, io, path::PathBuf, time::Duration};

use agentmail_inbox::BoxError;
use tokio::{fs, time};

/// Reads the fault from the file that the variable `FAULT` names. While the file contains `hold`,
/// the work waits. While it contains `fail`, the work fails.
#[derive(Debug, Clone)]
pub struct Fault(Option<PathBuf>);

impl Fault {
    /// Reads the name of the file.
    #[must_use]
    pub fn from_env() -> Self {
        Self(env::var_os("FAULT").map(PathBuf::from))
    }

    /// Waits or fails as the file says.
    ///
    /// # Errors
    ///
    /// The file contains `fail`, or cannot be read.
    pub async fn inject(&self) -> Result<(), BoxError> {
        let Some(file) = &self.0 else { return Ok(()) };
        loop {
            let fault = match fs::read_to_string(file).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                fault => fault?,
            };
            match fault.trim() {
                "hold" => time::sleep(Duration::from_millis(20)).await,
                "fail" => return Err("the file of FAULT asks for it".into()),
                _ => return Ok(()),
            }
        }
    }
}
