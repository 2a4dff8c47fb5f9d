//! The receivers, driven by the simulator.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{env, fs, process};

use agentmail_simulated::{Program, drive};

async fn drive_with_inbox(binary: &'static str, name: &str) {
    let folder = env::temp_dir().join(format!("agentmail-metrics-{name}-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();

    let program = Program::new(binary).with_variable("METRICS", "127.0.0.1:0");
    drive(&program.with_variable("INBOX", folder.join("inbox.db"))).await;

    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn the_receiver_in_axum_receives_what_the_simulator_sends() {
    drive_with_inbox(env!("CARGO_BIN_EXE_metrics_axum"), "axum").await;
}

#[tokio::test]
async fn the_receiver_in_actix_web_receives_what_the_simulator_sends() {
    drive_with_inbox(env!("CARGO_BIN_EXE_metrics_actix"), "actix").await;
}
