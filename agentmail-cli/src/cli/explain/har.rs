use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::Value;

use super::request::ParsedRequest;
use crate::cli::failure::Failure;

/// Reads an entry of a HAR log, or one entry alone.
pub(super) fn read(value: &Value, entry: Option<usize>) -> Result<ParsedRequest, Failure> {
    let of_log = value.pointer("/log/entries").or(value.get("entries")).unwrap_or(value);
    let entries = match of_log {
        Value::Array(entries) => entries.iter().collect(),
        one => vec![one],
    };
    let entries: Vec<_> = entries.into_iter().filter(|entry| request(entry).is_some()).collect();
    let webhooks = || entries.iter().filter(|entry| is_webhook(entry));
    let chosen = match entry {
        Some(number) => number.checked_sub(1).and_then(|at| entries.get(at)),
        None => webhooks().next().or(entries.first()),
    };
    let chosen = chosen.ok_or_else(|| match entry {
        Some(number) => Failure::input(format!("the log has no entry {number}")),
        None => Failure::input("the JSON is neither a HAR log nor a capture of `listen`"),
    })?;
    let parsed = of_entry(chosen)?;
    let count = webhooks().count();
    Ok(match entry {
        None if count > 1 => parsed.with_note(format!(
            "the log has {count} requests with webhook headers: this is the first; see --entry"
        )),
        _ => parsed,
    })
}

/// Returns the request of an entry. Some tools save the request alone.
fn request(entry: &Value) -> Option<&Value> {
    entry.get("request").or(Some(entry)).filter(|request| request.get("headers").is_some())
}

fn headers(entry: &Value) -> impl Iterator<Item = (&str, &str)> {
    let list = request(entry).and_then(|request| request.get("headers")?.as_array());
    list.into_iter()
        .flatten()
        .filter_map(|header| Some((header.get("name")?.as_str()?, header.get("value")?.as_str()?)))
}

fn is_webhook(entry: &Value) -> bool {
    headers(entry).any(|(name, _)| name.to_ascii_lowercase().contains("agentmail"))
}

fn of_entry(entry: &Value) -> Result<ParsedRequest, Failure> {
    let post = request(entry).and_then(|request| request.get("postData"));
    let text = post.and_then(|post| post.get("text")?.as_str()).unwrap_or_default();
    let is_base64 = post.and_then(|post| post.get("encoding")?.as_str()) == Some("base64");
    let body = match is_base64 {
        true => STANDARD
            .decode(text)
            .map_err(|_| Failure::input("the body of the entry is not base64"))?,
        false => text.as_bytes().to_vec(),
    };
    let headers = headers(entry).map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let mut parsed = ParsedRequest::new(headers.collect(), body);
    let started = entry.get("startedDateTime").and_then(Value::as_str);
    let started = started.and_then(|time| time.parse::<Timestamp>().ok());
    parsed.received_at = started.and_then(|time| u64::try_from(time.as_second()).ok());
    Ok(match is_base64 {
        true => parsed,
        false => parsed.with_note(
            "a HAR log contains the body as text: if it was not UTF-8, these are not its bytes",
        ),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(name: &str, text: &str) -> Value {
        json!({
            "startedDateTime": "2023-11-14T22:13:20.123Z",
            "request": {
                "method": "POST",
                "headers": [{"name": name, "value": "1"}],
                "postData": {"mimeType": "application/json", "text": text},
            },
        })
    }

    #[test]
    fn reads_a_log_a_list_and_an_entry_alone() {
        let first = entry("Accept", "first");
        let webhook = entry("X-AgentMail-Timestamp", "second");
        let log = json!({"log": {"entries": [first, webhook, webhook]}});

        for (value, number, body) in [
            (&log, None, "second"),
            (&log, Some(1), "first"),
            (&json!([first, webhook]), None, "second"),
            (&first, None, "first"),
            (&webhook["request"], None, "second"),
        ] {
            let request = read(value, number).unwrap();
            assert_eq!(request.body, body.as_bytes(), "{value}");
        }
        assert_eq!(read(&webhook, None).unwrap().received_at, Some(1_700_000_000));
        assert!(read(&log, None).unwrap().notes.iter().any(|note| note.contains("--entry")));
        assert!(read(&log, Some(4)).is_err());
        assert!(read(&json!({"a": 1}), None).is_err());
    }

    #[test]
    fn decodes_a_body_in_base64() {
        let mut entry = entry("A", "/w==");
        entry["request"]["postData"]["encoding"] = "base64".into();

        assert_eq!(read(&entry, None).unwrap().body, [0xff]);
    }
}
