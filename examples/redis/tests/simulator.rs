//! The receiver, driven by the simulator.

use agentmail_conformance::RedisServer;
use agentmail_simulated::{Program, drive, quick_retries, start};
use agentmail_simulator::{Fault, FaultPlan, Mail};

fn program(server: &RedisServer) -> Program {
    Program::new(env!("CARGO_BIN_EXE_axum_redis")).with_variable("REDIS_URL", server.url())
}

#[tokio::test]
async fn the_receiver_receives_what_the_simulator_sends() {
    let server = RedisServer::start(&[]).unwrap();
    drive(&program(&server)).await;
}

#[tokio::test]
async fn copies_and_replays_are_handled_once() {
    let server = RedisServer::start(&[]).unwrap();
    let (_simulator, agent, secret) = start(quick_retries()).await;
    // Both processes share the server.
    let receivers = [program(&server).start(&secret), program(&server).start(&secret)];
    for fault in [Fault::Duplicated, Fault::Replayed] {
        agent.set_fault(FaultPlan::new(fault).with_probability(0.5).with_seed(7)).await.unwrap();
    }

    let mut mails = Vec::new();
    for number in 0..40 {
        agent.set_webhook(receivers[number % 2].url()).await.unwrap();
        let mail = agent.receive(Mail::new("user@example.com")).await.unwrap();
        let delivery = mail.delivery().await.unwrap();
        assert_eq!(delivery.status(), Some(200), "{delivery:?}");
        mails.push(mail);
    }

    for mail in &mails {
        let handled: usize = receivers.iter().map(|it| it.handled(mail.message_id())).sum();
        assert_eq!(handled, 1, "{}", mail.message_id());
    }
}
