use std::time::Duration;

use agentmail_verify::{UnixTime, WebhookHeader};
use jiff::Timestamp;

use super::{captured::CapturedRequest, kind::Kind, search::Step, signatures::Signatures};

/// What is signed before the body.
#[derive(Debug, Clone)]
pub(super) struct SignedText {
    prefix: Vec<u8>,
    /// The timestamp in the prefix, if the prefix is a timestamp and a dot.
    dotted: Option<usize>,
    pub(super) steps: Vec<Step>,
}

impl SignedText {
    fn dotted(timestamp: &[u8], steps: Vec<Step>) -> Self {
        Self { prefix: [timestamp, b"."].concat(), dotted: Some(timestamp.len()), steps }
    }

    fn undotted(prefix: &[u8], steps: Vec<Step>) -> Self {
        Self { prefix: prefix.to_vec(), dotted: None, steps }
    }

    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    pub(super) fn timestamp(&self) -> Option<&[u8]> {
        self.prefix.get(..self.dotted?)
    }
}

/// The times of a request, and the texts that may have been signed with them.
#[derive(Debug)]
pub(super) struct SignedTexts {
    /// What the service signs: the header's value, then a dot.
    pub(super) as_received: Vec<SignedText>,
    /// What a program with a mistake signs.
    pub(super) mistaken: Vec<SignedText>,
    /// What is wrong with the form of the header.
    pub(super) form: Option<(Kind, &'static str)>,
    /// The time that the header means, if it can be read at all.
    pub(super) signed_at: Option<UnixTime>,
}

pub(super) const IN_SIGNATURE: &str =
    "the time is in the signature header, as `t=…`, instead of in `X-AgentMail-Timestamp`";
const MILLISECONDS: &str = "the timestamp is in milliseconds";
const FRACTION: &str = "the timestamp has a fraction of a second";
const DATE: &str = "the timestamp is a date instead of a number of seconds";
const MALFORMED: &str = "the timestamp is not a whole number of seconds";

impl SignedTexts {
    const MAX_VALUES: usize = 4;
    const MAX_LEN: usize = 64;

    pub(super) fn of(request: &CapturedRequest, signatures: &Signatures) -> Self {
        let values: Vec<_> = request.webhook_values(WebhookHeader::Timestamp).collect();
        let repeated = values.len() > 1 || values.iter().any(|value| value.contains(&b','));
        let mut texts =
            Self { as_received: Vec::new(), mistaken: Vec::new(), form: None, signed_at: None };
        for value in values.iter().take(Self::MAX_VALUES) {
            for item in value.split(|byte| *byte == b',').take(Self::MAX_VALUES) {
                texts.take(item.trim_ascii(), repeated.then(Self::repeated));
            }
        }
        if values.is_empty() {
            for time in signatures.times.iter().take(Self::MAX_VALUES) {
                texts.take(time, Some(Self::in_signature()));
            }
        }
        let body_only = Step::new(
            Kind::SignedWithoutTime,
            "the sender signed the body alone, without the timestamp and the dot",
        );
        texts.mistaken.push(SignedText::undotted(b"", vec![body_only]));
        texts
    }

    fn repeated() -> Step {
        Step::new(
            Kind::HeaderRepeated,
            "the header `X-AgentMail-Timestamp` has several values, and one of them was signed",
        )
    }

    fn in_signature() -> Step {
        Step::new(Kind::SignatureForm, IN_SIGNATURE)
    }

