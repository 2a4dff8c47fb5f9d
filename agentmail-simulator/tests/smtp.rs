//! Mail by SMTP.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use agentmail_axum::Event;
use agentmail_simulator::Simulator;
use serde_json::{Value, json};
use support::{Receiver, call, quick, send, smtp::Client};

const MAIL: &str = "From: user@example.com\r\nSubject: Hello\r\n\r\n..dots\r\n";

async fn simulator() -> Simulator {
    Simulator::builder()
        .with_agent("my-agent", Some("token".to_owned()))
        .with_agent("other", Some("other-token".to_owned()))
        .with_retry(quick())
        .with_smtp("127.0.0.1:0")
        .start()
        .await
        .unwrap()
}

async fn connect(simulator: &Simulator) -> Client {
    Client::connect(simulator.smtp_address().unwrap()).await
}

async fn messages(simulator: &Simulator) -> Vec<Value> {
    let list = call(simulator, "GET", "/messages", Value::Null).await.json();
    list.pointer("/messages").unwrap().as_array().unwrap().clone()
}

#[tokio::test]
async fn a_mail_arrives_typed_at_a_receiver() {
    let (simulator, receiver) = (simulator().await, Receiver::start().await);
    let set = call(&simulator, "PUT", "/webhook", json!({"url": receiver.url})).await.json();
    receiver.set_secret(set["signing_secret"].as_str().unwrap());

    let mut client = connect(&simulator).await;
    client.begin().await;
    assert_eq!(client.say(&format!("{MAIL}.")).await, 250);
    assert_eq!(client.say("QUIT").await, 221);
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;

    let events = receiver.events();
    let [Event::MailReceived(mail)] = &events[..] else { panic!("one mail: {events:?}") };
    assert_eq!(mail.sender.as_deref(), Some("user@example.com"));
    assert_eq!(mail.subject.as_deref(), Some("Hello"));
    let messages = messages(&simulator).await;
    let path = format!("/messages/{}/raw", messages[0]["message_id"].as_str().unwrap());
    let raw = call(&simulator, "GET", &path, Value::Null).await.body;
    assert_eq!(raw, MAIL.replace("..dots", ".dots"), "the doubled dot is one again");
}

#[tokio::test]
async fn each_recipient_is_an_agent_and_others_get_550() {
    let simulator = simulator().await;
    let mut client = connect(&simulator).await;

    assert_eq!(client.say("EHLO client").await, 250);
    assert_eq!(client.say("AUTH PLAIN AGFueW9uZQBhbnl0aGluZw==").await, 235);
    assert_eq!(client.say("MAIL FROM:<user@example.com> SIZE=100 BODY=8BITMIME").await, 250);
    for (recipient, code) in [
        ("my-agent@localhost", 250),
        ("other@agents.example", 250),
        ("my-agent@elsewhere", 250),
        ("nobody@localhost", 550),
        ("../my-agent@localhost", 550),
        ("MY-AGENT@localhost", 550),
    ] {
        assert_eq!(client.say(&format!("RCPT TO:<{recipient}>")).await, code, "{recipient}");
    }
    assert_eq!(client.say("DATA").await, 354);
    assert_eq!(client.say(&format!("{MAIL}.")).await, 250);
    // A second mail on the same connection.
    client.begin().await;
    assert_eq!(client.say(&format!("{MAIL}.")).await, 250);

    assert_eq!(messages(&simulator).await.len(), 2, "once for each mail");
    let headers = [("authorization", "Bearer other-token".to_owned())];
    let other = send(&simulator, "GET", "/messages", &headers, Vec::new()).await.json();
    let agents: Vec<_> = other["messages"].as_array().unwrap().iter().collect();
    assert_eq!(agents.len(), 1, "{agents:?}");
    assert_eq!(agents[0]["agent_id"], "other");
}

