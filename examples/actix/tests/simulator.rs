//! The receivers, driven by the simulator.

use agentmail_simulated::{Program, drive};

#[tokio::test]
async fn the_middleware_receives_what_the_simulator_sends() {
    drive(&Program::new(env!("CARGO_BIN_EXE_actix_middleware"))).await;
}

#[tokio::test]
async fn the_extractor_receives_what_the_simulator_sends() {
    drive(&Program::new(env!("CARGO_BIN_EXE_actix_extractor"))).await;
}
