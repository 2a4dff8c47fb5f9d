//! The API as an HTTP client sees it.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::collections::BTreeSet;

use agentmail_simulator::Simulator;
use serde_json::{Value, json};
use support::{Endpoint, call, quick, send, simulator};

fn field(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn the_secret_is_shown_at_the_first_setup_and_at_a_rotation_only() {
    let simulator = simulator().await;
    let url = "https://example.com/agentmail/webhook";
    let setup = json!({"url": url, "enabled": true});

    let first = call(&simulator, "PUT", "/webhook", setup.clone()).await.json();
    let again = call(&simulator, "PUT", "/webhook", setup).await.json();
    let shown = call(&simulator, "GET", "/webhook", Value::Null).await.json();
    let rotated = json!({"url": url, "enabled": true, "rotate_secret": true});
    let rotated = call(&simulator, "PUT", "/webhook", rotated).await.json();

    assert_eq!(again, json!({"url": url, "enabled": true}));
    assert_eq!(shown, again);
    let (old, new) = (field(&first, "signing_secret"), field(&rotated, "signing_secret"));
    assert_ne!(old, new);
    for secret in [old, new] {
        let is_hex = secret.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert_eq!((secret.len(), is_hex), (64, true), "32 bytes as hex digits");
    }

    let removed = call(&simulator, "DELETE", "/webhook", Value::Null).await;
    assert_eq!((removed.status, removed.body.as_str()), (204, ""));
    assert_eq!(call(&simulator, "GET", "/webhook", Value::Null).await.status, 404);
    assert_eq!(call(&simulator, "DELETE", "/webhook", Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_wrong_request_gets_a_400_that_names_the_field() {
    let simulator = simulator().await;
    for (name, method, path, body, field) in [
        ("plain HTTP", "PUT", "/webhook", json!({"url": "http://example.com/"}), Some("url")),
        ("no URL", "PUT", "/webhook", json!({"enabled": true}), Some("url")),
        ("another type", "PUT", "/webhook", json!({"enabled": "yes"}), Some("enabled")),
        ("an unknown field", "PUT", "/webhook", json!({"urls": "a"}), Some("urls")),
        ("a list", "PUT", "/webhook", json!([]), None),
        ("two ids", "PUT", "/notifications", json!([{"id": "a"}, {"id": "a"}]), Some("[1].id")),
        ("no sender", "POST", "/inbound", json!({"subject": "a"}), Some("from")),
        ("no address", "POST", "/inbound", json!({"from": "a"}), Some("from")),
        ("no fault", "PUT", "/faults", json!({"probability": 1.0}), Some("fault")),
        ("an unknown fault", "PUT", "/faults", json!({"fault": "rain"}), Some("fault")),
        (
            "a seed that JavaScript cannot read exactly",
            "PUT",
            "/faults",
            json!({"fault": "stale", "seed": 1_u64 << 53}),
            Some("seed"),
        ),
        (
            "a probability above 1",
            "PUT",
            "/faults",
            json!({"fault": "stale", "probability": 1.1}),
            Some("probability"),
        ),
        ("a limit of 0", "GET", "/deliveries?limit=0", Value::Null, Some("limit")),
        ("a wait without unit", "GET", "/deliveries/latest?wait=1", Value::Null, Some("wait")),
        ("an unknown query", "GET", "/deliveries?stat=dead", Value::Null, None),
    ] {
        let reply = call(&simulator, method, path, body).await;

        assert_eq!(reply.status, 400, "{name}: {reply:?}");
        assert_eq!(reply.headers["content-type"], "application/problem+json", "{name}");
        let problem = reply.json();
        // A missing field is named in the text: the path of the error ends before it.
        let named = problem["field"].as_str() == field
            || field.is_some_and(|field| self::field(&problem, "detail").contains(field));
        assert!(named, "{name}: {problem}");
    }
}

#[tokio::test]
async fn the_calls_of_the_guide_need_an_agents_token() {
    let simulator = simulator().await;
    for (name, headers) in [
        ("no token", vec![]),
        ("an unknown token", vec![bearer("unknown")]),
        ("no bearer token", vec![("authorization", "Basic dG9rZW4=".to_owned())]),
        ("an empty token", vec![bearer("")]),
    ] {
        for (method, path) in
            [("GET", "/webhook"), ("DELETE", "/webhook"), ("GET", "/notifications")]
        {
            let reply = send(&simulator, method, path, &headers, Vec::new()).await;

            assert_eq!(reply.status, 401, "{name}: {method} {path}");
            assert_eq!(reply.headers["www-authenticate"], "Bearer", "{name}");
        }
    }
}

#[tokio::test]
async fn an_agent_sees_nothing_of_another() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([]).await);
    let other = simulator.agent("other").await.unwrap();
    call(&simulator, "PUT", "/webhook", json!({"url": endpoint.url})).await;
    let mail = call(&simulator, "POST", "/inbound", json!({"from": "user@example.com"})).await;
    let message_id = field(&mail.json(), "message_id");
    let headers = [bearer(other.token())];

    for (method, path, status) in [
        ("GET", format!("/messages/{message_id}"), 404),
        ("GET", format!("/messages/{message_id}/raw"), 404),
        ("GET", "/deliveries/dlv-1".to_owned(), 404),
        ("POST", "/deliveries/dlv-1/redrive".to_owned(), 404),
        ("GET", format!("/deliveries/latest?message_id={message_id}"), 404),
        ("GET", "/messages?agent_id=my-agent".to_owned(), 403),
        ("DELETE", "/messages?agent_id=my-agent".to_owned(), 403),
        ("POST", "/inbound?agent_id=my-agent".to_owned(), 403),
        ("GET", "/agents".to_owned(), 403),
    ] {
        let reply = send(&simulator, method, &path, &headers, Vec::new()).await;
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
    }
    for (path, name) in [("/messages", "messages"), ("/deliveries", "deliveries")] {
        let reply = send(&simulator, "GET", path, &headers, Vec::new()).await;
        assert_eq!(reply.json()[name], json!([]), "{path}");
    }
    send(&simulator, "DELETE", "/messages", &headers, Vec::new()).await;
    let own = call(&simulator, "GET", "/messages", Value::Null).await.json();
    assert_eq!(own["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_operator_creates_agents_and_sees_all_of_them() {
    let simulator = Simulator::builder().with_operator_token("operator").start().await.unwrap();
    let operator = [bearer("operator"), ("content-type", "application/json".to_owned())];
    let create =
        |body: Value| send(&simulator, "POST", "/agents", &operator, body.to_string().into());

    let created = create(json!({"agent_id": "a", "token": "token-of-a"})).await;
    assert_eq!((created.status, field(&created.json(), "token").as_str()), (201, "token-of-a"));
    assert_eq!(create(json!({"agent_id": "a"})).await.status, 200);
    assert_eq!(create(json!({"agent_id": "a", "token": "other"})).await.status, 409);
    assert_eq!(create(json!({"agent_id": "b", "token": "token-of-a"})).await.status, 400);
    assert_eq!(create(json!({"agent_id": "../b"})).await.status, 400);
    assert_eq!(create(json!({"agent_id": "b"})).await.status, 201);

    let headers = [bearer("token-of-a"), ("content-type", "application/json".to_owned())];
    let mail = json!({"from": "user@example.com"}).to_string();
    send(&simulator, "POST", "/inbound", &headers, mail.clone().into()).await;
    send(&simulator, "POST", "/inbound?agent_id=b", &operator, mail.clone().into()).await;
    let all = send(&simulator, "GET", "/messages", &operator, Vec::new()).await.json();
    let agents: Vec<_> =
        all["messages"].as_array().unwrap().iter().map(|it| field(it, "agent_id")).collect();
    assert_eq!(agents, ["b", "a"], "the newest is the first");
    let unnamed = send(&simulator, "POST", "/inbound", &operator, mail.into()).await;
    assert_eq!((unnamed.status, field(&unnamed.json(), "field").as_str()), (400, "agent_id"));
    assert_eq!(send(&simulator, "GET", "/messages", &[], Vec::new()).await.status, 401);
    assert_eq!(send(&simulator, "GET", "/readyz", &[], Vec::new()).await.status, 200);
}

#[tokio::test]
async fn rules_are_replaced_and_shown() {
    let simulator = simulator().await;
    let rules = json!([{
        "id": "partners", "name": "Partners", "enabled": true,
        "filters": {
            "sender_verified": true, "traffic_types": null, "sender_domains": ["example.com"],
            "trust_tiers": ["verified"],
        },
        "channels": {
            "webhook": {"enabled": true, "url": "https://example.com/partners"},
            "email": {"enabled": true, "recipients": ["ops@example.com"]},
        },
    }]);
    assert_eq!(call(&simulator, "GET", "/notifications", Value::Null).await.json(), json!([]));

    let put = call(&simulator, "PUT", "/notifications", rules.clone()).await;

    assert_eq!((put.status, put.json()), (200, rules.clone()));
    assert_eq!(call(&simulator, "GET", "/notifications", Value::Null).await.json(), rules);
    let mail = json!({"from": "user@example.net"});
    let message = call(&simulator, "POST", "/inbound", mail).await.json();
    assert_eq!(
        message["routes"][0]["failed_filters"],
        json!([{"filter": "sender_domains", "wanted": ["example.com"], "actual": "example.net"}])
    );
    call(&simulator, "PUT", "/notifications", json!([])).await;
    assert_eq!(call(&simulator, "GET", "/notifications", Value::Null).await.json(), json!([]));
}

#[tokio::test]
async fn the_newest_delivery_that_matches_comes_in_one_call() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([500]).await);
    call(&simulator, "PUT", "/webhook", json!({"url": endpoint.url})).await;
    let path = "/deliveries/latest?state=delivered&sender=b%40example.com&wait=30s";

    let (delivery, _) = tokio::join!(call(&simulator, "GET", path, Value::Null), async {
        for sender in ["a", "b", "c"] {
            let mail = json!({"from": format!("{sender}@example.com")});
            call(&simulator, "POST", "/inbound", mail).await;
        }
    });

    assert_eq!(delivery.status, 200);
    let delivery = delivery.json();
    let message = format!("/messages/{}", field(&delivery, "message_id"));
    let message = call(&simulator, "GET", &message, Value::Null).await.json();
    assert_eq!(message["sender"], "b@example.com");
    let exchange = &delivery["attempts"].as_array().unwrap().last().unwrap()["exchanges"][0];
    assert_eq!(exchange["response"]["status"], 200);
    assert_eq!(exchange["request"]["body"], message["payload"]);

    let after = format!("/deliveries/latest?after={}", field(&delivery, "delivery_id"));
    let next = call(&simulator, "GET", &after, Value::Null).await.json();
    assert_eq!(next["delivery_id"], "dlv-3");
    let none = call(&simulator, "GET", "/deliveries/latest?status=418&wait=1ms", Value::Null).await;
    assert_eq!(none.status, 404);
}

#[tokio::test]
async fn ready_waits_until_no_delivery_is_pending() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([500, 500]).await);
    call(&simulator, "PUT", "/webhook", json!({"url": endpoint.url})).await;
    call(&simulator, "POST", "/inbound", json!({"from": "user@example.com"})).await;

    let ready = call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;

    assert_eq!((ready.status, ready.json()), (200, json!({"ready": true, "pending": 0})));
    assert_eq!(endpoint.got().len(), 3);

    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", hanging.local_addr().unwrap());
    call(&simulator, "PUT", "/webhook", json!({"url": url})).await;
    call(&simulator, "POST", "/inbound", json!({"from": "user@example.com"})).await;
    assert_eq!(call(&simulator, "GET", "/readyz?wait=5ms", Value::Null).await.status, 503);
    assert_eq!(call(&simulator, "GET", "/readyz", Value::Null).await.json()["pending"], 1);
}