#[tokio::test]
async fn commands_that_are_sent_at_once_are_read_one_after_another() {
    let simulator = simulator().await;
    let mut client = connect(&simulator).await;
    let commands = "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<my-agent@x>\r\nDATA\r\n";

    client.write(format!("{commands}{MAIL}.\r\nRSET\r\nQUIT\r\n").as_bytes()).await;

    let mut codes = Vec::new();
    for _ in 0..7 {
        codes.push(client.code().await);
    }
    assert_eq!(codes, [250, 250, 250, 354, 250, 250, 221]);
    assert_eq!(messages(&simulator).await.len(), 1);
}

#[tokio::test]
async fn a_second_mail_cannot_be_smuggled_into_the_first() {
    let simulator = simulator().await;
    for (name, end) in [
        ("LF dot LF", "\n.\n"),
        ("LF dot CRLF", "\n.\r\n"),
        ("CRLF dot LF", "\r\n.\n"),
        ("CR dot CR", "\r.\r"),
        ("CR LF dot CR", "\r\n.\r"),
        ("NUL", "\r\n\0.\r\n\n"),
    ] {
        let mut client = connect(&simulator).await;
        client.begin().await;
        let smuggled = format!(
            "From: a@b.c\r\n\r\nfirst{end}MAIL FROM:<evil@example.com>\r\n\
             RCPT TO:<my-agent@localhost>\r\nDATA\r\nFrom: evil@example.com\r\n\r\nsecond"
        );

        assert_eq!(client.say(&format!("{smuggled}\r\n.")).await, 554, "{name}");
        assert_eq!(client.say("QUIT").await, 221, "{name}: the rest is no command");
    }
    assert_eq!(messages(&simulator).await.len(), 0);
}

#[tokio::test]
async fn a_mail_that_is_none_and_a_full_queue_get_their_codes() {
    let simulator = Simulator::builder()
        .with_agent("my-agent", Some("token".to_owned()))
        .with_smtp("127.0.0.1:0")
        .with_max_pending(0)
        .start()
        .await
        .unwrap();
    let mut client = connect(&simulator).await;
    for (mail, code) in [("no header here\r\n", 554), ("", 554), (MAIL, 451)] {
        client.begin().await;

        assert_eq!(client.say(&format!("{mail}.")).await, code, "{mail:?}");
    }
}

#[tokio::test]
async fn a_page_in_a_browser_cannot_send_a_mail() {
    let simulator = simulator().await;
    let mut client = connect(&simulator).await;
    let body = "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<my-agent@x>\r\nDATA\r\nFrom: a@b.c\r\n\r\n.\r\n";

    client.write(format!("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n{body}").as_bytes()).await;

    assert_eq!(client.code().await, 421);
    client.closed().await;
    assert_eq!(messages(&simulator).await.len(), 0);
}

#[tokio::test]
async fn more_connections_than_the_limit_are_refused() {
    let simulator = simulator().await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(connect(&simulator).await);
    }

    let stream = tokio::net::TcpStream::connect(simulator.smtp_address().unwrap()).await.unwrap();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(stream);
    tokio::io::AsyncBufReadExt::read_line(&mut reader, &mut line).await.unwrap();
    assert!(line.starts_with("421 "), "{line:?}");

    assert_eq!(open[0].say("QUIT").await, 221);
    open[0].closed().await;
    let mut refused = 0;
    // The capacity is free again when the server has ended the first connection.
    while refused < 1_000 {
        let stream = tokio::net::TcpStream::connect(simulator.smtp_address().unwrap());
        let mut reader = tokio::io::BufReader::new(stream.await.unwrap());
        let mut line = String::new();
        tokio::io::AsyncBufReadExt::read_line(&mut reader, &mut line).await.unwrap();
        if line.starts_with("220 ") {
            return;
        }
        refused += 1;
    }
    panic!("the capacity is not free again");
}

#[tokio::test]
async fn smtp_listens_on_the_loopback_interface_only() {
    let builder = Simulator::builder().with_operator_token("operator");

    let error = builder.with_smtp("0.0.0.0:0").start().await.unwrap_err();

    assert!(error.to_string().contains("not a loopback address"), "{error}");
    assert_eq!(Simulator::start().await.unwrap().smtp_address(), None, "it is off by default");
}
