//! Receives deliveries with an extractor that verifies by itself, configured by the app's data.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret cargo run -p agentmail-examples-actix --bin actix_extractor
//! ```

use std::{
    error::Error,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use agentmail_actix::{Event, Webhook};
use agentmail_examples::{exit_code, listener, note, start_logging, webhook_config};

struct AppState {
    handled: AtomicU64,
}

async fn on_event(state: web::Data<AppState>, Webhook(event): Webhook<Event>) -> HttpResponse {
    note(&event);
    state.handled.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok().finish()
}

async fn handled(state: web::Data<AppState>) -> String {
    state.handled.load(Ordering::Relaxed).to_string()
}

#[actix_web::main]
async fn main() -> ExitCode {
    exit_code(serve().await)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    // Outside of the closure, which runs once per worker.
    let webhooks = webhook_config()?;
    let state = web::Data::new(AppState { handled: AtomicU64::new(0) });
    start_logging();

    HttpServer::new(move || {
        App::new()
            .app_data(webhooks.clone())
            .app_data(state.clone())
            .route("/agentmail/webhook", web::post().to(on_event))
            .route("/handled", web::get().to(handled))
    })
    .listen(listener()?)?
    .run()
    .await?;
    Ok(())
}
