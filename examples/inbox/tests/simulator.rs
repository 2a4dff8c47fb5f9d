//! The receiver, driven by the simulator.

use std::{env, fs, process};

use agentmail_simulated::{Program, drive};

#[tokio::test]
async fn the_inbox_receives_what_the_simulator_sends() {
    let folder = env::temp_dir().join(format!("agentmail-inbox-simulator-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();

    let program = Program::new(env!("CARGO_BIN_EXE_transactional_inbox"));
    drive(&program.with_variable("INBOX", folder.join("inbox.db"))).await;

    fs::remove_dir_all(&folder).unwrap();
}
