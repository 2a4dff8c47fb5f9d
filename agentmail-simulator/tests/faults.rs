//! Each fault against a receiver that verifies, and runs that are repeated.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::{sync::Arc, time::Duration};

use agentmail_axum::{Event, Secret, Verified, Verifier, VerifyLayer, WebhookConfig};
use agentmail_simulator::{Agent, DeliveryState, Fault, FaultPlan, Mail, Simulator};
use axum::{Router, routing::post};
use support::{Endpoint, Receiver, quick, simulator};
use tokio::net::TcpListener;

fn mail() -> Mail {
    Mail::new("user@example.com").with_subject("Séance, 10 °C")
}

async fn alone(receiver: &Receiver, plan: FaultPlan) -> (Simulator, Agent) {
    let simulator =
        Simulator::builder().with_retry(quick().with_attempts(1)).start().await.unwrap();
    let agent = simulator.agent("my-agent").await.unwrap();
    receiver.set_secret(&agent.set_webhook(&receiver.url).await.unwrap());
    agent.set_fault(plan).await.unwrap();
    (simulator, agent)
}

#[tokio::test]
async fn a_receiver_refuses_what_it_must() {
    for (fault, statuses) in [
        (Fault::Forged, &[Some(403)][..]),
        (Fault::Stale, &[Some(403)]),
        (Fault::Future, &[Some(403)]),
        (Fault::Unsigned, &[Some(403)]),
        (Fault::Replayed, &[Some(200), Some(200)]),
        (Fault::Duplicated, &[Some(200), Some(200)]),
        (Fault::Truncated, &[Some(403)]),
        (Fault::Oversized, &[Some(413)]),
        (Fault::WrongAgentId, &[Some(200)]),
        (Fault::OldSecret, &[Some(403)]),
        (Fault::RecodedBody, &[Some(403)]),
        (Fault::FieldType, &[Some(200)]),
    ] {
        let receiver = Receiver::start().await;
        let (_simulator, agent) = alone(&receiver, FaultPlan::new(fault)).await;

        let delivery = agent.receive(mail()).await.unwrap().delivery().await.unwrap();

        let attempt = delivery.attempts().next().unwrap();
        assert_eq!(attempt.fault(), Some(fault));
        assert_eq!(attempt.statuses(), statuses, "{fault}");
        let accepted = statuses.iter().filter(|status| **status == Some(200)).count();
        assert_eq!(receiver.events().len(), accepted, "{fault}");
    }
}

#[tokio::test]
async fn a_field_of_another_type_is_treated_as_absent() {
    let receiver = Receiver::start().await;
    let (_simulator, agent) = alone(&receiver, FaultPlan::new(Fault::FieldType)).await;

    agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    let [Event::MailReceived(mail)] = &receiver.events()[..] else { panic!("one mail") };
    let mistyped: Vec<_> = mail.mistyped_fields().collect();
    assert_eq!(mistyped, ["timestamp", "rate_limited"]);
}

#[tokio::test]
async fn the_old_secret_is_that_before_the_last_rotation() {
    let receiver = Receiver::start().await;
    let (_simulator, agent) = alone(&receiver, FaultPlan::new(Fault::OldSecret)).await;
    let old = agent.set_webhook(&receiver.url).await.unwrap();
    agent.rotate_secret().await.unwrap();
    receiver.set_secret(&old);

    let delivery = agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    assert_eq!(delivery.status(), Some(200));
}

/// A receiver with a short timeout for bodies.
async fn strict(secret: &str) -> String {
    let config = WebhookConfig::new(Verifier::new(Secret::new(secret).unwrap()))
        .with_body_timeout(Duration::from_millis(50));
    let on_event = async |Verified(_): Verified<Event>| {};
    let router = Router::new().route("/", post(on_event).route_layer(VerifyLayer::new(config)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn a_slow_body_and_a_cut_connection_do_not_reach_the_handler() {
    for (fault, status) in [(Fault::SlowBody, Some(408)), (Fault::ConnectionCut, None)] {
        let simulator = simulator().await;
        let agent = simulator.agent("my-agent").await.unwrap();
        let secret = agent.set_webhook("http://127.0.0.1:1/").await.unwrap();
        let url = strict(&secret).await;
        agent.set_webhook(&url).await.unwrap();
        agent.set_fault(FaultPlan::new(fault).with_first_attempts(1)).await.unwrap();

        let delivery = agent.receive(mail()).await.unwrap().delivery().await.unwrap();

        let statuses: Vec<_> = delivery.attempts().map(|attempt| attempt.status()).collect();
        // A cut connection may also get the status that the receiver sends in time.
        let first = statuses[0];
        assert!(first == status || fault == Fault::ConnectionCut && first != Some(200), "{fault}");
        assert_eq!(statuses[1], Some(200), "{fault}: a good retry follows");
    }
}

#[tokio::test]
async fn a_replay_is_an_earlier_request_byte_for_byte() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([]).await);
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_webhook(&endpoint.url).await.unwrap();
    agent.receive(mail()).await.unwrap().delivery().await.unwrap();
    agent.set_fault(FaultPlan::new(Fault::Replayed)).await.unwrap();

    agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    let got = endpoint.got();
    assert_eq!(got.len(), 3);
    assert_eq!(got[2].body, got[0].body);
    for name in ["x-agentmail-timestamp", "x-agentmail-signature"] {
        assert_eq!(got[2].headers[name], got[0].headers[name], "{name}");
    }
    assert_ne!(got[2].body, got[1].body);
}

#[tokio::test]
async fn a_reordered_delivery_follows_the_next_one() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([]).await);
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_webhook(&endpoint.url).await.unwrap();
    agent.set_fault(FaultPlan::new(Fault::Reordered)).await.unwrap();
    let first = agent.receive(mail()).await.unwrap();
    agent.clear_faults().await.unwrap();

    let second = agent.receive(mail()).await.unwrap();
    first.delivery().await.unwrap();

    let ids: Vec<_> = endpoint
        .got()
        .iter()
        .map(|got| got.json()["message_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, [second.message_id(), first.message_id()]);
}

/// The number of each mail, and the faults of its attempts.
async fn run(seed: u64) -> Vec<Vec<Option<Fault>>> {
    let (simulator, receiver) = (simulator().await, Receiver::start().await);
    let agent = simulator.agent("my-agent").await.unwrap();
    receiver.set_secret(&agent.set_webhook(&receiver.url).await.unwrap());
    for (fault, probability) in [
        (Fault::Forged, 0.2),
        (Fault::Stale, 0.2),
        (Fault::Duplicated, 0.2),
        (Fault::Truncated, 0.1),
    ] {
        let plan = FaultPlan::new(fault).with_probability(probability).with_seed(seed);
        agent.set_fault(plan).await.unwrap();
    }
    let agent = Arc::new(agent);
    for _ in 0..200 {
        agent.receive(mail()).await.unwrap();
    }
    loop {
        let deliveries = agent.deliveries();
        if deliveries.iter().all(|delivery| delivery.state() != DeliveryState::Pending) {
            let faults =
                |it: &agentmail_simulator::Delivery| it.attempts().map(|it| it.fault()).collect();
            return deliveries.iter().map(faults).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults_in_another_run() {
    let (first, second, other) = tokio::join!(run(7), run(7), run(8));

    assert_eq!(first, second);
    assert_ne!(first, other);
    let faulty = first.iter().flatten().filter(|fault| fault.is_some()).count();
    assert!(faulty > 50, "{faulty} attempts with faults");
}
