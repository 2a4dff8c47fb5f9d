//! The layer together with other layers, and without axum.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::{convert::Infallible, io, time::Duration};

use agentmail_axum::{Delivery, MailReceived, Verified, VerifyLayer, layer::RequestBody};
use axum::{
    BoxError, Router,
    body::{Body, Bytes},
    error_handling::HandleErrorLayer,
    extract::{DefaultBodyLimit, Request},
    handler::Handler,
    http::{HeaderValue, Response, StatusCode},
    middleware::{Next, from_fn},
    routing::{get, post},
};
use futures_util::stream;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{
    Service, ServiceBuilder, ServiceExt, buffer::BufferLayer, limit::ConcurrencyLimitLayer,
    service_fn,
};
use tower_http::{
    catch_panic::CatchPanicLayer, decompression::RequestDecompressionLayer, timeout::TimeoutLayer,
    trace::TraceLayer,
};

use common::{BODY, config, on_mail, read, signed, signer, with_body};

fn routes() -> Router {
    Router::new().route("/agentmail/webhook", post(on_mail))
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(60))
}

/// Checks that the router accepts a genuine delivery and refuses an unsigned one.
async fn check_guarded(name: &str, router: Router) {
    let genuine = read(router.clone().oneshot(signed(BODY)).await.unwrap()).await;
    assert_eq!(genuine, (StatusCode::OK, None, "msg-1".into()), "{name}");

    let request = Request::post("/agentmail/webhook").body(Body::from(BODY)).unwrap();
    let unsigned = read(router.oneshot(request).await.unwrap()).await;
    assert_eq!(unsigned, (StatusCode::FORBIDDEN, Some("missing_signature"), "".into()), "{name}");
}

#[tokio::test]
async fn the_layer_works_at_every_place_where_axum_takes_a_layer() {
    let verify = || VerifyLayer::new(config());
    let handler = post(Handler::layer(on_mail, verify()));

    check_guarded("Router::layer", routes().layer(verify())).await;
    check_guarded("Router::route_layer", routes().route_layer(verify())).await;
    check_guarded("MethodRouter::layer", {
        Router::new().route("/agentmail/webhook", post(on_mail).layer(verify()))
    })
    .await;
    check_guarded("Handler::layer", Router::new().route("/agentmail/webhook", handler)).await;
    check_guarded(
        "nested",
        Router::new()
            .nest("/agentmail", Router::new().route("/webhook", post(on_mail)).layer(verify())),
    )
    .await;
}

#[tokio::test]
async fn other_routes_are_not_verified() {
    let router =
        routes().route_layer(VerifyLayer::new(config())).route("/health", get(async || "well"));

    let request = Request::get("/health").body(Body::empty()).unwrap();

    assert_eq!(read(router.oneshot(request).await.unwrap()).await.2, "well");
}

#[tokio::test]
async fn the_layer_works_outside_and_inside_of_common_layers() {
    async fn failed(_: BoxError) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
    async fn pass(request: Request, next: Next) -> axum::response::Response {
        next.run(request).await
    }

    let outside = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(failed))
        .layer(BufferLayer::new(8))
        .layer(ConcurrencyLimitLayer::new(8))
        .layer(TraceLayer::new_for_http())
        .layer(CatchPanicLayer::new())
        .layer(timeout())
        .layer(from_fn(pass))
        .layer(VerifyLayer::new(config()));
    let inside = ServiceBuilder::new()
        .layer(VerifyLayer::new(config()))
        .layer(HandleErrorLayer::new(failed))
        .layer(BufferLayer::new(8))
        .layer(ConcurrencyLimitLayer::new(8))
        .layer(TraceLayer::new_for_http())
        .layer(CatchPanicLayer::new())
        .layer(timeout())
        .map_request(|request: axum::http::Request<_>| request.map(Body::new))
        .layer(from_fn(pass));

    // Each of these layers can respond itself. The response body then has the layer's type.
    let directly = ServiceBuilder::new().layer(timeout()).layer(VerifyLayer::new(config()));

    check_guarded("outside", routes().layer(outside)).await;
    check_guarded("a timeout directly outside", routes().layer(directly)).await;
    check_guarded("inside", routes().layer(inside)).await;
}

#[tokio::test]
async fn the_layer_ignores_the_default_body_limit_of_axum() {
    check_guarded("DefaultBodyLimit", {
        routes().layer(VerifyLayer::new(config())).layer(DefaultBodyLimit::max(1))
    })
    .await;
}

