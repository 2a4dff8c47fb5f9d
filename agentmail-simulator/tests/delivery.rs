//! From a mail to a receiver: deliveries, retries, the dead letter queue, redrive.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::time::Duration;

use agentmail_axum::Event;
use agentmail_simulator::{DeliveryState, Fault, FaultPlan, Mail, Rule, Simulator};
use support::{Endpoint, Receiver, quick, simulator};

fn mail() -> Mail {
    Mail::new("user@example.com").with_subject("Quarterly planning notes").with_text("Hello")
}

#[tokio::test]
async fn a_mail_arrives_typed_at_a_receiver() {
    let (simulator, receiver) = (simulator().await, Receiver::start().await);
    let agent = simulator.agent("my-agent").await.unwrap();
    receiver.set_secret(&agent.set_webhook(&receiver.url).await.unwrap());

    let received = agent.receive(mail()).await.unwrap();
    let delivery = received.delivery().await.unwrap();

    assert_eq!((delivery.state(), delivery.status()), (DeliveryState::Delivered, Some(200)));
    let [Event::MailReceived(mail)] = &receiver.events()[..] else { panic!("one mail") };
    assert_eq!(
        (mail.agent_id.as_str(), mail.message_id.as_str()),
        ("my-agent", received.message_id())
    );
    assert_eq!(mail.subject.as_deref(), Some("Quarterly planning notes"));
    assert!(mail.sender_verified);
    assert_eq!(mail.mistyped_fields().count(), 0);
    let file = simulator.bucket_folder().join(mail.s3_key.as_deref().unwrap());
    let raw = std::fs::read_to_string(file).unwrap();
    assert!(raw.contains("Subject: Quarterly planning notes") && raw.contains("Hello"), "{raw}");
}

#[tokio::test]
async fn a_delivery_that_fails_is_retried_with_a_fresh_signature() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([500, 403]).await);
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_webhook(&endpoint.url).await.unwrap();

    let delivery = agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    assert_eq!(delivery.state(), DeliveryState::Delivered);
    let statuses: Vec<_> = delivery.attempts().map(|attempt| attempt.status()).collect();
    assert_eq!(statuses, [Some(500), Some(403), Some(200)]);
    let bodies: Vec<_> = endpoint.got().into_iter().map(|got| got.body).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[tokio::test]
async fn after_the_last_attempt_a_delivery_is_a_dead_letter_and_can_be_redriven() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([503, 503, 500, 500]).await);
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_webhook(&endpoint.url).await.unwrap();

    let received = agent.receive(mail()).await.unwrap();
    let delivery = received.delivery().await.unwrap();
    assert_eq!(delivery.state(), DeliveryState::Dead);
    assert_eq!(
        delivery.reason(),
        Some("3 attempts failed; the last one: the response had the status 500")
    );
    assert_eq!(agent.dead_letters().len(), 1);

    assert_eq!(agent.redrive().await.unwrap(), 1);
    let delivery = received.delivery().await.unwrap();

    assert_eq!((delivery.state(), delivery.reason()), (DeliveryState::Delivered, None));
    let numbers: Vec<_> = delivery.attempts().map(|attempt| attempt.number()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!((agent.dead_letters().len(), agent.redrive().await.unwrap()), (0, 0));
}

#[tokio::test]
async fn after_a_rotation_deliveries_need_the_new_secret() {
    let (simulator, receiver) = (simulator().await, Receiver::start().await);
    let agent = simulator.agent("my-agent").await.unwrap();
    let first = agent.set_webhook(&receiver.url).await.unwrap();
    receiver.set_secret(&first);
    agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    let second = agent.rotate_secret().await.unwrap();
    let refused = agent.receive(mail()).await.unwrap();
    assert_eq!(refused.delivery().await.unwrap().status(), Some(403));
    assert_ne!(first, second);
    assert_eq!(second.len(), 64, "32 bytes as hex digits");

    receiver.set_secret(&second);
    agent.redrive().await.unwrap();
    assert_eq!(refused.delivery().await.unwrap().state(), DeliveryState::Delivered);
    assert_eq!(receiver.message_ids().last().unwrap(), refused.message_id());
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_a_reason() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let simulator = simulator().await;
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_webhook(&url).await.unwrap();

    let delivery = agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    assert_eq!((delivery.state(), delivery.status()), (DeliveryState::Dead, None));
    let reason = delivery.reason().unwrap();
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([301, 302, 307]).await);
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_webhook(&endpoint.url).await.unwrap();

    let delivery = agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    assert_eq!((delivery.state(), delivery.status()), (DeliveryState::Dead, Some(307)));
}

#[tokio::test]
async fn an_endpoint_that_hangs_does_not_delay_others() {
    // It accepts connections, and never responds.
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = format!("http://{}/", hanging.local_addr().unwrap());
    let (simulator, receiver) = (simulator().await, Receiver::start().await);
    let agent = simulator.agent("my-agent").await.unwrap();
    let other = simulator.agent("other").await.unwrap();
    agent.set_webhook(&slow).await.unwrap();
    receiver.set_secret(&other.set_webhook(&receiver.url).await.unwrap());
    for _ in 0..100 {
        agent.receive(mail()).await.unwrap();
    }

    let delivery = other.receive(mail()).await.unwrap().delivery().await.unwrap();

    assert_eq!(delivery.state(), DeliveryState::Delivered);
    let pending =
        |delivery: &agentmail_simulator::Delivery| delivery.state() == DeliveryState::Pending;
    assert_eq!(agent.deliveries().iter().filter(|it| pending(it)).count(), 100);
}

