//! Servers of both adapters. Each listens on a free port and has its own threads.

use std::{
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread,
};

use agentmail_conformance::RedisServer;
use agentmail_receive::dedupe::{Claims, ClaimsConfig, MemoryStore, RedisStore};
use agentmail_verify::{MailReceived, Secret, Verifier};
use axum::http::StatusCode;

use super::{client::SECRET, handler::TestHandler};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adapter {
    Axum,
    Actix,
}

pub(crate) const ADAPTERS: [Adapter; 2] = [Adapter::Axum, Adapter::Actix];

/// Runs a scenario with each adapter, with the claims in memory and on a new Redis server.
pub(crate) fn everywhere(scenario: impl Fn(Adapter, Claims)) {
    everywhere_with(ClaimsConfig::default(), scenario);
}

pub(crate) fn everywhere_with(config: ClaimsConfig, scenario: impl Fn(Adapter, Claims)) {
    for adapter in ADAPTERS {
        println!("{adapter:?}, in memory");
        scenario(adapter, Claims::with_config(MemoryStore::new(), config.clone()));
        println!("{adapter:?}, on Redis");
        let redis = RedisServer::start(&[]).unwrap();
        let store = RedisStore::new(&redis.url()).unwrap();
        scenario(adapter, Claims::with_config(store, config.clone()));
    }
}

/// Starts a receiver, which runs until the process of the test ends.
pub(crate) fn serve(
    adapter: Adapter,
    claims: Claims,
    scope: &'static str,
    handler: &TestHandler,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handler = handler.clone();
    let (ready, started) = mpsc::channel();
    thread::spawn(move || match adapter {
        Adapter::Axum => axum(listener, claims, scope, handler, &ready),
        Adapter::Actix => actix(listener, claims, scope, handler, &ready),
    });
    started.recv().unwrap();
    address
}

fn verifier() -> Verifier {
    Verifier::new(Secret::new(SECRET).unwrap())
}

fn axum(
    listener: TcpListener,
    claims: Claims,
    scope: &'static str,
    handler: TestHandler,
    ready: &mpsc::Sender<()>,
) {
    use agentmail_axum::{Verified, VerifyLayer};
    use axum::{Router, extract::State, routing::post};

    async fn handle(
        State(handler): State<TestHandler>,
        Verified(mail): Verified<MailReceived>,
    ) -> StatusCode {
        StatusCode::from_u16(handler.handle(&mail.message_id).await).unwrap()
    }

    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(4).enable_all().build().unwrap().block_on(async {
        let app = Router::new()
            .route("/webhook", post(handle))
            .route_layer(VerifyLayer::new(verifier()).dedupe(claims, scope))
            .with_state(handler);
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        ready.send(()).unwrap();
        axum::serve(listener, app).await.unwrap();
    });
}

fn actix(
    listener: TcpListener,
    claims: Claims,
    scope: &'static str,
    handler: TestHandler,
    ready: &mpsc::Sender<()>,
) {
    use actix_web::{App, HttpResponse, HttpServer, http::StatusCode, web};
    use agentmail_actix::{Verified, VerifyWebhook};

    async fn handle(
        handler: web::Data<TestHandler>,
        Verified(mail): Verified<MailReceived>,
    ) -> HttpResponse {
        HttpResponse::new(StatusCode::from_u16(handler.handle(&mail.message_id).await).unwrap())
    }

    actix_web::rt::System::new().block_on(async {
        let verify = VerifyWebhook::new(verifier()).dedupe(claims, scope);
        let handler = web::Data::new(handler);
        let server = HttpServer::new(move || {
            let webhook = web::resource("/webhook").wrap(verify.clone());
            App::new().app_data(handler.clone()).service(webhook.route(web::post().to(handle)))
        });
        let server = server.workers(4).disable_signals().listen(listener).unwrap().run();
        ready.send(()).unwrap();
        server.await.unwrap();
    });
}
