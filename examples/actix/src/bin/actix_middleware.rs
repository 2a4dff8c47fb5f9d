//! Receives deliveries behind a middleware: verified before anything inside it runs.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret cargo run -p agentmail-examples-actix --bin actix_middleware
//! ```

use std::{
    error::Error,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use agentmail_actix::{Event, Verified, VerifyWebhook};
use agentmail_examples::{exit_code, listener, note, start_logging, webhook_config};

struct AppState {
    handled: AtomicU64,
}

async fn on_event(state: web::Data<AppState>, Verified(event): Verified<Event>) -> HttpResponse {
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
    let verify = VerifyWebhook::new(webhook_config()?);
    let state = web::Data::new(AppState { handled: AtomicU64::new(0) });
    start_logging();

    HttpServer::new(move || {
        let webhook = web::resource("/agentmail/webhook").wrap(verify.clone());
        App::new()
            .app_data(state.clone())
            .service(webhook.route(web::post().to(on_event)))
            .route("/handled", web::get().to(handled))
    })
    .listen(listener()?)?
    .run()
    .await?;
    Ok(())
}
