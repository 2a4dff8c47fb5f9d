//! The server with time limits, over raw sockets.
//!
//! A test sets the limit that it is about, and leaves the others too long to matter. A connection
//! that ought to end and does not makes its test hang, up to `PATIENCE`.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::{io, net::SocketAddr, time::Duration};

use agentmail_axum::serve::Serve;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

const LIMIT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(60);
const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// A server, its address, and what shuts it down.
struct Running {
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

fn app() -> Router {
    Router::new()
        .route("/", get(async || "response"))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route("/echo", post(async |body: Body| body))
        .route("/long", get(async || vec![b'x'; 50_000_000]))
        .route("/slow", get(async || sleep(LIMIT * 2).await))
        .route("/stuck", get(async || sleep(LONG).await))
}

/// Starts a server whose limits are long, except for those that `limits` sets.
async fn start(limits: impl FnOnce(Serve<Make>) -> Serve<Make>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = agentmail_axum::serve(listener, app())
        .with_head_timeout(LONG)
        .with_idle_timeout(LONG)
        .with_shutdown_timeout(LONG);
    let (shutdown, signal) = oneshot::channel();
    let server = limits(server).with_graceful_shutdown(async { _ = signal.await });
    Running { address, shutdown, server: tokio::spawn(server.into_future()) }
}

type Make = agentmail_axum::serve::Shared<Router>;

impl Running {
    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Begins the shutdown, and returns a future that waits for its end: whether it ends well.
    fn shut_down(self) -> impl Future<Output = bool> {
        self.shutdown.send(()).unwrap();
        async { timeout(PATIENCE, self.server).await.is_ok_and(|ended| ended.unwrap().is_ok()) }
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until `end` has arrived. The end of the stream and an error end it early.
    async fn read_to(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        let reading = async {
            while !read.ends_with(end.as_bytes()) {
                match self.0.read_u8().await {
                    Ok(byte) => read.push(byte),
                    Err(_) => break,
                }
            }
        };
        timeout(PATIENCE, reading).await.expect("the response or the connection ends");
        String::from_utf8(read).unwrap()
    }

    async fn has_response(&mut self) -> bool {
        self.read_to("\r\n\r\nresponse").await.starts_with("HTTP/1.1 200 OK\r\n")
    }

    /// Waits for the end of the connection. No byte may come before it.
    async fn is_closed(&mut self) -> bool {
        self.read_to("\0").await.is_empty()
    }
}

#[tokio::test]
async fn closes_a_silent_connection_after_the_head_timeout() {
    let server = start(|limits| limits.with_head_timeout(LIMIT)).await;
    assert!(server.connect().await.is_closed().await);
}

#[tokio::test]
async fn closes_a_new_connection_with_half_a_head_after_the_head_timeout() {
    let server = start(|limits| limits.with_head_timeout(LIMIT)).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHo").await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn closes_a_reused_connection_with_half_a_head_after_the_head_timeout() {
    let server = start(|limits| limits.with_head_timeout(LIMIT)).await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send(GET).await;
        assert!(client.has_response().await);
    }
    client.send("GET / HTTP/1.1\r\nHo").await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn closes_a_connection_whose_head_drips() {
    let server = start(|limits| limits.with_head_timeout(LIMIT)).await;
    let client = server.connect().await;
    let (mut read, mut write) = client.0.into_split();
    let dripping = tokio::spawn(async move {
        while write.write_all(b"G").await.is_ok() {
            sleep(LIMIT / 10).await;
        }
    });
    let mut bytes = Vec::new();
    _ = timeout(PATIENCE, read.read_to_end(&mut bytes)).await.expect("it is closed");
    assert_eq!(bytes, b"");
    dripping.await.unwrap();
}

#[tokio::test]
async fn a_body_may_take_longer_than_the_head_timeout() {
    let server = start(|limits| limits.with_head_timeout(LIMIT)).await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n").await;
        for _ in 0..4 {
            sleep(LIMIT / 2).await;
            client.send("x").await;
        }
        assert!(client.read_to("\r\n\r\n4").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_body_may_take_longer_than_the_head_timeout_after_the_response_has_begun() {
    let server = start(|limits| limits.with_head_timeout(LIMIT)).await;
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n").await;
    assert!(client.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    for _ in 0..4 {
        client.send("x").await;
        sleep(LIMIT / 2).await;
    }
    assert!(client.read_to("xxxx").await == "xxxx");
}

#[tokio::test]
async fn a_connection_may_idle_for_longer_than_the_head_timeout() {
    let server = start(|limits| limits.with_head_timeout(LIMIT)).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(GET).await;
        assert!(client.has_response().await);
        sleep(LIMIT * 2).await;
    }
}

#[tokio::test]
async fn closes_an_idle_connection_after_the_idle_timeout() {
    let server = start(|limits| limits.with_idle_timeout(LIMIT)).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    assert!(client.has_response().await);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn the_idle_timeout_does_not_include_the_head() {
    let server = start(|limits| limits.with_idle_timeout(LIMIT * 3)).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    assert!(client.has_response().await);
    let (half, rest) = GET.split_at(20);
    sleep(LIMIT).await;
    client.send(half).await;
    sleep(LIMIT * 3).await;
    client.send(rest).await;
    assert!(client.has_response().await);
}

#[tokio::test]
async fn pipelined_requests_get_their_responses() {
    let server = start(|limits| limits.with_head_timeout(LIMIT)).await;
    let mut client = server.connect().await;
    let (half, rest) = GET.split_at(20);
    client.send(&[GET, GET, half].concat()).await;
    assert!(client.has_response().await);
    assert!(client.has_response().await);
    client.send(rest).await;
    assert!(client.has_response().await);
}

#[tokio::test]
async fn closes_a_connection_with_a_pipelined_half_of_a_head() {
    let limits = |server: Serve<Make>| server.with_head_timeout(LIMIT).with_idle_timeout(LIMIT);
    let server = start(limits).await;
    let mut client = server.connect().await;
    client.send(&[GET, &GET[..20]].concat()).await;
    assert!(client.has_response().await);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_shutdown_refuses_new_connections_and_closes_idle_ones() {
    let server = start(|limits| limits).await;
    let address = server.address;
    let mut client = server.connect().await;
    client.send(GET).await;
    assert!(client.has_response().await);
    assert!(server.shut_down().await);
    assert!(client.is_closed().await);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_in_progress_gets_its_response_at_a_shutdown() {
    let server = start(|limits| limits).await;
    let mut client = server.connect().await;
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    sleep(LIMIT).await;
    let ended = server.shut_down();
    let response = client.read_to("\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.1 200") && response.contains("connection: close"));
    assert!(client.is_closed().await);
    assert!(ended.await);
}

#[tokio::test]
async fn a_body_in_progress_gets_its_response_at_a_shutdown() {
    let server = start(|limits| limits).await;
    let mut client = server.connect().await;
    client.send("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nxx").await;
    sleep(LIMIT).await;
    let ended = server.shut_down();
    client.send("xx").await;
    assert!(client.read_to("\r\n\r\n4").await.starts_with("HTTP/1.1 200"));
    assert!(ended.await);
}

#[tokio::test]
async fn a_first_head_in_progress_gets_its_response_at_a_shutdown() {
    let server = start(|limits| limits).await;
    let mut client = server.connect().await;
    let (half, rest) = GET.split_at(20);
    client.send(half).await;
    sleep(LIMIT).await;
    let ended = server.shut_down();
    client.send(rest).await;
    assert!(client.has_response().await);
    assert!(ended.await);
}

#[tokio::test]
async fn half_a_head_does_not_hold_a_shutdown_for_longer_than_the_head_timeout() {
    let server = start(|limits| limits.with_head_timeout(LIMIT)).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHo").await;
    assert!(server.shut_down().await);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn no_client_holds_a_shutdown_for_longer_than_the_shutdown_timeout() {
    for (name, sent) in [
        ("nothing", ""),
        ("half a head", "GET / HTTP/1.1\r\nHo"),
        ("half a body", "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nxx"),
        ("a stuck handler", "GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a response that nobody reads", "GET /long HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        let server = start(|limits| limits.with_shutdown_timeout(LIMIT)).await;
        let mut client = server.connect().await;
        client.send(sent).await;
        sleep(LIMIT / 4).await;
        assert!(server.shut_down().await, "{name}");
    }
}

#[tokio::test]
async fn refuses_http_2() {
    let server = start(|limits| limits).await;
    let mut client = server.connect().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0").await;
    let response = client.read_to("\r\n\r\n").await;
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 400 "), "{response:?}");
}

#[tokio::test]
async fn serves_what_axum_serve_does() {
    async fn check<M>(serve: impl FnOnce(TcpListener) -> Serve<M>, expected: &str)
    where
        Serve<M>: IntoFuture<Output = io::Result<()>, IntoFuture: Send + 'static>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener).into_future());
        let mut client = Client(TcpStream::connect(address).await.unwrap());
        client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let response = client.read_to("\0").await;
        assert_eq!(response.split_once("\r\n\r\n").unwrap().1, expected);
    }

    let app = || Router::new().route("/", get(async || "response"));
    check(|listener| agentmail_axum::serve(listener, app()), "response").await;
    check(|listener| agentmail_axum::serve(listener, app().into_make_service()), "response").await;
    check(|listener| agentmail_axum::serve(listener, get(async || "one route")), "one route").await;

    let client = async |ConnectInfo(client): ConnectInfo<SocketAddr>| client.ip().to_string();
    let app = Router::new().route("/", get(client));
    let make = app.into_make_service_with_connect_info::<SocketAddr>();
    check(|listener| agentmail_axum::serve(listener, make), "127.0.0.1").await;
}

#[tokio::test]
async fn the_defaults_are_as_documented() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("{:?}", agentmail_axum::serve(listener, app()));
    let defaults = "head_timeout: 10s, idle_timeout: 75s, shutdown_timeout: 25s";
    assert!(server.contains(defaults), "{server}");
}

#[tokio::test]
async fn the_longest_durations_do_not_overflow() {
    let longest = |server: Serve<Make>| {
        server
            .with_head_timeout(Duration::MAX)
            .with_idle_timeout(Duration::MAX)
            .with_shutdown_timeout(Duration::MAX)
    };
    let server = start(longest).await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send(GET).await;
        assert!(client.has_response().await);
    }
    assert!(server.shut_down().await);
}
