use serde_json::Value;

use super::{curl, har, raw, request::ParsedRequest};
use crate::cli::{capture::Capture, failure::Failure};

/// Reads a request in any form, and says which form it is.
pub(super) fn read(
    content: &[u8],
    entry: Option<usize>,
) -> Result<(&'static str, ParsedRequest), Failure> {
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    if text.is_empty() {
        return Err(Failure::input("the input is empty"));
    }
    if text.starts_with(b"{") || text.starts_with(b"[") {
        return of_json(text, entry);
    }
    let command = text.strip_prefix(b"$ ").unwrap_or(text);
    if command.starts_with(b"curl ") || command.starts_with(b"curl\t") {
        return curl::read(command).map(|request| ("curl command", request));
    }
    raw::read(text).map(|request| ("HTTP request", request))
}

fn of_json(text: &[u8], entry: Option<usize>) -> Result<(&'static str, ParsedRequest), Failure> {
    let value: Value = serde_json::from_slice(text).map_err(|error| {
        Failure::input(format!("not JSON: line {}, column {}", error.line(), error.column()))
    })?;
    if value.get("agentmail_capture").is_some() {
        let capture = Capture::read(text)?;
        let headers = capture.headers.iter().map(|(name, value)| (name.clone(), bytes(value)));
        let request = ParsedRequest::new(headers.collect(), capture.body()?);
        let received_at = Some(capture.received_at);
        return Ok(("capture", ParsedRequest { received_at, ..request }));
    }
    har::read(&value, entry).map(|request| ("HAR entry", request))
}

/// Returns the bytes of a value, in which each byte is one character. Other characters stay UTF-8.
fn bytes(value: &str) -> Vec<u8> {
    let latin_1: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
    latin_1.unwrap_or_else(|| value.as_bytes().to_vec())
}
