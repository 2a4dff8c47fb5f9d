//! What a page in a browser, or another machine, cannot do.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use agentmail_simulator::Simulator;
use serde_json::{Value, json};
use support::{Endpoint, call, send, simulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends a request as it is, and returns the status line.
async fn status_line(simulator: &Simulator, request: String) -> String {
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_page_on_another_origin_and_a_rebinding_host_are_refused() {
    let simulator = simulator().await;
    let own = simulator.address();
    let mail = "From: a@example.com\r\n\r\n";
    for (name, host, more, accepted) in [
        ("a program", own.to_string(), String::new(), true),
        ("localhost", format!("localhost:{}", own.port()), String::new(), true),
        ("a rebinding name", "evil.example".to_owned(), String::new(), false),
        (
            "a rebinding name with the port",
            format!("evil.example:{}", own.port()),
            String::new(),
            false,
        ),
        (
            "a name that begins with the address",
            format!("{own}.evil.example"),
            String::new(),
            false,
        ),
        ("its own page", own.to_string(), format!("origin: http://{own}\r\n"), true),
        ("another origin", own.to_string(), "origin: https://evil.example\r\n".to_owned(), false),
        ("another port", own.to_string(), "origin: http://127.0.0.1:3000\r\n".to_owned(), false),
        ("no origin", own.to_string(), "origin: null\r\n".to_owned(), false),
        ("a frame", own.to_string(), "sec-fetch-site: cross-site\r\n".to_owned(), false),
    ] {
        let request = format!(
            "POST /inbound HTTP/1.1\r\nhost: {host}\r\n{more}authorization: Bearer token\r\n\
             content-type: text/plain\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{mail}",
            mail.len()
        );

        let line = status_line(&simulator, request).await;

        let expected = if accepted { "HTTP/1.1 202 Accepted" } else { "HTTP/1.1 403 Forbidden" };
        assert_eq!(line, expected, "{name}");
    }
    let messages = call(&simulator, "GET", "/messages", Value::Null).await.json();
    assert_eq!(messages["messages"].as_array().unwrap().len(), 3, "only what was accepted");
}

#[tokio::test]
async fn a_preflight_request_gets_no_permission() {
    let simulator = simulator().await;
    let headers = [
        ("origin", "https://evil.example".to_owned()),
        ("access-control-request-method", "PUT".to_owned()),
    ];

    let reply = send(&simulator, "OPTIONS", "/webhook", &headers, Vec::new()).await;

    assert_eq!(reply.status, 403);
    assert!(!reply.headers.keys().any(|name| name.as_str().starts_with("access-control")));
}

#[tokio::test]
async fn each_response_forbids_a_browser_to_show_or_embed_it() {
    let simulator = simulator().await;
    for path in ["/about", "/nothing", "/webhook", "/openapi.json"] {
        let headers = call(&simulator, "GET", path, Value::Null).await.headers;

        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin", "{path}");
    }
}

#[tokio::test]
async fn beyond_the_loopback_interface_an_operators_token_is_needed() {
    let builder = || Simulator::builder().with_listen("0.0.0.0:0");
    for refused in [builder(), builder().with_operator_token("  ")] {
        let error = refused.start().await.unwrap_err();
        assert!(error.to_string().contains("operator's token"), "{error}");
    }

    let simulator = builder().with_operator_token("operator").start().await.unwrap();
    let path = format!("http://127.0.0.1:{}/agents", simulator.address().port());
    let status = tokio::task::spawn_blocking(move || {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        config.new_agent().get(path).call().unwrap().status().as_u16()
    });
    assert_eq!(status.await.unwrap(), 401);
}

#[tokio::test]
async fn a_mail_chooses_no_file_name_and_no_request() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([]).await);
    call(&simulator, "PUT", "/webhook", json!({"url": endpoint.url})).await;
    let elsewhere = Endpoint::start([]).await;
    let raw = format!(
        "From: ../../evil@example.com\r\nMessage-ID: <../../../etc/passwd>\r\n\
         Subject: {url}\r\nReply-To: {url}\r\nList-Unsubscribe: <{url}>\r\n\
         List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
         Disposition-Notification-To: {url}\r\n\
         Content-Type: message/external-body; access-type=URL; URL=\"{url}\"\r\n\r\n\
         <img src={url}>",
        url = elsewhere.url
    );
    let headers = [("authorization", "Bearer token".to_owned())];

    let message = send(&simulator, "POST", "/inbound", &headers, raw.into()).await.json();
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;

    let id = message["message_id"].as_str().unwrap();
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{id}");
    assert_eq!(message["s3_key"], format!("inbound/my-agent/{id}.eml"));
    let files: Vec<_> = std::fs::read_dir(simulator.bucket_folder().join("inbound/my-agent"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, [format!("{id}.eml")]);
    assert_eq!((endpoint.got().len(), elsewhere.got().len()), (1, 0));
}

#[tokio::test]
async fn ids_in_paths_lead_nowhere_else() {
    let simulator = simulator().await;
    for path in [
        "/messages/..%2F..%2Fetc%2Fpasswd/raw",
        "/messages/%2e%2e/raw",
        "/messages/%00/raw",
        "/messages/%ff/raw",
        "/deliveries/%ff",
        "/deliveries/dlv-%2B1",
    ] {
        assert_eq!(call(&simulator, "GET", path, Value::Null).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn with_loopback_only_no_other_url_is_accepted() {
    let builder = Simulator::builder().with_agent("my-agent", Some("token".to_owned()));
    let simulator = builder.with_loopback_only(true).start().await.unwrap();
    let rule = json!([{"id": "a", "channels": {"webhook": {"url": "https://example.com/"}}}]);
    for (path, body) in
        [("/webhook", json!({"url": "https://example.com/"})), ("/notifications", rule)]
    {
        let refused = call(&simulator, "PUT", path, body).await;
        assert_eq!(refused.status, 400, "{path}");
        assert!(refused.body.contains("limited"), "{path}: {refused:?}");
    }
}
