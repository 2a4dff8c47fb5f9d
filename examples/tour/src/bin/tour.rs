//! Starts a receiver, sends it a genuine delivery and five others over HTTP, and prints each
//! response with its reason. The exit status is 0 only if each response is as expected.
//!
//! ```sh
//! cargo run -p agentmail-examples-tour
//! ```
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use std::error::Error;

use agentmail_axum::{Event, Secret, Verified, Verifier, VerifyLayer, WebhookConfig};
use agentmail_cli::{Fault, Response, SAMPLE, Sender};
use axum::{Router, routing::post};
use tokio::net::TcpListener;

const SECRET: &str = "whsec_of_the_tour";

fn app() -> Result<Router, Box<dyn Error>> {
    // In production, the reason for a refusal is in the log only.
    let config = WebhookConfig::new(Verifier::new(Secret::new(SECRET)?)).with_problem_details(true);
    let verify = VerifyLayer::new(config);
    Ok(Router::new().route("/agentmail/webhook", post(on_event).route_layer(verify)))
}

async fn on_event(Verified(event): Verified<Event>) -> String {
    match event {
        Event::MailReceived(mail) => format!("handled {:?}", mail.message_id),
        _ => "handled something else".into(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/agentmail/webhook", listener.local_addr()?);
    let app = app()?;
    tokio::spawn(agentmail_axum::serve(listener, app).into_future());

    tokio::task::spawn_blocking(move || tour(&url).map_err(|error| error.to_string())).await??;
    Ok(())
}

fn tour(url: &str) -> Result<(), Box<dyn Error>> {
    let sender = Sender::new(SECRET)?;
    let oversized = "x".repeat(256 * 1024 + 1);
    let mut all_as_expected = true;

    println!("{:<10} {:<9} {:<7} reason", "delivery", "expected", "status");
    for (name, body, fault, status, reason) in [
        ("genuine", SAMPLE, None, 200, "handled \"msg-abc123\""),
        ("unsigned", SAMPLE, Some(Fault::Unsigned), 403, "unsigned"),
        ("stale", SAMPLE, Some(Fault::Stale), 403, "stale"),
        ("forged", SAMPLE, Some(Fault::Forged), 403, "mismatch"),
        ("oversized", oversized.as_str(), None, 413, "body_too_large"),
        ("tampered", SAMPLE, Some(Fault::Tampered), 403, "mismatch"),
    ] {
        let response = sender.send(url, body.as_bytes(), fault)?;
        let (code, explanation) = explanation(&response);
        let as_expected = response.status == status && code == reason;
        let mark = if as_expected { "" } else { "  <- not as expected" };
        println!("{name:<10} {status:<9} {:<7} {explanation}{mark}", response.status);
        all_as_expected &= as_expected;
    }
    all_as_expected.then_some(()).ok_or("not every response is as expected")?;
    Ok(())
}

/// Returns the code in a response, and the code together with its sentence.
fn explanation(response: &Response) -> (String, String) {
    match serde_json::from_str::<serde_json::Value>(&response.body) {
        Ok(problem) => {
            let field = |name| problem.get(name).and_then(|text| text.as_str()).unwrap_or_default();
            (field("code").into(), format!("{}: {}", field("code"), field("detail")))
        }
        Err(_) => (response.body.clone(), response.body.clone()),
    }
}
