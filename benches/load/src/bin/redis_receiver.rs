//! Receives the same deliveries at three paths, with the server of `REDIS_URL`:
//!
//! | path | a repeated message is recognised by |
//! | --- | --- |
//! | `/none` | nothing |
//! | `/store` | the layer with a `RedisStore` |
//! | `/set_nx` | a `SET NX` in the handler, as one would write it by hand |

use std::{env, error::Error};

use agentmail_axum::{
    MailReceived, Secret, Verified, Verifier, VerifyLayer,
    dedupe::{Claims, RedisStore},
};
use axum::{Router, extract::State, http::StatusCode, routing::post};
use redis::{Client, ExistenceCheck, SetExpiry, SetOptions, aio::ConnectionManager};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

const THREE_DAYS: u64 = 3 * 24 * 60 * 60; // seconds, as in the layer

async fn on_mail(Verified(_): Verified<MailReceived>) {}

async fn set_nx(
    State(mut redis): State<ConnectionManager>,
    Verified(mail): Verified<MailReceived>,
) -> StatusCode {
    let key = format!("webhook:{}:{}", mail.agent_id, mail.message_id);
    let options = SetOptions::default()
        .conditional_set(ExistenceCheck::NX)
        .with_expiration(SetExpiry::EX(THREE_DAYS));
    let set = redis::AsyncTypedCommands::set_options(&mut redis, key, "", options).await;
    // A message that is new would be worked on here.
    if set.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("REDIS_URL")?;
    let redis = Client::open(url.as_str())?.get_connection_manager().await?;
    let claims = Claims::new(RedisStore::new(&url)?);
    let verify = VerifyLayer::new(Verifier::new(Secret::new(env::var("WEBHOOK_SIGNING_SECRET")?)?));

    let app = Router::new()
        .route("/none", post(on_mail).route_layer(verify.clone()))
        .route("/set_nx", post(set_nx).route_layer(verify.clone()))
        .route("/store", post(on_mail).route_layer(verify.dedupe(claims, "load")))
        .with_state(redis);

    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(env::var("LISTEN")?).await?;
    agentmail_axum::serve(listener, app)
        .with_graceful_shutdown(async move { _ = terminate.recv().await })
        .await?;
    Ok(())
}
