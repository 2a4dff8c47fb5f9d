//! A sender that uses raw sockets.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

use agentmail_verify::{Clock, Secret, Signer, SystemClock};

pub(crate) const SECRET: &str = "whsec_test_secret";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
}

impl Response {
    pub(crate) const OK: Self = Self { status: 200, retry_after: None };

    pub(crate) fn later() -> Self {
        Self { status: 503, retry_after: Some("5".into()) }
    }
}

pub(crate) fn mail(message: &str) -> String {
    mail_of("my-agent", message)
}

pub(crate) fn mail_of(agent: &str, message: &str) -> String {
    format!(r#"{{"type":"mail.received","agent_id":"{agent}","message_id":"{message}"}}"#)
}

/// Signs a delivery, and sends it on a new connection.
pub(crate) fn send(to: SocketAddr, body: &str) -> Response {
    deliver(to, SECRET, body).unwrap()
}

pub(crate) fn deliver(to: SocketAddr, secret: &str, body: &str) -> io::Result<Response> {
    let mut connection = begin(to, secret, body);
    read(&mut connection)
}

/// Sends a delivery on a new connection, and does not read the response.
pub(crate) fn begin(to: SocketAddr, secret: &str, body: &str) -> TcpStream {
    let mut connection = TcpStream::connect(to).unwrap();
    connection.write_all(&request(secret, body)).unwrap();
    connection
}

pub(crate) fn request(secret: &str, body: &str) -> Vec<u8> {
    let signer = Signer::new(Secret::new(secret).unwrap());
    let signed = signer.sign(SystemClock.now(), body.as_bytes());
    let mut request = String::from("POST /webhook HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in signed.headers() {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    request.into_bytes()
}

/// Reads the head of a response. Its body is empty.
pub(crate) fn read(connection: &mut TcpStream) -> io::Result<Response> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let retry_after = lines.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    Ok(Response { status, retry_after: retry_after.map(|(_, seconds)| seconds.to_owned()) })
}
