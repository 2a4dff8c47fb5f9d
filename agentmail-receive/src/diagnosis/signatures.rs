use agentmail_verify::WebhookHeader;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{captured::CapturedRequest, kind::Kind, search::Step};

/// The MACs in the signature header, however they are written.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    pub(super) macs: Vec<[u8; 32]>,
    /// What is wrong with the form of each.
    pub(super) steps: Vec<Vec<Step>>,
    /// The times in the signature header, as in `t=1700000000,v1=…`.
    pub(super) times: Vec<Vec<u8>>,
    /// The form of the first value that is not `v1=` and hex.
    pub(super) form: Option<&'static str>,
    pub(super) values: usize,
}

impl Signatures {
    const MAX_VALUES: usize = 4;
    const MAX_ITEMS: usize = 8;

    pub(super) fn of(request: &CapturedRequest) -> Self {
        let mut found = Self::default();
        let values: Vec<_> = request.webhook_values(WebhookHeader::Signature).collect();
        found.values = values.len();
        for value in values.iter().take(Self::MAX_VALUES) {
            let separators = |byte: &u8| matches!(byte, b',' | b';' | b' ' | b'\t');
            let items = value.split(separators).map(<[u8]>::trim_ascii);
            for item in items.filter(|item| !item.is_empty()).take(Self::MAX_ITEMS) {
                found.take(item);
            }
        }
        found
    }

    pub(super) fn is_sha256(&self) -> bool {
        self.form == Some(SHA256)
    }

    pub(super) fn is_bare_hex(&self) -> bool {
        self.form == Some(BARE_HEX)
    }

    fn take(&mut self, item: &[u8]) {
        if let Some(time) = item.strip_prefix(b"t=") {
            return self.times.push(time.to_vec());
        }
        let Some((mac, form)) = read(item) else { return };
        let mut steps = Vec::new();
        if let Some(form) = form {
            self.form = self.form.or(Some(form));
            steps.push(Step::new(Kind::SignatureForm, form));
        }
        if self.values > 1 {
            steps.push(Step::new(
                Kind::HeaderRepeated,
                "the header `X-AgentMail-Signature` has more than one value, and one of them is \
                 the genuine signature",
            ));
        }
        self.macs.push(mac);
        self.steps.push(steps);
    }
}

const SHA256: &str = "the signature begins with `sha256=` instead of `v1=`";
const BARE_HEX: &str = "the signature is bare hex, without `v1=`";
const OTHER_SCHEME: &str = "the signature has another prefix than `v1=`";
const BASE64: &str = "the signature is base64 instead of hex";
const QUOTED: &str = "the signature is in quotes";

/// Returns the MAC in an item, and what is wrong with its form.
fn read(item: &[u8]) -> Option<([u8; 32], Option<&'static str>)> {
    let unquoted = item.strip_prefix(b"\"").and_then(|item| item.strip_suffix(b"\""));
    if let Some((mac, form)) = unquoted.and_then(read) {
        return Some((mac, form.or(Some(QUOTED))));
    }
    if let Some(mac) = hex(item) {
        return Some((mac, Some(BARE_HEX)));
    }
    let equals = item.iter().position(|byte| *byte == b'=')?;
    let (scheme, value) = item.split_at_checked(equals)?;
    let value = value.strip_prefix(b"=")?;
    if let Some(mac) = hex(value) {
        let form = match scheme {
            b"v1" => None,
            b"sha256" => Some(SHA256),
            _ => Some(OTHER_SCHEME),
        };
        return Some((mac, form));
    }
    let mac = base64(value).or_else(|| base64(item))?;
    Some((mac, Some(BASE64)))
}

fn hex(text: &[u8]) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.try_into().ok()?;
    const_hex::decode_to_array(digits).ok()
}

fn base64(text: &[u8]) -> Option<[u8; 32]> {
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let standard: Vec<u8> = text
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    STANDARD_NO_PAD.decode(standard).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_mac_in_each_form() {
        let hex = "6389".repeat(16);
        let mac = super::hex(hex.as_bytes()).unwrap();
        let base64 = STANDARD_NO_PAD.encode(mac);
        for (item, form) in [
            (format!("v1={hex}"), None),
            (format!("v1={}", hex.to_uppercase()), None),
            (hex.clone(), Some(BARE_HEX)),
            (format!("sha256={hex}"), Some(SHA256)),
            (format!("hmac={hex}"), Some(OTHER_SCHEME)),
            (base64.clone(), None),
            (format!("{base64}="), Some(BASE64)),
            (format!("v1={base64}="), Some(BASE64)),
            (format!("\"v1={hex}\""), Some(QUOTED)),
        ] {
            if item == base64 {
                // Without padding, any text of 43 letters would be a MAC.
                assert_eq!(read(item.as_bytes()), None, "{item}");
                continue;
            }
            assert_eq!(read(item.as_bytes()), Some((mac, form)), "{item}");
        }
        for item in ["", "=", "v1=", "v1=00", "\"", "\"\"", &hex[1..], &format!("+{}", &hex[1..])] {
            assert_eq!(read(item.as_bytes()), None, "{item}");
        }
    }
}
