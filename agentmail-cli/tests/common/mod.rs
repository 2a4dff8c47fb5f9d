//! A receiver for the tests of the command line.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part of this")]

use std::net::SocketAddr;

use agentmail_axum::{Event, Secret, Verified, Verifier, VerifyLayer};
use axum::{Router, routing::post};
use tokio::{net::TcpListener, runtime::Runtime};

pub(crate) const CLI: &str = env!("CARGO_BIN_EXE_agentmail-webhook");
pub(crate) const SECRET: &str = "whsec_test_secret";

/// A receiver on a free port, which runs as long as the runtime.
pub(crate) fn receiver() -> (Runtime, SocketAddr) {
    let layer = VerifyLayer::new(Verifier::new(Secret::new(SECRET).unwrap()));
    let route = post(async |_: Verified<Event>| ()).route_layer(layer);
    let app: Router = Router::new().route("/agentmail/webhook", route);
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async { axum::serve(listener, app).await });
    (runtime, address)
}
