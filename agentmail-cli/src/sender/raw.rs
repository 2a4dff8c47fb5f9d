//! Deliveries that no HTTP client sends.

use std::{
    io::{Read, Write},
    time::Duration,
};

use super::{
    connection::{Connection, Protocol},
    error::SendError,
    request::Request,
    sender::{Response, Trust},
    target::Target,
};

/// Declares the whole body, and sends half of it.
pub(super) fn send_half(
    target: &Target,
    trust: &Trust,
    request: &Request,
    timeout: Duration,
    and_end: bool,
) -> Result<Response, SendError> {
    let mut connection = Connection::open(target, trust, &[Protocol::Http1], timeout)?;
    let mut head = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\nconnection: close\r\n",
        target.path(),
        target.authority(),
        request.body.len()
    );
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let half = request.body.get(..request.body.len() / 2).unwrap_or_default();
    connection.write_all(head.as_bytes()).map_err(SendError::no_response)?;
    connection.write_all(half).map_err(SendError::no_response)?;
    connection.flush().map_err(SendError::no_response)?;
    if and_end {
        connection.end().map_err(SendError::no_response)?;
    }
    read(connection)
}

/// Reads a response until the server closes the connection.
fn read(connection: Connection) -> Result<Response, SendError> {
    let mut response = Vec::new();
    // A server may reset the connection after its response.
    _ = connection.take(64 * 1024).read_to_end(&mut response);
    let text = String::from_utf8_lossy(&response);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let status = status.ok_or_else(|| {
        SendError::no_response("the receiver closed the connection without a response")
    })?;
    Ok(Response::new(status, Vec::new(), body.to_owned()))
}
