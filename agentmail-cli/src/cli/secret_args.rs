use std::{io, path::PathBuf};

use agentmail_receive::SecretText;
use agentmail_verify::{Label, Secret};
use clap::Args;

use super::failure::Failure;

/// The variable with the secret.
pub(super) const VARIABLE: &str = "WEBHOOK_SIGNING_SECRET";

/// Where the signing secret is read from. It is never an argument.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(super) struct SecretArgs {
    /// Read the signing secret from this file instead of the environment variable
    #[arg(long, value_name = "FILE", help_heading = "Secret")]
    pub(super) secret_file: Option<PathBuf>,

    /// Read the signing secret from the standard input
    #[arg(long, help_heading = "Secret")]
    pub(super) secret_stdin: bool,
}

impl SecretArgs {
    /// Returns the text of the secret, if one is given.
    pub(super) fn text(&self) -> Result<Option<SecretText>, Failure> {
        if let Some(path) = &self.secret_file {
            return Ok(Some(SecretText::from_file(path)?));
        }
        if self.secret_stdin {
            return Ok(Some(SecretText::read(io::stdin(), "the standard input")?));
        }
        match SecretText::from_env(VARIABLE) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the secret.
    pub(super) fn secret(&self) -> Result<Option<Secret>, Failure> {
        let text = self.text()?;
        text.map(|text| text.secret().map_err(Failure::secret)).transpose()
    }

    pub(super) fn required(&self) -> Result<Secret, Failure> {
        self.secret()?.ok_or_else(|| {
            let options = "or use --secret-file FILE or --secret-stdin";
            Failure::usage(format!("there is no secret: set {VARIABLE}, {options}"))
        })
    }
}

/// A secret that the receiver does not accept, as `LABEL=FILE`.
#[derive(Debug, Clone)]
pub(super) struct OtherSecret {
    label: Label,
    path: PathBuf,
}

impl OtherSecret {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (label, path) = text.split_once('=').ok_or("expected LABEL=FILE")?;
        let label = Label::new(label).map_err(|error| error.to_string())?;
        Ok(Self { label, path: path.into() })
    }

    pub(super) fn text(&self) -> Result<SecretText, Failure> {
        Ok(SecretText::from_file(&self.path)?.with_label(self.label))
    }
}
