//! `DedupeLayer` on its own: which layers may be between it and `VerifyLayer`, and in which order
//! the two must be.
#![cfg(feature = "dedupe")]

mod common;

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use agentmail_axum::{
    Delivery, VerifyLayer,
    dedupe::{Claims, DedupeLayer, MemoryStore},
    layer::Verify,
};
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    middleware::{Next, from_fn},
    response::Response,
    routing::{MethodRouter, post},
};
use futures_util::FutureExt;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task_local,
};
use tower::{Layer, ServiceBuilder, ServiceExt};

use common::{BODY, config, on_mail, read, signed, with_body};

fn dedupe() -> DedupeLayer {
    DedupeLayer::new(Claims::new(MemoryStore::new()), "test")
}

fn router(route: MethodRouter) -> Router {
    Router::new().route("/agentmail/webhook", route)
}

/// A layer between the two. It reads the delivery and changes the type of the request's body.
async fn in_between(request: Request, next: Next) -> Response {
    assert!(request.extensions().get::<Delivery>().is_some());
    next.run(request).await
}

#[tokio::test]
async fn other_layers_may_be_between_the_two() {
    let calls = post(on_mail)
        .route_layer(dedupe())
        .route_layer(from_fn(in_between))
        .route_layer(VerifyLayer::new(config()));
    let builder = post(on_mail).route_layer(
        ServiceBuilder::new()
            .layer(VerifyLayer::new(config()))
            .map_request(|request: http::Request<_>| request.map(Body::new))
            .layer(from_fn(in_between))
            .layer(dedupe()),
    );
    let together = post(on_mail)
        .route_layer(VerifyLayer::new(config()).dedupe(Claims::new(MemoryStore::new()), "test"));

    for router in [router(calls), router(builder), router(together)] {
        for (request, expected) in [
            (signed(BODY), (StatusCode::OK, None)),
            (signed(BODY), (StatusCode::OK, Some("already_handled"))),
            (with_body("forged"), (StatusCode::FORBIDDEN, Some("mismatch"))),
        ] {
            let (status, code, _) = read(router.clone().oneshot(request).await.unwrap()).await;
            assert_eq!((status, code), expected);
        }
    }
}

#[tokio::test]
async fn the_wrong_order_refuses_every_delivery() {
    let wrong = router(post(on_mail).route_layer(VerifyLayer::new(config())).route_layer(dedupe()));

    let (status, code, _) = read(wrong.oneshot(signed(BODY)).await.unwrap()).await;

    assert_eq!((status, code), (StatusCode::INTERNAL_SERVER_ERROR, Some("missing_layer")));
}

#[tokio::test]
async fn the_hook_is_not_called_for_a_copy() {
    let shown = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&shown);
    let config = config().with_refusal_response(move |refusal, response| {
        assert_ne!(refusal.code(), "already_handled");
        counter.fetch_add(1, Ordering::Relaxed);
        response.with_status(418)
    });
    let layer = VerifyLayer::new(config).dedupe(Claims::new(MemoryStore::new()), "test");
    let router = router(post(on_mail).route_layer(layer));

    for (request, status) in [(signed(BODY), 200), (signed(BODY), 200), (with_body("forged"), 418)]
    {
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), status);
    }
    assert!(shown.load(Ordering::Relaxed) > 0, "it is shown the forgery");
}

task_local! {
    static OF_THE_REQUEST: u8;
}

#[tokio::test]
async fn the_rest_of_a_handler_whose_request_is_dropped_has_no_task_locals() {
    let claims = Claims::new(MemoryStore::new());
    let (sender, mut seen) = mpsc::unbounded_channel();
    let (end, may_end) = watch::channel(false);
    let handler = async move || {
        let see = || sender.send(OF_THE_REQUEST.try_with(|value| *value).ok()).unwrap();
        see();
        may_end.clone().wait_for(|may_end| *may_end).await.unwrap();
        see();
    };
    let layer = VerifyLayer::new(config()).dedupe(claims.clone(), "test");
    let request = router(post(handler).route_layer(layer)).oneshot(signed(BODY));

    tokio::select! {
        _ = OF_THE_REQUEST.scope(7, request) => panic!("it waits"),
        first = seen.recv() => assert_eq!(first, Some(Some(7))),
    }
    end.send(true).unwrap();

    assert_eq!(seen.recv().await, Some(None));
    claims.drain().await;
    assert_eq!((claims.stats().completed, claims.stats().released), (1, 0));
}

#[tokio::test]
async fn a_handler_that_panics_is_not_continued() {
    let claims = Claims::new(MemoryStore::new());
    let layer = VerifyLayer::new(config()).dedupe(claims.clone(), "test");
    let handler = async || -> () { panic!("no") };
    let request = router(post(handler).route_layer(layer)).oneshot(signed(BODY));

    let panic = AssertUnwindSafe(request).catch_unwind().await.unwrap_err();

    assert_eq!(panic.downcast_ref(), Some(&"no"));
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    claims.drain().await;
    assert_eq!((claims.stats().completed, claims.stats().released), (0, 1));
}

#[test]
fn both_services_give_access_to_the_inner_service() {
    let mut service: Verify<_> =
        VerifyLayer::new(config()).dedupe(Claims::new(MemoryStore::new()), "test").layer(7);

    *service.get_mut().get_mut() += 1;

    assert_eq!(*service.get_ref().get_ref(), 8);
    assert_eq!(service.into_inner().into_inner(), 8);
}