#[tokio::test]
async fn a_panic_of_the_handler_reaches_the_outer_layers() {
    async fn on_mail(Verified(_): Verified<MailReceived>) {
        panic!("a bug in the handler")
    }
    let stack =
        ServiceBuilder::new().layer(CatchPanicLayer::new()).layer(VerifyLayer::new(config()));
    let router = Router::new().route("/agentmail/webhook", post(on_mail)).layer(stack);

    let response = router.oneshot(signed(BODY)).await.unwrap();

    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn stalled_bodies_hold_no_permit_of_the_inner_service() {
    async fn handle(
        _: axum::http::Request<RequestBody>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::from("handled")))
    }
    let service = ServiceBuilder::new()
        .layer(VerifyLayer::new(config()))
        .concurrency_limit(2)
        .service_fn(handle);

    let stalled = || with_body(Body::from_stream(stream::pending::<Result<Bytes, io::Error>>()));
    let stall = |mut service: tower::util::BoxCloneService<_, _, _>| {
        tokio::spawn(async move { service.ready().await.unwrap().call(stalled()).await })
    };
    let service = service.boxed_clone();
    let waiting = [stall(service.clone()), stall(service.clone()), stall(service.clone())];
    tokio::task::yield_now().await;

    let response = service.oneshot(signed(BODY)).await.unwrap();

    assert_eq!(read(response).await.2, "handled");
    assert!(waiting.iter().all(|task| !task.is_finished()));
}

#[tokio::test]
async fn the_inner_service_is_polled_ready_before_it_is_called() {
    /// Panics if it is called before it is ready, as `ConcurrencyLimit` and `Buffer` do.
    #[derive(Default)]
    struct NeedsReady {
        ready: bool,
    }
    impl Clone for NeedsReady {
        fn clone(&self) -> Self {
            Self::default()
        }
    }
    impl Service<axum::http::Request<RequestBody>> for NeedsReady {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            self.ready = true;
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: axum::http::Request<RequestBody>) -> Self::Future {
            assert!(std::mem::take(&mut self.ready), "called before it was ready");
            std::future::ready(Ok(Response::new(Full::from("handled"))))
        }
    }

    let service =
        ServiceBuilder::new().layer(VerifyLayer::new(config())).service(NeedsReady::default());

    for _ in 0..2 {
        let response = service.clone().oneshot(signed(BODY)).await.unwrap();
        assert_eq!(read(response).await.2, "handled");
    }
}

#[tokio::test]
async fn the_layer_waits_for_a_busy_inner_service() {
    async fn handle(
        _: axum::http::Request<RequestBody>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        tokio::task::yield_now().await;
        Ok(Response::new(Full::from("handled")))
    }
    let service = ServiceBuilder::new()
        .layer(VerifyLayer::new(config()))
        .concurrency_limit(1)
        .service_fn(handle);

    let calls = (0..8).map(|_| service.clone().oneshot(signed(BODY)));

    for response in futures_util::future::join_all(calls).await {
        assert_eq!(read(response.unwrap()).await.2, "handled");
    }
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_returned() {
    let service = ServiceBuilder::new().layer(VerifyLayer::new(config())).service(service_fn(
        |_: axum::http::Request<RequestBody>| async {
            Err::<Response<Full<Bytes>>, _>(io::Error::other("the inner service failed"))
        },
    ));

    let error = service.oneshot(signed(BODY)).await.unwrap_err();

    assert_eq!(error.to_string(), "the inner service failed");
}

#[tokio::test]
async fn decompression_inside_cannot_change_what_was_verified() {
    // Made with `printf '{"type":"other"}' | gzip -n`.
    const COMPRESSED: &[u8] = &[
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xab, 0x56, 0x2a, 0xa9, 0x2c,
        0x48, 0x55, 0xb2, 0x52, 0xca, 0x2f, 0xc9, 0x48, 0x2d, 0x52, 0xaa, 0x05, 0x00, 0x31, 0xee,
        0x4e, 0x5f, 0x10, 0x00, 0x00, 0x00,
    ];
    async fn on_delivery(delivery: Delivery, body: Bytes) -> Bytes {
        assert_eq!(body, r#"{"type":"other"}"#, "the inner layer has decompressed the body");
        delivery.body().clone()
    }
    let stack = ServiceBuilder::new()
        .layer(VerifyLayer::new(config()))
        .layer(RequestDecompressionLayer::new());
    let router = Router::new().route("/agentmail/webhook", post(on_delivery)).layer(stack);

    let mut request = signed(COMPRESSED);
    request.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
    let response = router.oneshot(request).await.unwrap();

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), COMPRESSED);
}

/// Runs hyper's server without axum, on a real socket.
#[tokio::test]
async fn serves_on_bare_hyper() {
    async fn handle(
        request: axum::http::Request<RequestBody>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let delivery = request.extensions().get::<Delivery>().cloned().unwrap();
        Ok(Response::new(Full::from(delivery.body().clone())))
    }
    let service = ServiceBuilder::new().layer(VerifyLayer::new(config())).service_fn(handle);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper_util::service::TowerToHyperService::new(service.clone());
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });

    let signed = signer().sign(common::NOW, BODY.as_bytes());
    for (signature, status, body) in [
        (signed.signature(), "HTTP/1.1 200 OK\r\n", BODY),
        ("v1=00", "HTTP/1.1 403 Forbidden\r\n", ""),
    ] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
             X-AgentMail-Timestamp: {}\r\nX-AgentMail-Signature: {signature}\r\n\r\n{BODY}",
            BODY.len(),
            signed.timestamp(),
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();

        assert!(response.starts_with(status), "{response}");
        assert_eq!(response.split_once("\r\n\r\n").unwrap().1, body);
    }
}
