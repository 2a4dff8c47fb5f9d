use mail_builder::MessageBuilder;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::Problem,
    inbound::Flags,
    time::{Time, unix_seconds},
};

/// A mail as JSON. The simulator makes a raw message of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InboundMail)]
pub(crate) struct InboundMail {
    /// The sender's address.
    #[schema(
        min_length = 3,
        max_length = 320,
        pattern = r"^[!-;=?A-~]+@[!-;=?A-~]+$",
        example = "user@example.com"
    )]
    pub(crate) from: String,
    /// The recipient's address. By default, one that has the agent's id.
    #[serde(default)]
    pub(crate) to: Option<String>,
    /// Without it, the mail has no subject.
    #[serde(default)]
    #[schema(max_length = 10000, example = "Quarterly planning notes")]
    pub(crate) subject: Option<String>,
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) html: Option<String>,
    /// Default: true.
    #[serde(default)]
    pub(crate) sender_verified: Option<bool>,
    /// Default: `verified` for a verified sender.
    #[serde(default)]
    pub(crate) peer_trust_tier: Option<String>,
    /// For the filter `traffic_types`.
    #[serde(default)]
    pub(crate) traffic_type: Option<String>,
    /// Default: false.
    #[serde(default)]
    pub(crate) rate_limited: Option<bool>,
    /// Default: false.
    #[serde(default)]
    pub(crate) is_duplicate: Option<bool>,
}

impl InboundMail {
    pub(crate) fn flags(&self) -> Flags {
        Flags::new(
            self.sender_verified,
            self.peer_trust_tier.clone(),
            self.traffic_type.clone(),
            self.rate_limited,
            self.is_duplicate,
        )
    }
}

/// In characters, as in the schema.
const MAX_SUBJECT: usize = 10_000;

/// Makes a raw message (RFC 5322).
pub(crate) fn compose(mail: InboundMail, agent_id: &str, at: Time) -> Result<Vec<u8>, Problem> {
    let to = mail.to.unwrap_or_else(|| format!("{agent_id}@agentmail.invalid"));
    check_address("from", &mail.from)?;
    check_address("to", &to)?;
    let mut message = MessageBuilder::new()
        .from(mail.from)
        .to(to)
        .date(i64::try_from(unix_seconds(at)).unwrap_or(i64::MAX));
    if let Some(subject) = mail.subject {
        if subject.chars().count() > MAX_SUBJECT {
            return Err(Problem::field("subject", "has more than 10,000 characters"));
        }
        if subject.chars().any(char::is_control) {
            return Err(Problem::field("subject", "has a control character"));
        }
        message = message.subject(subject);
    }
    if let Some(html) = mail.html {
        message = message.html_body(html);
    }
    message
        .text_body(mail.text.unwrap_or_default())
        .write_to_vec()
        .map_err(|error| Problem::internal(format!("the mail could not be written: {error}")))
}

/// Refuses what is not an address, or would change the header that it is written into.
fn check_address(field: &str, address: &str) -> Result<(), Problem> {
    if is_address(address) {
        Ok(())
    } else {
        Err(Problem::field(field, "is not a mail address, such as user@example.com"))
    }
}

/// Whether a text is an address of printable ASCII, with exactly one `@`, and without `<` and `>`.
pub(crate) fn is_address(text: &str) -> bool {
    let printable = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>');
    text.len() <= 320
        && text.bytes().all(printable)
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::parse;

    fn at() -> Time {
        "2026-04-16T12:00:00Z".parse().unwrap()
    }

    fn mail(from: &str, subject: Option<&str>) -> InboundMail {
        let subject = subject.map(str::to_owned);
        InboundMail { from: from.to_owned(), subject, ..InboundMail::default() }
    }

    #[test]
    fn a_composed_mail_has_its_sender_and_its_subject() {
        for subject in
            [None, Some("Hello"), Some("Séance 😀"), Some(&"long ".repeat(MAX_SUBJECT / 5) as &str)]
        {
            let raw = compose(mail("user@example.com", subject), "my-agent", at()).unwrap();

            let parsed = parse(&raw).unwrap();

            assert_eq!(parsed.sender.as_deref(), Some("user@example.com"));
            let read = parsed.subject.map(|subject| subject.to_string_lossy());
            assert_eq!(read.as_deref().map(str::trim_end), subject.map(str::trim_end));
            assert!(raw.windows(15).any(|window| window == b"Thu, 16 Apr 202"), "the date");
        }
    }

    #[test]
    fn a_text_cannot_add_a_header() {
        for (field, mail) in [
            ("from", mail("user@example.com\r\nX-Injected: 1", None)),
            ("from", mail("user", None)),
            ("from", mail("a@b>, <c@d", None)),
            ("subject", mail("user@example.com", Some("a\r\nX-Injected: 1"))),
            ("subject", mail("user@example.com", Some(&"é".repeat(MAX_SUBJECT + 1)))),
        ] {
            let refused = compose(mail, "my-agent", at()).unwrap_err();

            assert_eq!((refused.status, refused.field.as_deref()), (400, Some(field)));
        }
    }
}
