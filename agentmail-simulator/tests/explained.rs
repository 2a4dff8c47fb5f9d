//! What the API says for a person: the page, overviews, and explanations of attempts.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use serde_json::{Value, json};
use support::{Endpoint, Receiver, Reply, call, send, simulator};

async fn mail(simulator: &agentmail_simulator::Simulator, subject: &str) {
    let mail = json!({"from": "user@example.com", "subject": subject});
    assert_eq!(call(simulator, "POST", "/inbound", mail).await.status, 202);
    call(simulator, "GET", "/readyz?wait=30s", Value::Null).await;
}

async fn get(simulator: &agentmail_simulator::Simulator, path: &str) -> Reply {
    call(simulator, "GET", path, Value::Null).await
}

#[tokio::test]
async fn the_page_may_use_its_own_files_and_the_api_only() {
    let simulator = simulator().await;
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
    ] {
        let reply = send(&simulator, "GET", path, &[], Vec::new()).await;

        assert_eq!(
            (reply.status, &reply.headers["content-type"]),
            (200, &media_type.parse().unwrap())
        );
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(directive), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
    }
    let html = send(&simulator, "GET", "/", &[], Vec::new()).await.body;
    let script = send(&simulator, "GET", "/page.js", &[], Vec::new()).await.body;
    for text in [&html, &script] {
        assert!(!text.contains("//cdn") && !text.contains("https://"), "no other host is named");
        assert!(!text.contains(" onclick=") && !text.contains("style="), "nothing is inline");
    }
    for parser in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval("]
    {
        assert!(!script.contains(parser), "{parser}");
    }
    assert_eq!(send(&simulator, "POST", "/", &[], Vec::new()).await.status, 405);
}

#[tokio::test]
async fn an_overview_counts_filters_and_pages() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([500, 500, 500]).await);
    let other = simulator.agent("other").await.unwrap();
    other.set_webhook(&endpoint.url).await.unwrap();
    call(&simulator, "PUT", "/webhook", json!({"url": endpoint.url})).await;
    mail(&simulator, "dead").await;
    for subject in ["One", "two", "Übung"] {
        mail(&simulator, subject).await;
    }
    other.receive(agentmail_simulator::Mail::new("a@b.c")).await.unwrap();

    let all = get(&simulator, "/deliveries/overview").await.json();
    assert_eq!(all["counts"], json!({"pending": 0, "delivered": 3, "dead": 1}));
    assert_eq!(all["deliveries"].as_array().unwrap().len(), 4);
    let dead = &all["deliveries"][3];
    assert_eq!((&dead["status"], &dead["attempts_made"]), (&json!(500), &json!(3)));
    assert_eq!((&dead["subject"], &dead["sender"]), (&json!("dead"), &json!("user@example.com")));
    assert!(all["last_event"].as_u64().unwrap() > 0);

    for (query, subjects) in [
        ("state=dead", &["dead"][..]),
        ("text=ONE", &["One"]),
        ("text=%C3%BCbung", &["Übung"]),
        ("text=user@&limit=2", &["Übung", "two"]),
        ("text=nothing", &[]),
        ("rule_id=nothing", &[]),
    ] {
        let found = get(&simulator, &format!("/deliveries/overview?{query}")).await.json();
        let list = found["deliveries"].as_array().unwrap();
        let found_subjects: Vec<_> =
            list.iter().map(|it| it["subject"].as_str().unwrap()).collect();
        assert_eq!(found_subjects, subjects, "{query}");
        assert_eq!(found["more"], query.contains("limit"), "{query}");
    }
    let last = all["deliveries"][1]["delivery_id"].as_str().unwrap();
    let older =
        get(&simulator, &format!("/deliveries/overview?before={last}&limit=1")).await.json();
    assert_eq!((&older["deliveries"][0]["subject"], &older["more"]), (&json!("One"), &json!(true)));
    assert_eq!(get(&simulator, "/deliveries/overview?before=dlv-99").await.status, 404);
    assert_eq!(get(&simulator, "/deliveries/overview?limit=0").await.status, 400);
    let long = format!("/deliveries/overview?text={}", "a".repeat(201));
    assert_eq!(get(&simulator, &long).await.status, 400);
}

