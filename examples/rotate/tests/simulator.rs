//! The receiver, driven by the simulator: it loads a new secret while it runs.

use std::{env, fs, process};

use agentmail_simulated::{Program, quick_retries, start, try_faults};
use agentmail_simulator::{DeliveryState, Mail};

#[tokio::test]
async fn a_rotation_is_followed_without_a_restart() {
    let file = env::temp_dir().join(format!("agentmail-rotate-simulator-{}", process::id()));
    let (_simulator, agent, secret) = start(quick_retries()).await;
    fs::write(&file, &secret).unwrap();
    let receiver = Program::new(env!("CARGO_BIN_EXE_rotate"))
        .with_variable("WEBHOOK_SIGNING_SECRET_FILE", &file)
        .with_variable("LOOK_EVERY_MILLISECONDS", "10")
        .start("not used");
    agent.set_webhook(receiver.url()).await.unwrap();
    let mail = || Mail::new("user@example.com");
    let first = agent.receive(mail()).await.unwrap();
    assert_eq!(first.delivery().await.unwrap().status(), Some(200));

    // The service has the new secret, and the receiver does not have it yet.
    let new_secret = agent.rotate_secret().await.unwrap();
    let refused = agent.receive(mail()).await.unwrap();
    let delivery = refused.delivery().await.unwrap();
    assert_eq!((delivery.state(), delivery.status()), (DeliveryState::Dead, Some(403)));

    fs::write(&file, new_secret).unwrap();
    // The receiver reads the file every 10 ms. Until then, the dead letter is refused again.
    while refused.delivery().await.unwrap().state() == DeliveryState::Dead {
        agent.redrive().await.unwrap();
    }

    for mail in [&first, &refused] {
        receiver.wait_for(mail.message_id());
        assert_eq!(receiver.handled(mail.message_id()), 1);
    }
    assert_eq!(agent.dead_letters().len(), 0);
    // The fault `old_secret` is accepted for a while after a rotation, so rotate twice.
    agent.rotate_secret().await.unwrap();
    fs::write(&file, agent.rotate_secret().await.unwrap()).unwrap();
    let ready = agent.receive(mail()).await.unwrap();
    while ready.delivery().await.unwrap().state() == DeliveryState::Dead {
        agent.redrive().await.unwrap();
    }
    try_faults(&agent, &receiver).await;

    fs::remove_file(&file).unwrap();
}