#[tokio::test]
async fn an_attempt_ends_at_its_timeout() {
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", hanging.local_addr().unwrap());
    let retry = quick().with_timeout(Duration::from_millis(20)).with_attempts(2);
    let simulator = Simulator::builder().with_retry(retry).start().await.unwrap();
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_webhook(&url).await.unwrap();

    let delivery = agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    let reason = delivery.reason().unwrap();
    assert!(reason.contains("no complete response within 20ms"), "{reason}");
}

#[tokio::test]
async fn with_keep_timestamp_a_retry_repeats_the_headers() {
    let endpoint = Endpoint::start([500, 500]).await;
    let retry = quick().with_keep_timestamp(true).with_first_pause(Duration::from_millis(1_100));
    let retry = retry.with_longest_pause(Duration::from_millis(1_100));
    let simulator = Simulator::builder().with_retry(retry).start().await.unwrap();
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_webhook(&endpoint.url).await.unwrap();

    agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    let header = |name: &str| -> Vec<_> {
        endpoint.got().iter().map(|got| got.headers[name].clone()).collect()
    };
    for name in ["x-agentmail-timestamp", "x-agentmail-signature"] {
        let values = header(name);
        assert_eq!(values.len(), 3);
        assert!(values.iter().all(|value| *value == values[0]), "{name}: {values:?}");
    }
}

#[tokio::test]
async fn rules_route_to_webhooks_and_to_recipients() {
    let (simulator, partners, all) =
        (simulator().await, Endpoint::start([]).await, Endpoint::start([]).await);
    let agent = simulator.agent("my-agent").await.unwrap();
    let rules = [
        Rule::new("partners").with_sender_domain("example.com").with_webhook(&partners.url),
        Rule::new("all").with_webhook(&all.url).with_recipient("ops@example.org"),
        Rule::new("unverified").with_sender_verified(false).with_recipient("abuse@example.org"),
    ];
    agent.set_rules(rules).await.unwrap();

    let received = agent.receive(mail()).await.unwrap();
    let deliveries = received.settled().await.unwrap();
    let other = agent.receive(Mail::new("user@example.net")).await.unwrap();
    other.settled().await.unwrap();

    let rule_ids: Vec<_> = deliveries.iter().map(|delivery| delivery.rule_id()).collect();
    assert_eq!(rule_ids, [Some("partners"), Some("all")]);
    assert_eq!((partners.got().len(), all.got().len()), (1, 2));
    assert_eq!(agent.recipients(received.message_id()), ["ops@example.org"]);
    let unmatched: Vec<_> = other.unmatched_rules().collect();
    assert_eq!(
        unmatched,
        [("partners", vec!["sender_domains"]), ("unverified", vec!["sender_verified"])]
    );
}

#[tokio::test]
async fn a_rules_webhook_without_a_secret_is_delivered_unsigned() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([]).await);
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_rules([Rule::new("all").with_webhook(&endpoint.url)]).await.unwrap();

    agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    let got = &endpoint.got()[0].headers;
    assert_eq!(got["x-agentmail-unsigned"], "1");
    assert!(!got.contains_key("x-agentmail-signature"));
}

#[tokio::test]
async fn a_delivery_whose_webhook_is_removed_is_a_dead_letter() {
    let endpoint = Endpoint::start([500]).await;
    let retry = quick()
        .with_first_pause(Duration::from_millis(300))
        .with_longest_pause(Duration::from_secs(1));
    let simulator = Simulator::builder().with_retry(retry).start().await.unwrap();
    let agent = simulator.agent("my-agent").await.unwrap();
    agent.set_webhook(&endpoint.url).await.unwrap();
    let received = agent.receive(mail()).await.unwrap();
    while endpoint.got().is_empty() {
        tokio::task::yield_now().await;
    }

    agent.remove_webhook().await.unwrap();
    let delivery = received.delivery().await.unwrap();

    assert_eq!(delivery.reason(), Some("its rule or webhook was removed, or is not enabled"));
    assert_eq!(endpoint.got().len(), 1);
}

#[tokio::test]
async fn a_fault_of_the_first_attempt_is_followed_by_a_good_retry() {
    let (simulator, receiver) = (simulator().await, Receiver::start().await);
    let agent = simulator.agent("my-agent").await.unwrap();
    receiver.set_secret(&agent.set_webhook(&receiver.url).await.unwrap());
    agent.set_fault(FaultPlan::new(Fault::Forged).with_first_attempts(1)).await.unwrap();

    let delivery = agent.receive(mail()).await.unwrap().delivery().await.unwrap();

    let attempts: Vec<_> = delivery.attempts().map(|it| (it.fault(), it.status())).collect();
    assert_eq!(attempts, [(Some(Fault::Forged), Some(403)), (None, Some(200))]);
}
