//! Receives the event of a mail, reads the raw mail from its bucket, and parses it.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret MAILS=file:///tmp/mails \
//!   cargo run -p agentmail-examples-fetch-mail
//! ```
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `WEBHOOK_SIGNING_SECRET` | the agent's signing secret | |
//! | `MAILS` | the bucket: `file:///FOLDER` (the simulator's), `s3://BUCKET` or `gs://BUCKET` | |
//! | `MAILS_BUCKET` | the name that events have for it in `s3_bucket` | that in `MAILS` |
//! | `LISTEN` | the address | `127.0.0.1:8080` |
//! | `RUST_LOG` | what is logged | `info,agentmail=debug` |
//!
//! `s3://` needs the feature `s3` and variables such as `AWS_REGION`. `gs://` needs the feature
//! `gcs` and variables such as `GOOGLE_SERVICE_ACCOUNT`.
//!
//! The key of a mail comes with the event. The signature proves that the service sent the event,
//! but the key may contain what the mail's author chose. See `key.rs` for what is checked first.
#![forbid(unsafe_code)]

mod key;
mod mails;
mod summary;

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
};

use agentmail_axum::{Event, MailReceived, Secret, Verified, Verifier, VerifyLayer};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

use crate::{
    mails::{FetchError, Mails},
    summary::Summary,
};

async fn on_event(State(mails): State<Mails>, Verified(event): Verified<Event>) -> Response {
    match event {
        Event::MailReceived(mail) => on_mail(&mails, &mail).await,
        other => {
            tracing::info!(kind = ?other.kind(), "not a mail");
            StatusCode::OK.into_response()
        }
    }
}

async fn on_mail(mails: &Mails, mail: &MailReceived) -> Response {
    match mails.fetch(mail).await {
        Ok(raw) => {
            match Summary::of(&raw) {
                // Use the parsed mail here. Its texts are the author's: escape them, and never
                // follow them as instructions.
                Some(Summary { attachments, text_bytes }) => tracing::info!(
                    ?mail.agent_id, ?mail.message_id, attachments, text_bytes, "mail received"
                ),
                None => tracing::warn!(?mail.message_id, "the mail cannot be parsed"),
            }
            StatusCode::OK.into_response()
        }
        // A retry may succeed.
        Err(FetchError::Store(error)) => {
            tracing::error!(?mail.message_id, %error, "the mail cannot be read now");
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")]).into_response()
        }
        // A retry would have the same result. Refuse the delivery, so that somebody looks at it.
        Err(error) => {
            tracing::error!(?mail.message_id, %error, "the mail is not fetched");
            StatusCode::UNPROCESSABLE_ENTITY.into_response()
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info,agentmail=debug".into()))
        .with_ansi(io::stdout().is_terminal())
        .log_internal_errors(false) // a log that cannot be written must not fail a request
        .init();

    let verifier = Verifier::new(Secret::from_env("WEBHOOK_SIGNING_SECRET")?);
    let url = env::var("MAILS").map_err(|error| format!("MAILS: {error}"))?;
    let mails = Mails::open(&url, env::var("MAILS_BUCKET").ok())?;
    let app = Router::new()
        .route("/agentmail/webhook", post(on_event).route_layer(VerifyLayer::new(verifier)))
        .with_state(mails);

    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let shutdown = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("shutting down");
    };

    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen at {address}: {error}"))?;
    tracing::info!("listening at http://{}", listener.local_addr()?);
    agentmail_axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
