//! The metrics of both adapters, of claims and of the inbox, as an exporter to Prometheus renders
//! them: values come out, and no request adds a series.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod apps;
mod exporter;
mod requests;

use std::time::Duration;

use agentmail_inbox::{Inbox, InboxConfig, testing::MemoryStore};

use crate::{
    apps::Apps,
    exporter::Exporter,
    requests::{Request, genuine, random},
};

/// One test, because a process has one recorder.
#[actix_web::test]
async fn values_come_out_of_the_exporter_and_random_requests_add_no_series() {
    let exporter = Exporter::install();
    agentmail_inbox::metrics::register();
    let every_fast = InboxConfig::default().with_sample_interval(Duration::from_millis(100));
    let inbox = Inbox::with_config(MemoryStore::new(), every_fast);
    let apps = Apps::new(&inbox).await;

    // Every series of a counter is there before the first request.
    for code in agentmail_receive::Refusal::CODES.iter().copied().chain(["accepted"]) {
        assert_eq!(exporter.value(&format!(r#"agentmail_deliveries_total{{code="{code}"}}"#)), 0.0);
    }
    let registered_at = exporter.value("agentmail_last_accepted_timestamp_seconds");
    assert!(registered_at > 1.7e9, "it does not begin at 0: {registered_at}");

    // A value comes out of each adapter.
    let accepted = r#"agentmail_deliveries_total{code="accepted"}"#;
    let mismatch = r#"agentmail_deliveries_total{code="mismatch"}"#;
    for (sent, forged) in [(1.0, 0.0), (2.0, 1.0)] {
        assert_eq!(exporter.value(mismatch), forged);
        let first = sent == 1.0;
        assert_eq!(apps.send(first, genuine()).await, 200);
        assert_eq!(exporter.value(accepted), sent);
        assert_eq!(apps.send(first, genuine().with_other_body()).await, 403);
    }
    assert_eq!(exporter.value(r#"agentmail_accepted_by_secret_total{secret="2026-11"}"#), 2.0);
    assert_eq!(exporter.value(r#"agentmail_events_total{type="mail.received"}"#), 2.0);
    assert_eq!(exporter.value(r#"agentmail_dedupe_total{outcome="completed"}"#), 2.0);
    let age = r#"agentmail_delivery_age_seconds_bucket{le="2"}"#;
    assert_eq!(exporter.value(age), 2.0, "a histogram has buckets");
    assert_eq!(exporter.value(r#"agentmail_inbox_stored_total{outcome="new"}"#), 2.0);
    inbox_is_worked_on(&inbox, &exporter).await;

    // One request of each kind, as the other requests are made of them.
    for first in [true, false] {
        for kind in 0..requests::KINDS {
            apps.send(first, random(kind)).await;
        }
    }
    let before = exporter.series();
    for number in 0..10_000_u32 {
        apps.send(number.is_multiple_of(2), random(fastrand::u32(0..requests::KINDS))).await;
    }
    let after = exporter.series();
    let added: Vec<_> = after.difference(&before).collect();
    assert!(added.is_empty(), "random requests have added series: {added:#?}");

    let text = exporter.render();
    assert!(text.contains("agentmail_tenant_lookups_total{outcome=\"unknown\"}"), "{text}");
    assert!(!text.contains(Request::MARK), "a label has a text of a request: {text}");
    let refused = exporter.value(mismatch);
    assert!(refused > 100.0 && exporter.value(accepted) > 100.0, "the requests vary: {text}");
}

/// A message fails, then succeeds, and one is dead.
async fn inbox_is_worked_on(inbox: &Inbox, exporter: &Exporter) {
    let failing = inbox.worker(async |message: agentmail_inbox::Message| match message.attempt() {
        1 => Err("once"),
        _ => Ok(()),
    });
    let backoff = agentmail_inbox::Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let workers = failing.with_backoff(backoff).with_concurrency(1).spawn();
    let done = r#"agentmail_inbox_attempts_total{outcome="done"}"#;
    exporter.wait_for(done, 2.0).await;
    assert_eq!(exporter.value(r#"agentmail_inbox_attempts_total{outcome="failed"}"#), 2.0);
    assert_eq!(exporter.value("agentmail_inbox_latency_seconds_count"), 2.0);
    assert_eq!(exporter.value("agentmail_inbox_attempt_duration_seconds_count"), 4.0);
    let take = r#"agentmail_store_duration_seconds_count{op="take",store="memory"}"#;
    assert!(exporter.value(take) > 0.0);
    workers.drain(Duration::from_secs(10)).await;

    let message = agentmail_inbox::NewMessage::new(
        agentmail_inbox::MessageKey::from_bytes([9; 32]),
        "mail.received",
        r#"{"type":"mail.received","agent_id":"a","message_id":"m"}"#,
    );
    inbox.store_message(message).await.unwrap();
    exporter.wait_for(r#"agentmail_inbox_messages{state="due"}"#, 1.0).await;
    assert!(exporter.value("agentmail_inbox_oldest_due_seconds") > 0.0);
    let fails = async |_: agentmail_inbox::Message| -> Result<(), &str> { Err("always") };
    inbox.worker(fails).with_attempts(1).run_once().await.unwrap();
    assert_eq!(exporter.value(r#"agentmail_inbox_attempts_total{outcome="dead"}"#), 1.0);
    exporter.wait_for(r#"agentmail_inbox_messages{state="dead"}"#, 1.0).await;
    exporter.wait_for(r#"agentmail_inbox_messages{state="due"}"#, 0.0).await;
}
