//! A receiver for the load: `LISTEN`, and `INBOX` with the path of a file. Without it, the handler
//! does nothing.
#![forbid(unsafe_code)]

use std::{env, error::Error};

use agentmail_axum::{Delivery, Secret, Verifier, VerifyLayer, WebhookRejection};
use agentmail_inbox::{Inbox, SqliteStore, Stored};
use axum::{Router, extract::State, routing::post};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

async fn no_op(_: Delivery) {}

async fn store(State(inbox): State<Inbox>, delivery: Delivery) -> Result<(), WebhookRejection> {
    let _: Stored = inbox.store(&delivery).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verify = VerifyLayer::new(Verifier::new(Secret::new("whsec_of_the_load")?));
    let app = match env::var_os("INBOX") {
        Some(path) => Router::new()
            .route("/agentmail/webhook", post(store).route_layer(verify))
            .with_state(Inbox::new(SqliteStore::open(path).await?)),
        None => Router::new().route("/agentmail/webhook", post(no_op).route_layer(verify)),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(env::var("LISTEN")?).await?;
    agentmail_axum::serve(listener, app)
        .with_graceful_shutdown(async move { _ = terminate.recv().await })
        .await?;
    Ok(())
}
