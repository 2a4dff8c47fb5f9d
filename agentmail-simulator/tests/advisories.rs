//! The nine kinds of advisories that Mailpit, a tool of the same kind, had for its versions 1.30.0
//! to 1.30.5: each is tried here, and refused.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use agentmail_simulator::Simulator;
use serde_json::{Value, json};
use support::{Endpoint, call, quick, send, smtp::Client};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const MEBIBYTE: usize = 1024 * 1024;

async fn simulator() -> Simulator {
    Simulator::builder()
        .with_agent("my-agent", Some("token".to_owned()))
        .with_retry(quick())
        .with_smtp("127.0.0.1:0")
        .start()
        .await
        .unwrap()
}

async fn mails(simulator: &Simulator) -> usize {
    let list = call(simulator, "GET", "/messages", Value::Null).await.json();
    list.pointer("/messages").unwrap().as_array().unwrap().len()
}

/// Sends the start of a request without an end, as long as the simulator reads it. Returns the
/// status line, and how many bytes were sent.
async fn endless(simulator: &Simulator, head: &str, chunk: &[u8]) -> (String, usize) {
    let stream = TcpStream::connect(simulator.address()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(head.as_bytes()).await.unwrap();
    let size = format!("{:x}\r\n", chunk.len());
    let piece = [size.as_bytes(), chunk, b"\r\n"].concat();
    let sending = async move {
        let mut sent = 0;
        while sent < 200 * MEBIBYTE && writer.write_all(&piece).await.is_ok() {
            sent += piece.len();
        }
        sent
    };
    let sending = tokio::spawn(sending);
    let mut response = vec![0; 64];
    let length = reader.read(&mut response).await.unwrap_or(0);
    response.truncate(length);
    let line = String::from_utf8_lossy(&response).lines().next().unwrap_or("").to_owned();
    drop(reader);
    (line, sending.await.unwrap())
}

/// Kind 1: DATA without a limit.
#[tokio::test]
async fn data_of_smtp_has_a_limit() {
    let simulator = simulator().await;
    let mut client = Client::connect(simulator.smtp_address().unwrap()).await;
    assert_eq!(client.say("EHLO client").await, 250);
    assert_eq!(client.say("MAIL FROM:<a@b.c> SIZE=99999999").await, 552, "declared");
    client.begin().await;
    client.write(b"From: a@b.c\r\n\r\n").await;
    let lines =
        b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\r\n".repeat(16_384);

    for _ in 0..27 {
        client.write(&lines).await;
    }
    client.write(b".\r\n").await;

    assert_eq!(client.code().await, 552, "a mail of 27 MiB");
    client.begin().await;
    for _ in 0..80 {
        client.write(&lines).await;
    }
    assert_eq!(client.code().await, 0, "a client that does not stop is cut off");
    assert_eq!(mails(&simulator).await, 0);
}

/// Kind 2: the call that receives mail without a limit.
#[tokio::test]
async fn the_call_that_receives_mail_has_a_limit() {
    let simulator = simulator().await;
    let head = "POST /inbound HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer token\r\n\
                content-type: message/rfc822\r\ntransfer-encoding: chunked\r\n\r\n";
    let lines = b"Subject: a line of a mail, and many more of them\r\n".repeat(1_000);

    let (line, sent) = endless(&simulator, head, &lines).await;
    let (of_one_line, _) = endless(&simulator, head, &b"a".repeat(50_000)).await;

    assert_eq!(line, "HTTP/1.1 413 Payload Too Large");
    assert!(sent < 60 * MEBIBYTE, "it read {sent} bytes");
    assert_eq!(of_one_line, "HTTP/1.1 400 Bad Request", "a line without an end");
    assert_eq!(mails(&simulator).await, 0);
}

/// Kind 3: bodies of JSON without a limit.
#[tokio::test]
async fn bodies_of_json_have_a_limit() {
    let simulator = simulator().await;
    for (method, path) in
        [("PUT", "/webhook"), ("PUT", "/notifications"), ("PUT", "/faults"), ("POST", "/agents")]
    {
        // The operator needs no token, and the calls of the guide need an agent's.
        let token = if path == "/agents" { "" } else { "authorization: Bearer token\r\n" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{token}\
             content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        );

        let (line, sent) = endless(&simulator, &head, &b"[".repeat(50_000)).await;

        assert_eq!(line, "HTTP/1.1 413 Payload Too Large", "{path}");
        assert!(sent < 20 * MEBIBYTE, "{path}: it read {sent} bytes");
    }
    // Deep JSON within the limit neither overflows the stack nor takes long.
    let headers = [
        ("authorization", "Bearer token".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    let deep = b"[".repeat(MEBIBYTE - 1);
    assert_eq!(send(&simulator, "PUT", "/notifications", &headers, deep).await.status, 400);
}

/// Kind 4: requests to what a mail links to.
#[tokio::test]
async fn no_link_of_a_mail_is_opened() {
    let (simulator, elsewhere) = (simulator().await, Endpoint::start([]).await);
    let html = format!(
        "<a href=\"{0}\">a</a><img src=\"{0}\"><link rel=stylesheet href=\"{0}\">\
         <iframe src=\"{0}\">",
        elsewhere.url
    );
    let mail = json!({"from": "a@example.com", "subject": elsewhere.url, "html": html});

    let message = call(&simulator, "POST", "/inbound", mail).await.json();
    let id = message["message_id"].as_str().unwrap();
    for path in [format!("/messages/{id}"), format!("/messages/{id}/raw")] {
        assert_eq!(call(&simulator, "GET", &path, Value::Null).await.status, 200);
    }
    for path in ["link-check", "html-check", "sa-check", "proxy"] {
        for path in [format!("/messages/{id}/{path}"), format!("/{path}?url={}", elsewhere.url)] {
            assert_eq!(call(&simulator, "GET", &path, Value::Null).await.status, 404, "{path}");
        }
    }

    assert_eq!(elsewhere.got().len(), 0, "no request was sent");
}

/// Kind 5: requests to internal addresses, by forms of them that a check misses.
#[tokio::test]
async fn no_form_of_an_internal_address_is_a_url_for_deliveries() {
    let simulator = simulator().await;
    for url in [
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://192.168.1.1/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://2852039166/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://0251.0376.0251.0376/",
        "http://metadata.google.internal/",
        "http://localhost.evil.example/",
        "http://127.0.0.1.nip.io/",
        "http://evil.example#@127.0.0.1/",
        "http://127.0.0.1@evil.example/",
        "http://evil.example\\@127.0.0.1/",
        "gopher://127.0.0.1/",
        "file:///etc/passwd",
    ] {
        let reply = call(&simulator, "PUT", "/webhook", json!({"url": url})).await;
        assert_eq!(reply.status, 400, "{url}: {reply:?}");
        let rule = json!([{"id": "a", "channels": {"webhook": {"url": url}}}]);
        assert_eq!(call(&simulator, "PUT", "/notifications", rule).await.status, 400, "{url}");
    }

    // A redirect is not followed.
    let (elsewhere, listener) =
        (Endpoint::start([]).await, tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let to = elsewhere.url.clone();
    let router = axum::Router::new()
        .fallback(move || async move { axum::response::Redirect::temporary(&to) });
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    call(&simulator, "PUT", "/webhook", json!({"url": url})).await;
    call(&simulator, "POST", "/inbound", json!({"from": "a@example.com"})).await;
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;
    let delivery = call(&simulator, "GET", "/deliveries/latest", Value::Null).await.json();
    assert_eq!((&delivery["state"], elsewhere.got().len()), (&json!("dead"), 0));
}

/// Kind 6: files by ids that are paths.
#[tokio::test]
async fn no_id_leads_to_a_file() {
    let simulator = simulator().await;
    let raw = "From: a@example.com\r\nMessage-ID: <../../../../tmp/evil>\r\n\r\n";
    let headers = [("authorization", "Bearer token".to_owned())];
    send(&simulator, "POST", "/inbound", &headers, raw.into()).await;
    let mut client = Client::connect(simulator.smtp_address().unwrap()).await;
    client.begin().await;
    assert_eq!(client.say(&format!("{raw}.")).await, 250);

    for path in [
        "/messages/../../etc/passwd/raw",
        "/messages/..%2f..%2fetc%2fpasswd/raw",
        "/messages/....%2f%2f....%2f%2fetc%2fpasswd/raw",
        "/messages/%252e%252e%252fetc%252fpasswd/raw",
        "/messages/..%5c..%5cetc%5cpasswd/raw",
        "/messages/%00/raw",
        "/deliveries/..%2f..%2fetc/attempts/1",
        "/faults/..%2f..%2fetc",
        "/page.css%2f..%2f..%2fetc%2fpasswd",
        "/..%2fCargo.toml",
    ] {
        let status = call(&simulator, "GET", path, Value::Null).await.status;
        assert!(matches!(status, 404 | 405), "{path}: {status}");
    }
    for agent_id in ["../evil", "..", "a/b", "a\\b", "a\0b"] {
        let json = [("content-type", "application/json".to_owned())];
        let body = json!({"agent_id": agent_id}).to_string().into();
        let refused = send(&simulator, "POST", "/agents", &json, body).await;
        assert_eq!(refused.status, 400, "{agent_id:?}");
    }
    let mut files = Vec::new();
    let mut folders = vec![simulator.bucket_folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => files.push(path),
            }
        }
    }
    let is_ours = |name: &str| name.starts_with("msg-") && name.ends_with(".eml");
    let names = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
    assert_eq!(names.clone().filter(|name| is_ours(name)).count(), 2, "{files:?}");
    assert_eq!(names.count(), 2, "{files:?}");
}

/// Kind 7: images that become huge when they are decoded. This one has 50,000 times 50,000 pixels.
#[tokio::test]
async fn no_image_of_a_mail_is_decoded() {
    let simulator = simulator().await;
    let bomb = "iVBORw0KGgoAAAANSUhEUgAAw1AAAMNQCAYAAAA=";
    let raw = format!(
        "From: a@example.com\r\nSubject: image\r\nContent-Type: image/png\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{bomb}\r\n"
    );
    let headers = [("authorization", "Bearer token".to_owned())];

    let message = send(&simulator, "POST", "/inbound", &headers, raw.clone().into()).await.json();

    let id = message["message_id"].as_str().unwrap();
    let stored = call(&simulator, "GET", &format!("/messages/{id}/raw"), Value::Null).await;
    assert_eq!(stored.body, raw, "the bytes are kept as they are");
    assert_eq!(stored.headers["content-disposition"], "attachment");
    for path in ["thumb", "part/1", "part/1/thumb", "headers", "html"] {
        let path = format!("/messages/{id}/{path}");
        assert_eq!(call(&simulator, "GET", &path, Value::Null).await.status, 404, "{path}");
    }
}

/// Kind 8: commands without an end.
#[tokio::test]
async fn no_command_is_endless() {
    let simulator = simulator().await;
    for (name, bytes) in [
        ("a command", b"a".repeat(2_000)),
        ("a parameter", [b"MAIL FROM:<".as_slice(), &b"a".repeat(2_000)].concat()),
        ("a login", [b"EHLO c\r\nAUTH PLAIN\r\n".as_slice(), &b"a".repeat(2_000)].concat()),
    ] {
        let mut client = Client::connect(simulator.smtp_address().unwrap()).await;

        client.write(&bytes).await;

        let mut codes = Vec::new();
        while let code @ 1.. = client.code().await {
            codes.push(code);
        }
        assert_eq!(codes.last(), Some(&500), "{name}: {codes:?}, and then the end");
    }
    // The header of a request has a limit too.
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let long = "a".repeat(100_000);
    _ = stream.write_all(format!("GET /{long}").as_bytes()).await;
    let mut response = Vec::new();
    _ = stream.read_to_end(&mut response).await;
    let response = String::from_utf8_lossy(&response).into_owned();
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 4"), "{response}");
}

/// Kind 9: a crash by calls at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_at_the_same_time_do_not_crash_it() {
    let simulator = std::sync::Arc::new(simulator().await);
    let endpoint = Endpoint::start([]).await;
    call(&simulator, "PUT", "/webhook", json!({"url": endpoint.url})).await;
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..12_u32 {
        let simulator = std::sync::Arc::clone(&simulator);
        tasks.spawn(async move {
            for turn in 0..15 {
                match (worker + turn) % 6 {
                    0 => drop(call(&simulator, "DELETE", "/messages", Value::Null).await),
                    1 => {
                        let fault = json!({"fault": "duplicated", "probability": 0.5});
                        call(&simulator, "PUT", "/faults", fault).await;
                    }
                    2 => drop(call(&simulator, "DELETE", "/faults", Value::Null).await),
                    3 => {
                        let mut client = Client::connect(simulator.smtp_address().unwrap()).await;
                        client.begin().await;
                        assert_eq!(client.say("From: a@b.c\r\n\r\nhi\r\n.").await, 250);
                    }
                    4 => drop(call(&simulator, "GET", "/deliveries/overview", Value::Null).await),
                    _ => {
                        let mail = json!({"from": "a@example.com", "subject": "at once"});
                        let reply = call(&simulator, "POST", "/inbound", mail).await;
                        assert_eq!(reply.status, 202, "{reply:?}");
                    }
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }

    assert_eq!(call(&simulator, "GET", "/readyz?wait=60s", Value::Null).await.status, 200);
}
