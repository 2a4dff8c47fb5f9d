use std::time::Duration;

use agentmail_simulator::{
    Agent, Delivery, DeliveryState, Mail, ReceivedMail, Retry, Simulator, SimulatorBuilder,
};

use crate::{faults::try_faults, receiver::Program};

/// A URL at which nothing listens, to get a secret before the receiver starts.
const NOWHERE: &str = "http://127.0.0.1:9/";

/// Retries that take milliseconds.
pub fn quick_retries() -> Retry {
    Retry::new()
        .with_attempts(3)
        .with_first_pause(Duration::from_millis(5))
        .with_longest_pause(Duration::from_millis(20))
}

/// Starts a simulator with an agent that has a webhook. Returns the secret too.
pub async fn start(retry: Retry) -> (Simulator, Agent, String) {
    start_with(Simulator::builder().with_retry(retry)).await
}

async fn start_with(builder: SimulatorBuilder) -> (Simulator, Agent, String) {
    let simulator = builder.start().await.unwrap();
    let agent = simulator.agent("my-agent").await.unwrap();
    let secret = agent.set_webhook(NOWHERE).await.unwrap();
    (simulator, agent, secret)
}

/// Drives a receiver that takes its secret from the environment: configuration, mail in, delivery,
/// rotation, failure, retry, dead letter queue, redrive, and each fault.
pub async fn drive(program: &Program) {
    drive_with(program, Simulator::builder).await;
}

/// The same with these settings of the simulator.
pub async fn drive_with(program: &Program, builder: impl Fn() -> SimulatorBuilder) {
    let (_simulator, agent, secret) = start_with(builder().with_retry(quick_retries())).await;

    let receiver = program.start(&secret);
    agent.set_webhook(receiver.url()).await.unwrap();
    let (mail, delivery) = receive(&agent).await;
    assert_eq!((delivery.state(), delivery.status()), (DeliveryState::Delivered, Some(200)));
    receiver.wait_for(mail.message_id());

    // The receiver has the old secret: all attempts fail.
    let new_secret = agent.rotate_secret().await.unwrap();
    let (refused, delivery) = receive(&agent).await;
    let statuses: Vec<_> = delivery.attempts().map(|attempt| attempt.status()).collect();
    assert_eq!((delivery.state(), statuses), (DeliveryState::Dead, vec![Some(403); 3]));
    assert_eq!(receiver.handled(refused.message_id()), 0);

    // The receiver is down: all attempts fail.
    drop(receiver);
    let (lost, delivery) = receive(&agent).await;
    assert_eq!((delivery.state(), delivery.status()), (DeliveryState::Dead, None));

    // With the new secret, the dead letters arrive.
    let receiver = program.start(&new_secret);
    agent.set_webhook(receiver.url()).await.unwrap();
    assert_eq!(agent.redrive().await.unwrap(), 2);
    for mail in [&refused, &lost] {
        let delivery = mail.delivery().await.unwrap();
        assert_eq!(delivery.state(), DeliveryState::Delivered, "{delivery:?}");
        receiver.wait_for(mail.message_id());
    }
    assert_eq!(agent.dead_letters().len(), 0);

    try_faults(&agent, &receiver).await;
    drop(receiver);
    retry_after_a_restart(program, builder()).await;
}

/// A delivery whose first attempts fail, because the receiver is down, arrives by a retry.
async fn retry_after_a_restart(program: &Program, builder: SimulatorBuilder) {
    let pause = Duration::from_millis(200);
    let patient = quick_retries().with_attempts(100).with_first_pause(pause);
    let builder = builder.with_retry(patient.with_longest_pause(pause));
    let (_simulator, agent, secret) = start_with(builder).await;
    let mail = agent.receive(Mail::new("user@example.com")).await.unwrap();
    while agent.deliveries().iter().all(|delivery| delivery.attempts().len() < 2) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let receiver = program.start(&secret);
    agent.set_webhook(receiver.url()).await.unwrap();

    let delivery = mail.delivery().await.unwrap();
    assert_eq!(delivery.state(), DeliveryState::Delivered);
    assert!(delivery.attempts().len() > 2, "{delivery:?}");
    receiver.wait_for(mail.message_id());
}

/// Lets the agent receive a mail, and waits until it is settled.
pub(crate) async fn receive(agent: &Agent) -> (ReceivedMail, Delivery) {
    let mail = Mail::new("user@example.com").with_subject("Quarterly planning notes");
    let mail = agent.receive(mail).await.unwrap();
    let delivery = mail.delivery().await.unwrap();
    (mail, delivery)
}