#[tokio::test]
async fn dead_letters_are_listed_and_redriven_one_by_one_or_together() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([500; 9]).await);
    call(&simulator, "PUT", "/webhook", json!({"url": endpoint.url})).await;
    for _ in 0..3 {
        call(&simulator, "POST", "/inbound", json!({"from": "user@example.com"})).await;
    }
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;
    let dead = call(&simulator, "GET", "/dead-letters", Value::Null).await.json();
    let ids: Vec<_> =
        dead["deliveries"].as_array().unwrap().iter().map(|it| field(it, "delivery_id")).collect();
    assert_eq!(ids, ["dlv-3", "dlv-2", "dlv-1"]);

    let one = call(&simulator, "POST", "/deliveries/dlv-2/redrive", Value::Null).await;
    assert_eq!((one.status, one.json()["state"].clone()), (202, json!("pending")));
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;
    let again = call(&simulator, "POST", "/deliveries/dlv-2/redrive", Value::Null).await;
    assert_eq!(again.status, 409, "it was delivered");
    let all = call(&simulator, "POST", "/dead-letters/redrive", Value::Null).await;
    assert_eq!((all.status, all.json()), (202, json!({"redriven": 2})));
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;
    let delivered = call(&simulator, "GET", "/deliveries?state=delivered", Value::Null).await;
    assert_eq!(delivered.json()["deliveries"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn lists_have_pages() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([]).await);
    call(&simulator, "PUT", "/webhook", json!({"url": endpoint.url})).await;
    for number in 1..=5 {
        let mail = json!({"from": "user@example.com", "subject": number.to_string()});
        call(&simulator, "POST", "/inbound", mail).await;
    }
    let page = call(&simulator, "GET", "/messages?limit=2", Value::Null).await.json();
    let page = page["messages"].as_array().unwrap();
    let last = field(&page[1], "message_id");
    let path = format!("/messages?limit=2&before={last}");
    let next = call(&simulator, "GET", &path, Value::Null).await.json();

    let subjects = |page: &[Value]| page.iter().map(|it| field(it, "subject")).collect::<Vec<_>>();
    assert_eq!(subjects(page), ["5", "4"]);
    assert_eq!(subjects(next["messages"].as_array().unwrap()), ["3", "2"]);
    let deliveries = call(&simulator, "GET", "/deliveries?before=dlv-3", Value::Null).await.json();
    assert_eq!(deliveries["deliveries"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn old_messages_are_removed_with_their_files() {
    let endpoint = Endpoint::start([]).await;
    let builder = Simulator::builder().with_agent("my-agent", Some("token".to_owned()));
    let builder = builder.with_retry(quick()).with_max_messages(3);
    let simulator = builder.start().await.unwrap();
    call(&simulator, "PUT", "/webhook", json!({"url": endpoint.url})).await;
    for _ in 0..10 {
        call(&simulator, "POST", "/inbound", json!({"from": "user@example.com"})).await;
    }
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;

    let kept = call(&simulator, "GET", "/messages", Value::Null).await.json();
    let numbers: Vec<_> =
        kept["messages"].as_array().unwrap().iter().map(|it| it["number"].clone()).collect();
    assert_eq!(numbers, [10, 9, 8]);
    let deliveries = call(&simulator, "GET", "/deliveries", Value::Null).await.json();
    assert_eq!(deliveries["deliveries"].as_array().unwrap().len(), 3);
    let folder = simulator.bucket_folder().join("inbound/my-agent");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);

    assert_eq!(call(&simulator, "DELETE", "/messages", Value::Null).await.status, 204);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn messages_with_dead_letters_have_a_limit_of_their_own() {
    let endpoint = Endpoint::start([500; 6]).await;
    let builder = Simulator::builder().with_agent("my-agent", Some("token".to_owned()));
    let simulator = builder.with_retry(quick()).with_max_messages(2).start().await.unwrap();
    call(&simulator, "PUT", "/webhook", json!({"url": endpoint.url})).await;
    for _ in 0..2 {
        call(&simulator, "POST", "/inbound", json!({"from": "user@example.com"})).await;
        call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;
    }
    for _ in 0..10 {
        call(&simulator, "POST", "/inbound", json!({"from": "user@example.com"})).await;
    }
    call(&simulator, "GET", "/readyz?wait=30s", Value::Null).await;

    let dead = call(&simulator, "GET", "/dead-letters", Value::Null).await.json();

    assert_eq!(dead["deliveries"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn mails_are_refused_while_too_many_deliveries_are_pending() {
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", hanging.local_addr().unwrap());
    let builder = Simulator::builder().with_agent("my-agent", Some("token".to_owned()));
    let simulator = builder.with_max_pending(2).start().await.unwrap();
    call(&simulator, "PUT", "/webhook", json!({"url": url})).await;
    let mail = || call(&simulator, "POST", "/inbound", json!({"from": "user@example.com"}));

    assert_eq!((mail().await.status, mail().await.status), (202, 202));
    let refused = mail().await;

    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers["retry-after"], "1");
    let folder = simulator.bucket_folder().join("inbound/my-agent");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
}

#[tokio::test]
async fn unknown_paths_and_methods_get_problems() {
    let simulator = simulator().await;
    for (method, path, status) in
        [("GET", "/nothing", 404), ("POST", "/webhook", 405), ("PATCH", "/deliveries", 405)]
    {
        let reply = call(&simulator, method, path, Value::Null).await;

        assert_eq!((reply.status, reply.json()["status"].clone()), (status, json!(status)));
        assert_eq!(reply.headers.contains_key("allow"), status == 405, "{method} {path}");
    }
}

#[tokio::test]
async fn the_document_describes_every_call() {
    let simulator = simulator().await;
    let document = call(&simulator, "GET", "/openapi.json", Value::Null).await.json();

    let mut calls = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            calls.insert(format!("{method} {path}"));
        }
    }
    let expected = [
        "delete /faults",
        "delete /faults/{fault}",
        "delete /messages",
        "delete /webhook",
        "get /about",
        "get /agents",
        "get /dead-letters",
        "get /deliveries",
        "get /deliveries/latest",
        "get /deliveries/overview",
        "get /deliveries/{delivery_id}",
        "get /deliveries/{delivery_id}/attempts/{number}",
        "get /events",
        "get /faults",
        "get /messages",
        "get /messages/{message_id}",
        "get /messages/{message_id}/raw",
        "get /notifications",
        "get /outbox",
        "get /readyz",
        "get /webhook",
        "post /agents",
        "post /dead-letters/redrive",
        "post /deliveries/{delivery_id}/redrive",
        "post /inbound",
        "put /faults",
        "put /notifications",
        "put /webhook",
    ];
    assert_eq!(calls.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn the_api_says_that_retries_are_an_assumption() {
    let simulator = simulator().await;
    let about = call(&simulator, "GET", "/about", Value::Null).await.json();

    let first = about["assumptions"][0].as_str().unwrap();
    assert!(first.contains("Retries") && first.contains("assumptions"), "{first}");
    assert_eq!(about["settings"]["attempts"], 3);
}
