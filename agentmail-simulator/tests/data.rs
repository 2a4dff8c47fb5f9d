//! What a data file keeps over a restart.
#![cfg(feature = "data")]
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::{path::Path, time::Duration};

use agentmail_simulator::{
    DeliveryState, Fault, FaultPlan, Mail, Retry, Rule, Simulator, SimulatorBuilder,
};
use serde_json::Value;
use support::{Endpoint, call, quick};

fn builder(folder: &Path, retry: Retry) -> SimulatorBuilder {
    Simulator::builder()
        .with_agent("my-agent", Some("token".to_owned()))
        .with_retry(retry)
        .with_data(folder.join("data.db"))
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start([500, 500, 500]).await;
    let simulator = builder(folder.path(), quick()).start().await.unwrap();
    let agent = simulator.agent("my-agent").await.unwrap();
    let secret = agent.set_webhook(&endpoint.url).await.unwrap();
    let dead = agent.receive(Mail::new("a@example.com").with_subject("dead")).await.unwrap();
    assert_eq!(dead.delivery().await.unwrap().state(), DeliveryState::Dead);
    let rule = Rule::new("all").with_agents_webhook().with_recipient("ops@example.com");
    agent.set_rules([rule]).await.unwrap();
    let mail = agent.receive(Mail::new("b@example.com")).await.unwrap();
    mail.delivery().await.unwrap();
    agent.set_fault(FaultPlan::new(Fault::Stale).with_seed(7)).await.unwrap();
    let paths = [
        "/webhook",
        "/notifications",
        "/messages",
        "/deliveries",
        "/dead-letters",
        "/outbox",
        "/faults",
    ];
    let mut before = Vec::new();
    for path in paths {
        before.push(call(&simulator, "GET", path, Value::Null).await.json());
    }
    simulator.stop().await;

    let simulator = builder(folder.path(), quick()).start().await.unwrap();

    for (path, before) in paths.iter().zip(before) {
        let after = call(&simulator, "GET", path, Value::Null).await.json();
        assert_eq!(after, before, "{path}");
    }
    let raw = format!("/messages/{}/raw", dead.message_id());
    assert!(call(&simulator, "GET", &raw, Value::Null).await.body.contains("Subject: dead"));
    let agent = simulator.agent("my-agent").await.unwrap();
    assert_eq!(agent.set_webhook(&endpoint.url).await.unwrap(), secret);
    agent.clear_faults().await.unwrap();
    assert_eq!(agent.redrive().await.unwrap(), 1);
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;
    assert_eq!(agent.dead_letters().len(), 0);
    // New ids continue after the old ones.
    let newest = agent.receive(Mail::new("c@example.com")).await.unwrap();
    assert_eq!(newest.delivery().await.unwrap().id(), "dlv-3");
}

#[tokio::test]
async fn a_pending_delivery_continues_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start([500]).await;
    let later = quick()
        .with_first_pause(Duration::from_secs(60))
        .with_longest_pause(Duration::from_secs(60));
    let simulator = builder(folder.path(), later).start().await.unwrap();
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_webhook(&endpoint.url).await.unwrap();
    let mail = agent.receive(Mail::new("a@example.com")).await.unwrap();
    while agent.deliveries()[0].attempts().len() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    simulator.stop().await;

    // The longest pause of this run is short, so the delivery is due soon.
    let simulator = builder(folder.path(), quick()).start().await.unwrap();
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;

    let agent = simulator.agent("my-agent").await.unwrap();
    let delivery = &agent.deliveries()[0];
    assert_eq!(
        (delivery.message_id(), delivery.state()),
        (mail.message_id(), DeliveryState::Delivered)
    );
    assert_eq!(delivery.attempts().map(|it| it.number()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(endpoint.got().len(), 2);
}

#[tokio::test]
async fn one_process_uses_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let first = builder(folder.path(), quick()).start().await.unwrap();

    let second = builder(folder.path(), quick()).start().await.unwrap_err();

    let source = std::error::Error::source(&second).unwrap().to_string();
    assert!(source.contains("another process uses it"), "{second}: {source}");
    first.stop().await;
    builder(folder.path(), quick()).start().await.unwrap().stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_file_and_the_mails() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let simulator = builder(folder.path(), quick()).start().await.unwrap();

    let mode = |name: &str| {
        let metadata = std::fs::metadata(folder.path().join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };

    assert_eq!((mode("data.db"), mode("data.db.mails")), (0o600, 0o700));
    simulator.stop().await;
}

#[tokio::test]
async fn removed_messages_are_removed_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = builder(folder.path(), quick()).with_max_messages(2).start().await.unwrap();
    let agent = simulator.agent("my-agent").await.unwrap();
    for _ in 0..5 {
        agent.receive(Mail::new("a@example.com")).await.unwrap();
    }
    simulator.stop().await;

    let simulator = builder(folder.path(), quick()).start().await.unwrap();

    let messages = call(&simulator, "GET", "/messages", Value::Null).await.json();
    assert_eq!(messages["messages"].as_array().unwrap().len(), 2);
    simulator.stop().await;
}
