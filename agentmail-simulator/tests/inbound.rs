//! Odd mail, and the limits on what may come in.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use agentmail_simulator::Simulator;
use serde_json::{Value, json};
use support::{Reply, send, simulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn post(simulator: &Simulator, media_type: Option<&str>, body: &[u8]) -> Reply {
    let mut headers = vec![("authorization", "Bearer token".to_owned())];
    headers.extend(media_type.map(|it| ("content-type", it.to_owned())));
    send(simulator, "POST", "/inbound", &headers, body.to_vec()).await
}

/// What Python's `email` and `json` make of a mail: the text of a JSON object with two fields.
const PYTHON: &str = r#"
import email, email.policy, json, sys
from email.header import decode_header, make_header
raw = sys.stdin.buffer.read()
mail = email.message_from_bytes(raw, policy=email.policy.default)
try:
    subject = mail["Subject"]
except UnicodeEncodeError:
    subject = str(make_header(decode_header(email.message_from_bytes(raw)["Subject"])))
sender = mail["From"].addresses[0].addr_spec if mail["From"] else None
print(json.dumps({"sender": sender, "subject": subject}))
"#;

fn python(raw: &[u8]) -> String {
    let mut python = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(raw).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn odd_mail_gives_the_payload_that_python_writes() {
    let simulator = simulator().await;
    for (name, raw) in [
        ("plain", &b"From: A User <user@example.com>\r\nSubject: Hello\r\n\r\nHi\r\n"[..]),
        ("no subject", b"From: user@example.com\r\n\r\nHi"),
        ("no sender", b"Subject: Hello\r\n\r\nHi"),
        ("an empty subject", b"From: a@example.com\r\nSubject:\r\n\r\n"),
        (
            "encoded words",
            b"From: a@example.com\r\n\
              Subject: =?utf-8?B?w6nigqw=?= =?iso-8859-1?Q?=E9_x?= y\r\n\r\n",
        ),
        ("a folded subject", b"From: a@example.com\r\nSubject: one\r\n two\r\n\tthree\r\n\r\n"),
        ("raw UTF-8", b"From: a@example.com\r\nSubject: caf\xc3\xa9\r\n\r\n"),
        ("raw 8-bit", b"From: a@example.com\r\nSubject: caf\xe9 \xff\r\n\r\n"),
        ("a lone surrogate", b"From: a@example.com\r\nSubject: =?utf-7?Q?+2D0-_x?=\r\n\r\n"),
        ("an unknown charset", b"From: a@example.com\r\nSubject: =?nonsense?Q?abc?= d\r\n\r\n"),
        ("an emoji", b"From: a@example.com\r\nSubject: =?UTF-8?q?=F0=9F=98=80?=\r\n\r\n"),
        ("quotation marks", b"From: a@example.com\r\nSubject: \"a\" \\ /\r\n\r\n"),
        ("a control character", b"From: a@example.com\r\nSubject: a\x01b\x7f\r\n\r\n"),
    ] {
        let reply = post(&simulator, Some("message/rfc822"), raw).await;

        assert_eq!(reply.status, 202, "{name}: {reply:?}");
        let payload = reply.json()["payload"].as_str().unwrap().to_owned();
        let expected = python(raw);
        let fields = expected.trim_start_matches('{').trim_end_matches('}');
        assert!(payload.contains(fields), "{name}: {payload} has not {fields}");
    }
}

#[tokio::test]
async fn a_mail_of_10_megabytes_is_kept_as_it_came() {
    let simulator = simulator().await;
    let mut raw = b"From: user@example.com\r\nSubject: large\r\n\r\n".to_vec();
    while raw.len() < 10 << 20 {
        raw.extend_from_slice(&[b'x'; 76]);
        raw.extend_from_slice(b"\r\n");
    }

    let reply = post(&simulator, Some("application/x-www-form-urlencoded"), &raw).await;

    let message = reply.json();
    assert_eq!((reply.status, message["size"].clone()), (202, json!(raw.len())));
    let path = format!("/messages/{}/raw", message["message_id"].as_str().unwrap());
    let headers = [("authorization", "Bearer token".to_owned())];
    let read = send(&simulator, "GET", &path, &headers, Vec::new()).await;
    assert!(read.body.as_bytes() == raw, "the raw message is not the same");
    assert_eq!(read.headers["content-type"], "message/rfc822");
    assert_eq!(read.headers["content-disposition"], "attachment");
    assert_eq!(read.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn a_body_that_is_no_mail_is_refused() {
    let simulator = simulator().await;
    let mail = b"From: a@example.com\r\n\r\n";
    for (name, media_type, body, status) in [
        ("empty", Some("message/rfc822"), &b""[..], 400),
        ("no header", Some("message/rfc822"), b"no header", 400),
        ("no media type", None, mail, 202),
        ("plain text", Some("text/plain; charset=utf-8"), mail, 202),
        ("bytes", Some("application/octet-stream"), mail, 202),
        ("a picture", Some("image/png"), mail, 415),
        ("a form", Some("multipart/form-data; boundary=a"), mail, 415),
        ("JSON", Some("application/json"), br#"{"from": "a@example.com"}"#, 202),
        ("JSON as text", Some("text/plain"), br#"{"from": "a@example.com"}"#, 400),
        ("half of JSON", Some("application/json"), br#"{"from": "#, 400),
        ("two values", Some("application/json"), br#"{"from": "a@example.com"} {}"#, 400),
    ] {
        let reply = post(&simulator, media_type, body).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
    }
}

#[tokio::test]
async fn flags_of_a_raw_mail_are_in_the_query() {
    let simulator = simulator().await;
    let headers = [("authorization", "Bearer token".to_owned())];
    let path = "/inbound?sender_verified=false&traffic_type=agent&rate_limited=true";
    let raw = b"From: a@example.com\r\n\r\n".to_vec();

    let message = send(&simulator, "POST", path, &headers, raw).await.json();

    let payload: Value = serde_json::from_str(message["payload"].as_str().unwrap()).unwrap();
    assert_eq!(payload["sender_verified"], false);
    assert_eq!(
        (&payload["peer_trust_tier"], &payload["rate_limited"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(message["traffic_type"], "agent");
}

/// Sends the start of a request, and then `x` until the simulator has responded. Returns the
/// response, and how many bytes followed the start.
async fn flood(simulator: &Simulator, start: &str) -> (String, usize) {
    let stream = TcpStream::connect(simulator.address()).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    to.write_all(start.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let (mut sent, mut part) = (0, [0; 4096]);
    loop {
        tokio::select! {
            biased;
            read = from.read(&mut part) => {
                response.extend(part.iter().take(read.unwrap()));
                return (String::from_utf8_lossy(&response).into_owned(), sent);
            }
            written = to.write(&[b'x'; 4096]) => sent += written.unwrap_or(0),
        }
    }
}

#[tokio::test]
async fn an_endless_line_is_refused_while_it_is_sent() {
    let simulator = simulator().await;
    let head = "POST /inbound HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer token\r\n";
    for (name, start, status) in [
        (
            "a line of a mail",
            format!("{head}content-length: 20000000\r\n\r\nFrom: a@example.com\r\nSubject: "),
            "400 Bad Request",
        ),
        (
            "a mail that is too long",
            format!("{head}content-length: 30000000\r\n\r\n"),
            "413 Payload Too Large",
        ),
        (
            "a body of JSON that is too long",
            "PUT /webhook HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer token\r\n\
             content-type: application/json\r\ncontent-length: 2000000\r\n\r\n"
                .to_owned(),
            "413 Payload Too Large",
        ),
        (
            "a header that is too long",
            "GET /webhook HTTP/1.1\r\nhost: localhost\r\nx: ".to_owned(),
            "431 Request Header Fields Too Large",
        ),
        ("the request line", "GET /".to_owned(), "431 Request Header Fields Too Large"),
    ] {
        let (response, sent) = flood(&simulator, &start).await;

        assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{name}: {response}");
        assert!(sent < 4 << 20, "{name}: {sent} bytes were accepted");
    }
}

#[tokio::test]
async fn a_chunked_body_that_never_ends_is_refused_at_the_limit() {
    let simulator = simulator().await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let head = "PUT /webhook HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer token\r\n\
                content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut from, mut to) = stream.split();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    let (mut chunks, mut response) = (0, vec![0; 1024]);
    let read = loop {
        tokio::select! {
            biased;
            read = from.read(&mut response) => break read.unwrap(),
            written = to.write_all(chunk.as_bytes()), if chunks < 1_000 => {
                chunks += usize::from(written.is_ok());
            }
        }
    };

    let response = String::from_utf8_lossy(&response[..read]).into_owned();
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    // 1 MiB, and what the buffers of the sockets hold.
    assert!((16..300).contains(&chunks), "{chunks} chunks of 64 KiB");
}
