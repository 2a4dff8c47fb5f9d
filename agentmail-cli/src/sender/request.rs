use std::time::Duration;

use agentmail_verify::{Secret, Signer, UnixTime};

use super::fault::Fault;

/// A delivery that is ready to be sent: its headers, and its body.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    const HOUR: Duration = Duration::from_secs(3_600);
    /// More than the limit of a receiver with the default settings, 256 KiB.
    const OVERSIZED: usize = 256 * 1024 + 1;

    /// Signs a body at this time, with a fault if there is one.
    pub(crate) fn signed(
        signer: Option<&Signer>,
        body: &[u8],
        fault: Option<Fault>,
        now: UnixTime,
    ) -> Self {
        let mut body = body.to_vec();
        if fault == Some(Fault::Oversized) {
            body.resize(body.len().max(Self::OVERSIZED), b' ');
        }
        let at = match fault {
            Some(Fault::Stale) => now.saturating_sub(Self::HOUR),
            Some(Fault::Future) => now.saturating_add(Self::HOUR),
            _ => now,
        };
        let content_type = ("content-type".to_owned(), "application/json".to_owned());
        let mut headers = vec![content_type];
        let forger = forger();
        let signer = match fault {
            Some(Fault::Unsigned) => None,
            Some(Fault::Forged) => Some(&forger),
            _ => signer,
        };
        match signer {
            Some(signer) => {
                let signed = signer.sign(at, &body);
                let of_signer = signed.headers().map(|(name, value)| (name.into(), value.into()));
                headers.extend(of_signer);
                if fault == Some(Fault::Duplicate) {
                    let second = forger.sign(at, &body);
                    headers.push((signed.headers()[1].0.into(), second.signature().into()));
                }
            }
            None => headers.push(("x-agentmail-unsigned".into(), "1".into())),
        }
        match fault {
            Some(Fault::Tampered) => body.push(b' '),
            Some(Fault::Recoded) => body = recoded(&body),
            _ => {}
        }
        Self { headers, body }
    }
}

fn forger() -> Signer {
    let secret = Secret::new("not the secret of the service");
    Signer::new(secret.expect("the text is not empty, and has no whitespace around it"))
}

/// Adds a space after each comma and colon outside of strings, as a body parser would.
fn recoded(body: &[u8]) -> Vec<u8> {
    let (mut written, mut in_string, mut escaped) = (Vec::with_capacity(body.len()), false, false);
    for byte in body {
        match byte {
            b'"' if !escaped => in_string = !in_string,
            b' ' | b'\n' if !in_string => continue,
            _ => {}
        }
        escaped = *byte == b'\\' && !escaped;
        written.push(*byte);
        if !in_string && matches!(byte, b',' | b':') {
            written.push(b' ');
        }
    }
    if written == body { [body, b"\n"].concat() } else { written }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_json_again_changes_bytes_and_no_text() {
        for (body, written) in [
            (r#"{"a":"b, c:\"","d":[1,2]}"#, r#"{"a": "b, c:\"", "d": [1, 2]}"#),
            (r#"{"a": 1}"#, "{\"a\": 1}\n"),
            ("{\n  \"a\": 1\n}", r#"{"a": 1}"#),
        ] {
            assert_eq!(recoded(body.as_bytes()), written.as_bytes(), "{body}");
        }
    }
}