#[tokio::test]
async fn a_403_after_a_rotation_is_explained_and_a_redrive_delivers_it() {
    let (simulator, receiver) = (simulator().await, Receiver::start().await);
    let set = call(&simulator, "PUT", "/webhook", json!({"url": receiver.url})).await.json();
    receiver.set_secret(set["signing_secret"].as_str().unwrap());
    let set = call(&simulator, "PUT", "/webhook", json!({"rotate_secret": true})).await.json();
    let secret = set["signing_secret"].as_str().unwrap();
    mail(&simulator, "After the rotation").await;

    let reply = get(&simulator, "/deliveries/dlv-1/attempts/3").await;
    let explained = reply.json();

    assert_eq!(explained["attempt"]["number"], 3);
    let explanation = &explained["explanation"];
    assert_eq!(explanation["genuine"], true, "{explanation}");
    assert!(explanation["summary"].as_str().unwrap().contains("was rotated at"), "{explanation}");
    let titles: Vec<_> = explained["signature_steps"].as_array().unwrap().iter().collect();
    assert_eq!(titles.len(), 6, "{titles:?}");
    assert!(explained["curl"].as_str().unwrap().starts_with("curl "));
    assert!(explained["rust_test"].as_str().unwrap().contains("gets_200"));
    assert!(!reply.body.contains(secret), "the secret is not shown");

    receiver.set_secret(secret);
    call(&simulator, "POST", "/deliveries/dlv-1/redrive", Value::Null).await;
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;
    let explained = get(&simulator, "/deliveries/dlv-1/attempts/4").await.json();
    assert_eq!(explained["explanation"], Value::Null, "{explained}");
}

#[tokio::test]
async fn an_attempt_that_is_not_there_is_not_found() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([]).await);
    let other = simulator.agent("other").await.unwrap();
    other.set_webhook(&endpoint.url).await.unwrap();
    let mail = other.receive(agentmail_simulator::Mail::new("a@b.c")).await.unwrap();
    mail.delivery().await.unwrap();

    for path in [
        "/deliveries/dlv-1/attempts/1", // of another agent
        "/deliveries/dlv-2/attempts/1",
        "/deliveries/dlv-1/attempts/x",
        "/deliveries/dlv-1/attempts/99999999999",
        "/deliveries/%ff/attempts/1",
    ] {
        assert_eq!(get(&simulator, path).await.status, 404, "{path}");
    }
    let operator = send(&simulator, "GET", "/deliveries/dlv-1/attempts/1", &[], Vec::new()).await;
    assert_eq!(operator.status, 200);
    let operator = send(&simulator, "GET", "/deliveries/dlv-1/attempts/2", &[], Vec::new()).await;
    assert_eq!(operator.status, 404);
}

#[tokio::test]
async fn one_fault_is_removed_alone() {
    let simulator = simulator().await;
    for fault in ["stale", "forged"] {
        call(&simulator, "PUT", "/faults", json!({"fault": fault})).await;
    }

    let removed = call(&simulator, "DELETE", "/faults/stale", Value::Null).await;
    let again = call(&simulator, "DELETE", "/faults/stale", Value::Null).await;
    let unknown = call(&simulator, "DELETE", "/faults/rain", Value::Null).await;

    assert_eq!((removed.status, again.status, unknown.status), (204, 404, 404));
    let listed = get(&simulator, "/faults").await.json();
    assert_eq!(listed["faults"].as_array().unwrap().len(), 1);
    assert_eq!(listed["faults"][0]["fault"], "forged");
    assert_eq!(listed["available"].as_array().unwrap().len(), 15);
}
