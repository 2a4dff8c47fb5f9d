//! A receiver for `scripts/soak.py`: it fails at random, and hangs at random. Each mail that it
//! handles is a line of a file.
//!
//! | variable | what it sets |
//! | --- | --- |
//! | `WEBHOOK_SIGNING_SECRET` | the agent's signing secret |
//! | `LISTEN` | the address |
//! | `HANDLED` | the file |
//! | `FAIL`, `HANG` | how many of 100 deliveries get 500, and how many get no response |
//! | `SEED` | the seed of the choice |
#![forbid(unsafe_code)]

use std::{
    env,
    error::Error,
    fs::File,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agentmail_axum::{MailReceived, Secret, Verified, Verifier, VerifyLayer};
use axum::{Router, extract::State, http::StatusCode, routing::post};
use tokio::{net::TcpListener, time::sleep};

struct Flaky {
    handled: File,
    fail: u64,
    hang: u64,
    next: AtomicU64,
}

async fn on_mail(
    State(flaky): State<Arc<Flaky>>,
    Verified(mail): Verified<MailReceived>,
) -> StatusCode {
    let percent = mix(flaky.next.fetch_add(1, Ordering::Relaxed)) % 100;
    if percent < flaky.fail {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    if percent < flaky.fail + flaky.hang {
        sleep(Duration::from_secs(3_600)).await;
    }
    // One write of a file that is opened for appending: a killed process leaves whole lines.
    match (&flaky.handled).write_all(format!("{}\n", mail.message_id).as_bytes()) {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// `SplitMix64`: each number gives one that looks random.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::new(Secret::from_env("WEBHOOK_SIGNING_SECRET")?);
    let flaky = Flaky {
        handled: File::options().create(true).append(true).open(env::var("HANDLED")?)?,
        fail: env::var("FAIL")?.parse()?,
        hang: env::var("HANG")?.parse()?,
        next: AtomicU64::new(env::var("SEED")?.parse()?),
    };
    let route = post(on_mail).route_layer(VerifyLayer::new(verifier));
    let app = Router::new().route("/agentmail/webhook", route).with_state(Arc::new(flaky));
    let listener = TcpListener::bind(env::var("LISTEN")?).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
