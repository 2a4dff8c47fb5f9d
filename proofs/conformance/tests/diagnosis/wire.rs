//! A receiver of each framework, with the diagnosis on.

use std::io::{Read, Write};

use agentmail_receive::{DiagnosisConfig, WebhookConfig};
use agentmail_verify::{Event, Secret, Verifier};
use serde_json::Value;
use tokio::net::TcpListener;

use super::case::{Case, Cases};

/// Sends a case to a receiver of each framework, and returns the first cause in each response.
pub(crate) async fn named(
    case: &Case,
    cases: &Cases,
    secret: &Secret,
) -> [(&'static str, Option<String>); 2] {
    [("axum", axum(case, cases, secret).await), ("actix", actix(case, cases, secret).await)]
}

fn config(case: &Case, cases: &Cases, secret: &Secret) -> WebhookConfig {
    let diagnosis = DiagnosisConfig::new()
        .with_secret_text(case.secret())
        .with_other_secret_text(cases.other_secret());
    WebhookConfig::new(Verifier::new(secret.clone()))
        .with_clock(case.now())
        .with_diagnosis(diagnosis)
}

async fn axum(case: &Case, cases: &Cases, secret: &Secret) -> Option<String> {
    use agentmail_axum::{Verified, VerifyLayer};
    use axum::{Router, routing::post};

    let layer = VerifyLayer::new(config(case, cases, secret));
    let app = Router::new().route("/", post(async |_: Verified<Event>| ()).route_layer(layer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let request = request(case);
    let response = tokio::task::spawn_blocking(move || send(address, &request)).await.unwrap();
    server.abort();
    first_cause(&response)
}

async fn actix(case: &Case, cases: &Cases, secret: &Secret) -> Option<String> {
    use actix_web::{App, HttpServer, web};
    use agentmail_actix::{Verified, VerifyWebhook};

    let verify = VerifyWebhook::new(config(case, cases, secret));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (handles, started) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = move || {
                let route = web::post().to(async |_: Verified<Event>| "").wrap(verify.clone());
                App::new().route("/", route)
            };
            let server = HttpServer::new(app).workers(1).disable_signals().listen(listener);
            let server = server.unwrap().run();
            handles.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    let request = request(case);
    let response = tokio::task::spawn_blocking(move || send(address, &request)).await.unwrap();
    started.recv().unwrap().stop(false).await;
    thread.join().unwrap();
    first_cause(&response)
}

fn request(case: &Case) -> Vec<u8> {
    let body = case.body();
    let mut request = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    )
    .into_bytes();
    for (name, value) in case.headers() {
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend(value);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request.extend(body);
    request
}

fn send(address: std::net::SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    let mut response = Vec::new();
    // A server may reset the connection after its response.
    _ = stream.read_to_end(&mut response);
    response
}

/// Returns the first cause, or `None` for a delivery that was accepted.
fn first_cause(response: &[u8]) -> Option<String> {
    let response = String::from_utf8_lossy(response);
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    if head.starts_with("HTTP/1.1 200") {
        return None;
    }
    let body = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
    let problem: Value = serde_json::from_str(body).unwrap();
    Some(problem.pointer("/diagnosis/causes/0/code").unwrap().as_str().unwrap().to_owned())
}
