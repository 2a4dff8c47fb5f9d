//! Both adapters on a free port, each on threads of its own.

use std::{
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread,
};

use agentmail_conformance::RedisServer;
use agentmail_receive::{Memory, Redis, Store};
use agentmail_verify::{MailReceived, Secret, Verifier};
use axum::http::StatusCode;

use super::{client::SECRET, workshop::Workshop};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Axum,
    Actix,
}

pub(crate) const WAYS: [Way; 2] = [Way::Axum, Way::Actix];

/// Runs a scenario with each adapter, in memory and on a Redis server of its own.
pub(crate) fn everywhere(scenario: impl Fn(Way, Store)) {
    for way in WAYS {
        println!("{way:?}, in memory");
        scenario(way, Store::new(Memory::new()));
        println!("{way:?}, on Redis");
        let redis = RedisServer::start(&[]).unwrap();
        scenario(way, Store::new(Redis::new(&redis.url()).unwrap()));
    }
}

/// Starts a receiver; it runs until the test's process ends.
pub(crate) fn serve(
    way: Way,
    store: Store,
    scope: &'static str,
    workshop: &Workshop,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let workshop = workshop.clone();
    let (ready, started) = mpsc::channel();
    thread::spawn(move || match way {
        Way::Axum => axum(listener, store, scope, workshop, &ready),
        Way::Actix => actix(listener, store, scope, workshop, &ready),
    });
    started.recv().unwrap();
    address
}

fn verifier() -> Verifier {
    Verifier::new(Secret::new(SECRET).unwrap())
}

fn axum(
    listener: TcpListener,
    store: Store,
    scope: &'static str,
    workshop: Workshop,
    ready: &mpsc::Sender<()>,
) {
    use agentmail_axum::{Verified, VerifyLayer};
    use axum::{Router, extract::State, routing::post};

    async fn handle(
        State(workshop): State<Workshop>,
        Verified(mail): Verified<MailReceived>,
    ) -> StatusCode {
        StatusCode::from_u16(workshop.handle(&mail.message_id).await).unwrap()
    }

    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(4).enable_all().build().unwrap().block_on(async {
        let app = Router::new()
            .route("/webhook", post(handle))
            .route_layer(VerifyLayer::new(verifier()).dedupe(store, scope))
            .with_state(workshop);
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        ready.send(()).unwrap();
        axum::serve(listener, app).await.unwrap();
    });
}

fn actix(
    listener: TcpListener,
    store: Store,
    scope: &'static str,
    workshop: Workshop,
    ready: &mpsc::Sender<()>,
) {
    use actix_web::{App, HttpResponse, HttpServer, http::StatusCode, web};
    use agentmail_actix::{Verified, VerifyWebhook};

    async fn handle(
        workshop: web::Data<Workshop>,
        Verified(mail): Verified<MailReceived>,
    ) -> HttpResponse {
        HttpResponse::new(StatusCode::from_u16(workshop.handle(&mail.message_id).await).unwrap())
    }

    actix_web::rt::System::new().block_on(async {
        let verify = VerifyWebhook::new(verifier()).dedupe(store, scope);
        let workshop = web::Data::new(workshop);
        let server = HttpServer::new(move || {
            let webhook = web::resource("/webhook").wrap(verify.clone());
            App::new().app_data(workshop.clone()).service(webhook.route(web::post().to(handle)))
        });
        let server = server.workers(4).disable_signals().listen(listener).unwrap().run();
        ready.send(()).unwrap();
        server.await.unwrap();
    });
}
