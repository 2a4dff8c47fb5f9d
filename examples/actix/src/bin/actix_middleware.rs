//! Receives deliveries behind a middleware, which verifies them before the handler runs.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret \
//!   cargo run -p agentmail-examples-actix --bin actix_middleware
//! ```
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `WEBHOOK_SIGNING_SECRET` | the agent's signing secret | |
//! | `LISTEN` | the address | `127.0.0.1:8080` |
//! | `RUST_LOG` | what is logged | `info,agentmail=debug` |

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use agentmail_actix::{Event, Secret, Verified, Verifier, VerifyWebhook};
use tracing_subscriber::EnvFilter;

#[derive(Default)]
struct AppState {
    handled: AtomicU64,
}

async fn on_event(state: web::Data<AppState>, Verified(event): Verified<Event>) -> HttpResponse {
    match event {
        // The signature proves that the service sent the event, not who sent the mail. The ids are
        // text of the mail's author: `?` escapes them.
        Event::MailReceived(mail) if mail.sender_verified => {
            tracing::info!(?mail.agent_id, ?mail.message_id, "mail received");
        }
        Event::MailReceived(mail) => {
            tracing::warn!(?mail.agent_id, ?mail.message_id, "mail of an unverified sender");
        }
        other => tracing::info!(kind = ?other.kind(), "not a mail"),
    }
    state.handled.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok().finish()
}

async fn handled(state: web::Data<AppState>) -> String {
    state.handled.load(Ordering::Relaxed).to_string()
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Both are created outside of the closure, which runs once per worker.
    let verify = VerifyWebhook::new(Verifier::new(Secret::from_env("WEBHOOK_SIGNING_SECRET")?));
    let state = web::Data::new(AppState::default());

    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info,agentmail=debug".into()))
        .with_ansi(io::stdout().is_terminal())
        .log_internal_errors(false) // a log that cannot be written must not fail a request
        .init();

    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .route("/agentmail/webhook", web::post().to(on_event).wrap(verify.clone()))
            .route("/handled", web::get().to(handled))
    })
    .keep_alive(Duration::from_secs(75)) // longer than a load balancer keeps connections
    .client_request_timeout(Duration::from_secs(10))
    .shutdown_timeout(25) // seconds, because Kubernetes kills the process after 30
    .bind(&address)
    .map_err(|error| format!("cannot listen at {address}: {error}"))?;
    for address in server.addrs() {
        tracing::info!("listening at http://{address}");
    }
    server.run().await?; // until SIGINT or SIGTERM
    Ok(())
}