    fn take(&mut self, value: &[u8], step: Option<Step>) {
        if value.len() > Self::MAX_LEN {
            self.form = self.form.or(Some((Kind::TimestampForm, MALFORMED)));
            return;
        }
        let time = Time::read(value);
        self.form = self.form.or(time.form);
        self.signed_at = self.signed_at.or(time.secs.map(UnixTime::from_secs));
        let with = |more: Option<Step>| step.iter().cloned().chain(more).collect::<Vec<_>>();

        let form = time.form.map(|(kind, sentence)| Step::new(kind, sentence));
        self.as_received.push(SignedText::dotted(value, with(form.clone())));
        let no_dot = Step::new(
            Kind::SignedWithoutDot,
            "the sender signed the timestamp and the body, without the dot between them",
        );
        self.mistaken.push(SignedText::undotted(value, with(Some(no_dot))));
        let Some(secs) = time.secs else { return };
        if time.form.is_some() {
            self.mistaken.push(SignedText::dotted(secs.to_string().as_bytes(), with(form)));
            return;
        }
        for (signed, kind, sentence) in [
            (
                format!("{secs}000"),
                Kind::TimestampMilliseconds,
                "the sender signed the time in milliseconds, and sent it in seconds",
            ),
            (
                format!("{secs}.0"),
                Kind::TimestampForm,
                "the sender signed the time with a fraction, and sent it without one",
            ),
        ] {
            let step = Step::new(kind, sentence);
            self.mistaken.push(SignedText::dotted(signed.as_bytes(), with(Some(step))));
        }
        for signed in dates(secs) {
            let step = Step::new(
                Kind::TimestampForm,
                "the sender signed the time as a date, and sent it in seconds",
            );
            self.mistaken.push(SignedText::dotted(signed.as_bytes(), with(Some(step))));
        }
    }
}

/// A timestamp in any of the forms that programs send.
struct Time {
    secs: Option<u64>,
    form: Option<(Kind, &'static str)>,
}

impl Time {
    fn read(value: &[u8]) -> Self {
        let text = str::from_utf8(value).unwrap_or_default();
        let digits = |text: &str| {
            let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            all.then(|| text.parse::<u64>().ok()).flatten()
        };
        if let Some(number) = digits(text) {
            return match text.len() {
                13 => Self {
                    secs: Some(Duration::from_millis(number).as_secs()),
                    form: Some((Kind::TimestampMilliseconds, MILLISECONDS)),
                },
                _ if text.len() > 1 && text.starts_with('0') => {
                    Self { secs: Some(number), form: Some((Kind::TimestampForm, MALFORMED)) }
                }
                _ => Self { secs: Some(number), form: None },
            };
        }
        let whole = text.split_once('.').filter(|(_, fraction)| digits(fraction).is_some());
        if let Some(secs) = whole.and_then(|(whole, _)| digits(whole)) {
            return Self { secs: Some(secs), form: Some((Kind::TimestampForm, FRACTION)) };
        }
        let date = text.parse::<Timestamp>().ok().map(Timestamp::as_second);
        match date.and_then(|secs| u64::try_from(secs).ok()) {
            Some(secs) => Self { secs: Some(secs), form: Some((Kind::TimestampForm, DATE)) },
            None => Self { secs: None, form: Some((Kind::TimestampForm, MALFORMED)) },
        }
    }
}

/// The forms of a date that Python, JavaScript and Go write.
fn dates(secs: u64) -> Vec<String> {
    let time = i64::try_from(secs).ok().and_then(|secs| Timestamp::from_second(secs).ok());
    let Some(time) = time else { return Vec::new() };
    let date = time.to_string();
    let bare = date.trim_end_matches('Z');
    vec![date.clone(), format!("{bare}+00:00"), format!("{bare}.000Z"), bare.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_time_in_each_form() {
        for (value, secs, form) in [
            ("1700000000", Some(1_700_000_000), None),
            ("1700000000123", Some(1_700_000_000), Some(MILLISECONDS)),
            ("1700000000.123", Some(1_700_000_000), Some(FRACTION)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000), Some(DATE)),
            ("2023-11-14T23:13:20+01:00", Some(1_700_000_000), Some(DATE)),
            ("01700000000", Some(1_700_000_000), Some(MALFORMED)),
            ("now", None, Some(MALFORMED)),
            ("", None, Some(MALFORMED)),
            ("-1", None, Some(MALFORMED)),
            ("99999999999999999999999", None, Some(MALFORMED)),
        ] {
            let time = Time::read(value.as_bytes());
            assert_eq!((time.secs, time.form.map(|(_, form)| form)), (secs, form), "{value:?}");
        }
    }

    #[test]
    fn writes_the_dates_that_languages_write() {
        assert_eq!(
            dates(1_700_000_000),
            [
                "2023-11-14T22:13:20Z",
                "2023-11-14T22:13:20+00:00",
                "2023-11-14T22:13:20.000Z",
                "2023-11-14T22:13:20"
            ]
        );
        assert!(dates(u64::MAX).is_empty());
    }
}
