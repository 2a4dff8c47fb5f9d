use std::fmt;

use agentmail_axum::MailReceived;
use object_store::path::Path;

/// The longest key that is accepted, in bytes.
const LONGEST: usize = 512;

/// Why the key in an event is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyError {
    /// The event has no `s3_key`, or no `s3_bucket`.
    Missing,
    /// `s3_bucket` is another bucket.
    OtherBucket,
    /// `s3_key` is not the key of a mail of this agent.
    OtherKey,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the event has no bucket, or no key",
            Self::OtherBucket => "the event names another bucket",
            Self::OtherKey => "the key is not that of a mail of this agent",
        })
    }
}

/// Returns the key of a mail, if it can only be a mail of the event's agent.
///
/// The bucket is never the one that the event names: it must be *ours*. The key must be
/// `inbound/AGENT/NAME.eml`, where each part has only letters, digits, `-`, `_` and `.`, and does
/// not begin with a dot. A key therefore cannot lead to another folder, and nothing in it has a
/// meaning for a shell or a log.
pub(crate) fn key_of(mail: &MailReceived, bucket: &str) -> Result<Path, KeyError> {
    let named = mail.s3_bucket.as_deref().ok_or(KeyError::Missing)?;
    let key = mail.s3_key.as_deref().ok_or(KeyError::Missing)?;
    if named != bucket {
        return Err(KeyError::OtherBucket);
    }
    let parts: Vec<&str> = key.split('/').collect();
    let [folder, agent_id, name] = parts[..] else { return Err(KeyError::OtherKey) };
    let is_plain = key.len() <= LONGEST && parts.iter().all(|part| is_plain(part));
    if folder != "inbound" || agent_id != mail.agent_id || !name.ends_with(".eml") || !is_plain {
        return Err(KeyError::OtherKey);
    }
    Path::parse(key).map_err(|_| KeyError::OtherKey)
}

fn is_plain(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(bucket: Option<&str>, key: Option<&str>) -> MailReceived {
        let mut mail = MailReceived::new("my-agent", "msg-abc123");
        mail.s3_bucket = bucket.map(str::to_owned);
        mail.s3_key = key.map(str::to_owned);
        mail
    }

    #[test]
    fn only_the_key_of_a_mail_of_the_agent_is_used() {
        let ours = Some("my-bucket");
        for (name, bucket, key, expected) in [
            ("as in the guide", ours, Some("inbound/my-agent/msg-abc123.eml"), None),
            ("no key", ours, None, Some(KeyError::Missing)),
            ("no bucket", None, Some("inbound/my-agent/a.eml"), Some(KeyError::Missing)),
            (
                "another bucket",
                Some("their-bucket"),
                Some("inbound/my-agent/a.eml"),
                Some(KeyError::OtherBucket),
            ),
            ("another agent", ours, Some("inbound/other/a.eml"), Some(KeyError::OtherKey)),
            ("another folder", ours, Some("secrets/my-agent/a.eml"), Some(KeyError::OtherKey)),
            ("not a mail", ours, Some("inbound/my-agent/a.pem"), Some(KeyError::OtherKey)),
            ("up", ours, Some("inbound/my-agent/../other/a.eml"), Some(KeyError::OtherKey)),
            ("up, as the name", ours, Some("inbound/my-agent/..eml"), Some(KeyError::OtherKey)),
            ("from the root", ours, Some("/inbound/my-agent/a.eml"), Some(KeyError::OtherKey)),
            ("an escape", ours, Some("inbound/my-agent/%2e%2e%2fa.eml"), Some(KeyError::OtherKey)),
            ("a NUL", ours, Some("inbound/my-agent/a\0.eml"), Some(KeyError::OtherKey)),
            ("a line feed", ours, Some("inbound/my-agent/a\n.eml"), Some(KeyError::OtherKey)),
            ("a backslash", ours, Some("inbound\\my-agent\\a.eml"), Some(KeyError::OtherKey)),
            ("an empty part", ours, Some("inbound/my-agent//a.eml"), Some(KeyError::OtherKey)),
            (
                "too long",
                ours,
                Some(&format!("inbound/my-agent/{}.eml", "a".repeat(512))),
                Some(KeyError::OtherKey),
            ),
        ] {
            assert_eq!(key_of(&mail(bucket, key), "my-bucket").err(), expected, "{name}");
        }
    }

    #[test]
    fn an_agents_id_from_an_event_cannot_widen_the_key() {
        let mut event = mail(Some("my-bucket"), Some("inbound/../secrets.eml"));
        event.agent_id = "..".to_owned();

        assert_eq!(key_of(&event, "my-bucket"), Err(KeyError::OtherKey));
    }
}
