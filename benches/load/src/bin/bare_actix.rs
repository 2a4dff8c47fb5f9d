//! The example `actix_extractor` without its verification. Do not deploy it: it accepts every
//! request.

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    sync::atomic::{AtomicU64, Ordering},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use agentmail_axum::Event;
use tracing_subscriber::EnvFilter;

#[derive(Default)]
struct AppState {
    handled: AtomicU64,
}

async fn on_event(state: web::Data<AppState>, body: web::Bytes) -> HttpResponse {
    let Ok(event) = serde_json::from_slice::<Event>(&body) else {
        return HttpResponse::UnprocessableEntity().finish();
    };
    match event {
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
    let state = web::Data::new(AppState::default());

    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info,agentmail=debug".into()))
        .with_ansi(io::stdout().is_terminal())
        .log_internal_errors(false)
        .init();

    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .route("/agentmail/webhook", web::post().to(on_event))
            .route("/handled", web::get().to(handled))
    })
    .bind(&address)?;
    for address in server.addrs() {
        tracing::info!("listening at http://{address}");
    }
    server.run().await?;
    Ok(())
}
