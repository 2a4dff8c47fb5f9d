//! A scan of each view with axe-core. `AXE` is the path of its script.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use agentmail_page::{Browser, Hand, Look, World};
use agentmail_simulator::{Fault, FaultPlan, Mail, Rule};
use serde_json::{Value, json};

/// An attempt is loaded when it is opened.
const LOADED: &str = "return [...document.querySelectorAll('details.attempt')] \
    .every((it) => it.querySelector('.inside') !== null)";

/// Returns what axe-core finds in the page, each finding with its first element.
async fn findings(browser: &Browser, axe: &str) -> Vec<String> {
    browser.run(axe, &[]).await;
    let scan = "const done = arguments[0]; \
        axe.run().then((it) => done(it.violations), (it) => done(`${it}`))";
    let violations = browser.run_async(scan).await;
    let violations = violations.as_array().unwrap_or_else(|| panic!("{violations}"));
    let text = |it: &Value| {
        format!("{} {}: {} {}", it["impact"], it["id"], it["help"], it["nodes"][0]["html"])
    };
    violations.iter().map(text).collect()
}

#[tokio::test]
async fn axe_core_finds_nothing_in_any_view() {
    let path = std::env::var("AXE").expect("AXE is the path of axe.min.js");
    let axe = std::fs::read_to_string(path).unwrap();
    let world = World::start().await;
    let url = world.simulator.url();
    let browser = Browser::open(&url, Hand::Mouse, Look::WIDE).await;
    browser.see("Three steps lead").await;
    let mut found = Vec::new();
    let mut scanned = 0;
    for look in [Look::WIDE, Look::WIDE.in_dark()] {
        browser.look(look).await;
        found.extend(findings(&browser, &axe).await.into_iter().map(|it| format!("empty: {it}")));
    }

    world.connect().await;
    let partners =
        Rule::new("partners").with_sender_domain("partner.example").with_recipient("a@b.c");
    world.agent.set_rules([partners, Rule::new("all").with_agents_webhook()]).await.unwrap();
    for subject in ["One", "שלום עולם"] {
        let mail = Mail::new("user@partner.example").with_subject(subject);
        world.agent.receive(mail).await.unwrap().delivery().await.unwrap();
    }
    world.agent.set_fault(FaultPlan::new(Fault::Stale)).await.unwrap();
    let dead =
        world.agent.receive(Mail::new("user@example.com").with_subject("Stale")).await.unwrap();
    dead.delivery().await.unwrap();
    for look in [Look::WIDE, Look::WIDE.in_dark(), Look::PHONE, Look::PHONE.in_dark()] {
        browser.look(look).await;
        let mail = format!("mails/{}", dead.message_id());
        for view in [
            "deliveries",
            "deliveries/dlv-3",
            &mail,
            "mails",
            "dead-letters",
            "rules",
            "rules/partners",
            "webhook",
            "faults",
            "activity",
            "about",
            "compose",
        ] {
            browser.goto("about:blank").await;
            browser.goto(&format!("{url}/#/my-agent/{view}")).await;
            browser.see_in("#stream", "Live").await;
            browser.until("return document.querySelector('main h1') !== null").await;
            // What is closed is scanned too.
            browser
                .run(
                    "document.querySelectorAll('details').forEach((it) => { it.open = true; })",
                    &[],
                )
                .await;
            browser.until(LOADED).await;
            found.extend(
                findings(&browser, &axe)
                    .await
                    .into_iter()
                    .map(|it| format!("{view}, {look:?}: {it}")),
            );
            scanned += 1;
        }
    }

    // The scan sees a fault that is planted.
    browser
        .run(
            "document.body.append(document.createElement('input'), document.createElement('img'))",
            &[],
        )
        .await;
    assert!(findings(&browser, &axe).await.len() >= 2, "a planted fault is found");
    let none: &[String] = &[];
    assert_eq!(found, none, "{}", json!(found));
    println!("{scanned} views scanned");
    browser.close().await;
}
