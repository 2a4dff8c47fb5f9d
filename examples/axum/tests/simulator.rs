//! The receivers, driven by the simulator.

use agentmail_simulated::{Program, drive};

#[tokio::test]
async fn the_layer_receives_what_the_simulator_sends() {
    drive(&Program::new(env!("CARGO_BIN_EXE_axum_layer"))).await;
}

#[tokio::test]
async fn the_extractor_receives_what_the_simulator_sends() {
    drive(&Program::new(env!("CARGO_BIN_EXE_axum_extractor"))).await;
}
