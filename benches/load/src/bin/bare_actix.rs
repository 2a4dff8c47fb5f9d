//! The example `actix_extractor`, less its verification. Not for use: it believes everybody.

use std::{
    error::Error,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use agentmail_axum::Event;
use agentmail_examples::{exit_code, listener, note, start_logging};

struct AppState {
    handled: AtomicU64,
}

async fn on_event(state: web::Data<AppState>, body: web::Bytes) -> HttpResponse {
    let Ok(event) = serde_json::from_slice::<Event>(&body) else {
        return HttpResponse::UnprocessableEntity().finish();
    };
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
    let state = web::Data::new(AppState { handled: AtomicU64::new(0) });
    start_logging();

    HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .route("/agentmail/webhook", web::post().to(on_event))
            .route("/handled", web::get().to(handled))
    })
    .listen(listener()?)?
    .run()
    .await?;
    Ok(())
}
