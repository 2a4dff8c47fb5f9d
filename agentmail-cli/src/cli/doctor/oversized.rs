use std::{
    io::{Read, Write},
    time::Duration,
};

use agentmail_verify::UnixTime;

use crate::sender::{Connection, Protocol, SendError, Target, Trust};

/// Sends deliveries that declare a long body. All are forged.
///
/// A receiver checks the headers, then the time, then the declared length, then the signature. So
/// it responds with 413 to a long body only if both headers have arrived and the time is fresh,
/// and with 403 otherwise. This shows its clock without a secret.
pub(super) struct Oversized<'a> {
    pub(super) target: &'a Target,
    pub(super) trust: &'a Trust,
    pub(super) timeout: Duration,
}

/// What a receiver responds with to a long body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    TooLarge,
    Refused,
    /// It wants the body, and none was sent.
    Continue,
    Other(u16),
    /// The server has closed the connection, or is silent.
    None,
}

/// The headers of a delivery.
#[derive(Debug, Clone, Copy)]
pub(super) enum Headers {
    None,
    /// Seconds from now.
    SignedAt(i64),
}

impl Oversized<'_> {
    /// The default limit of a receiver, in bytes.
    pub(super) const LIMIT: usize = 256 * 1024;

    /// The longest body that is sent, in bytes.
    pub(super) const LONGEST: usize = 1 << 20;

    /// Declares this length. The body is sent if the server wants it and it is at most 1 MiB long.
    pub(super) fn send(&self, length: usize, headers: Headers) -> Result<Reply, SendError> {
        let mut connection =
            Connection::open(self.target, self.trust, &[Protocol::Http1], self.timeout)?;
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nexpect: 100-continue\r\nconnection: close\r\n",
            self.target.path(),
            self.target.authority(),
        );
        if let Headers::SignedAt(offset) = headers {
            let now = UnixTime::now().as_secs();
            let at = now.saturating_add_signed(offset);
            let forged = "0".repeat(64);
            head.push_str(&format!(
                "x-agentmail-timestamp: {at}\r\nx-agentmail-signature: v1={forged}\r\n"
            ));
        }
        head.push_str("\r\n");
        connection.write_all(head.as_bytes()).map_err(SendError::no_response)?;
        connection.flush().map_err(SendError::no_response)?;
        // A server that does not know the header `Expect` waits for the body.
        _ = connection.set_read_timeout(Duration::from_secs(1));
        match status(&mut connection) {
            Some(100) | None if length > Self::LONGEST => Ok(Reply::Continue),
            Some(100) | None => {
                _ = connection.set_read_timeout(self.timeout);
                // A server that has refused it may close the connection meanwhile.
                _ = connection.write_all(&vec![b' '; length]);
                _ = connection.flush();
                let status = status(&mut connection);
                Ok(status.map_or(Reply::None, Reply::of))
            }
            Some(status) => Ok(Reply::of(status)),
        }
    }
}

impl Reply {
    const fn of(status: u16) -> Self {
        match status {
            413 => Self::TooLarge,
            401 | 403 => Self::Refused,
            other => Self::Other(other),
        }
    }
}

/// Reads the status of the next response, and its headers.
fn status(connection: &mut Connection) -> Option<u16> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
        match connection.read(&mut byte) {
            Ok(1) => head.extend_from_slice(&byte),
            _ => break,
        }
    }
    let text = String::from_utf8_lossy(&head);
    text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok())
}
