use std::ffi::OsString;

use super::failure::Failure;

const REASON: &str = "a secret was given as an argument, which other users of this machine can \
                      read; set WEBHOOK_SIGNING_SECRET, or use --secret-file FILE or \
                      --secret-stdin";
const PASSWORD: &str = "a URL with a password was given as an argument, which other users of this \
                        machine can read; set it in an environment variable";

/// Refuses secrets and passwords in arguments. The error does not repeat them.
pub(super) fn check(arguments: &[OsString]) -> Result<(), Failure> {
    for argument in arguments.iter().skip(1) {
        let text = argument.to_string_lossy();
        if is_secret_option(&text) || text.contains("whsec_") {
            return Err(Failure::usage(REASON));
        }
        if has_password(&text) {
            return Err(Failure::usage(PASSWORD));
        }
    }
    Ok(())
}

fn is_secret_option(text: &str) -> bool {
    let Some(option) = text.strip_prefix("--") else { return false };
    let name = option.split('=').next().unwrap_or_default().to_ascii_lowercase();
    let others = ["secret-file", "secret-stdin", "other-secret-file"];
    (name.contains("secret") && !others.contains(&&*name))
        || ["password", "key", "token", "hmac"].contains(&&*name)
}

/// Finds `scheme://user:password@host`.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_secret_in_any_place_and_does_not_repeat_it() {
        for argument in [
            "--secret",
            "--secret=hush",
            "--signing-secret=hush",
            "--SECRET",
            "--password=hush",
            "whsec_hush",
            "subject=whsec_hush",
            "postgres://user:hush@localhost/inbox",
        ] {
            let arguments = ["agentmail-webhook", "send", argument].map(OsString::from);

            let failure = check(&arguments).unwrap_err();
            assert!(!failure.to_string().contains("hush"), "{argument}: {failure}");
        }
        for argument in [
            "--secret-file=secret.txt",
            "--secret-stdin",
            "--other-secret-file",
            "http://localhost:8080/agentmail/webhook",
            "postgres://user@localhost/inbox",
            "subject=the secret of my success",
        ] {
            assert!(check(&["a", argument].map(OsString::from)).is_ok(), "{argument}");
        }
    }
}
