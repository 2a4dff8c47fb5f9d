use std::path::Path;

use agentmail_receive::SecretText;

use super::check::Report;
use crate::cli::{failure::Failure, secret_args::SecretArgs};

/// Checks the text of the secret, without showing it.
pub(super) fn check(arguments: &SecretArgs, report: &mut Report<'_>) -> Result<(), Failure> {
    let text = match arguments.text() {
        Ok(Some(text)) => text,
        Ok(None) => {
            report.fault("secret", "WEBHOOK_SIGNING_SECRET is not set, and no file is given");
            return Ok(());
        }
        Err(failure) => {
            report.fault("secret", failure.to_string());
            return Ok(());
        }
    };
    match text.secret() {
        Ok(_) => report.ok("secret", format!("it can be a secret: {} bytes", text.len())),
        Err(error) => report.fault("secret", error.to_string()),
    }
    of_text(&text, report);
    if let Some(path) = &arguments.secret_file {
        of_file(path, report);
    }
    Ok(())
}

fn of_text(text: &SecretText, report: &mut Report<'_>) {
    for doubt in text.doubts() {
        report.fault("secret", doubt);
    }
    if (1..16).contains(&text.len()) {
        report.note("secret", "it is shorter than 16 bytes: services show longer ones");
    }
}

#[cfg(unix)]
fn of_file(path: &Path, report: &mut Report<'_>) {
    use std::os::unix::fs::PermissionsExt;

    let Ok(metadata) = path.metadata() else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        report.ok("file", format!("only its owner can read it (mode {mode:o})"));
    } else {
        report.note("file", format!("other users can read it (mode {mode:o}): `chmod 600` it"));
    }
}

#[cfg(not(unix))]
fn of_file(_: &Path, _: &mut Report<'_>) {}
