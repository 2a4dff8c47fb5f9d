//! Every code of a refusal is in the README's table and in the troubleshooting page, and the
//! examples do what the README asks of a handler.

use std::fs;

use agentmail_receive::{Refusal, diagnosis::Cause};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn every_code_is_in_a_table_of_the_readme_and_of_troubleshooting() {
    for page in ["README.md", "docs/troubleshooting.md"] {
        let text = fs::read_to_string(format!("{ROOT}/{page}")).unwrap();
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();

        for code in Refusal::CODES {
            let cell = format!("`{code}`");
            assert!(rows.iter().any(|row| row.contains(&cell)), "{page} has no row for {code}");
        }
    }
}

#[test]
fn every_cause_of_a_diagnosis_is_in_a_table_of_troubleshooting() {
    let text = fs::read_to_string(format!("{ROOT}/docs/troubleshooting.md")).unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();

    for code in Cause::CODES {
        let cell = format!("`{code}`");
        assert!(rows.iter().any(|row| row.contains(&cell)), "there is no row for {code}");
    }
}

#[test]
fn every_receiver_checks_the_sender_before_it_acts() {
    for receiver in [
        "actix/src/bin/actix_extractor.rs",
        "actix/src/bin/actix_middleware.rs",
        "axum/src/bin/axum_extractor.rs",
        "axum/src/bin/axum_layer.rs",
        "inbox/src/main.rs",
        "metrics/src/bin/metrics_actix.rs",
        "metrics/src/bin/metrics_axum.rs",
        "redis/src/bin/axum_redis.rs",
        "rotate/src/main.rs",
    ] {
        let source = fs::read_to_string(format!("{ROOT}/examples/{receiver}")).unwrap();

        let guard = "Event::MailReceived(mail) if mail.sender_verified";
        assert!(source.contains(guard), "{receiver}");
    }
}
