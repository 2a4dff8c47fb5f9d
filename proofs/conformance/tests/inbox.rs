//! A handler that stores each message in an inbox responds in the same way in both frameworks, and
//! an inbox is a few lines more than the quick start of the README.
#![expect(clippy::unwrap_used, reason = "a failed test panics, and says why")]

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use actix_web::{App, test, web};
use agentmail_inbox::{BoxError, Inbox, Message, SqliteConfig, SqliteStore, rusqlite::Connection};
use agentmail_receive::Refusal;
use agentmail_verify::{Secret, SignedDelivery, Signer, UnixTime, Verifier};
use axum::{Router, body::Body, extract::State, http::Request, routing::post};
use tower::ServiceExt;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What a client sees, and the refusal in the extensions.
type Seen = (u16, Option<String>, Option<&'static str>);

const OK: Seen = (200, None, None);

/// A folder for one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            env::temp_dir().join(format!("agentmail-inbox-proof-{}-{name}", process::id()));
        _ = fs::remove_dir_all(&folder); // A run that was killed has left it.
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn signer() -> Signer {
    Signer::new(Secret::new("whsec_of_this_test").unwrap())
}

fn sign(body: &str) -> SignedDelivery {
    signer().sign(UnixTime::now(), body.as_bytes())
}

async fn on_axum(inbox: &Inbox, body: &str) -> Seen {
    use agentmail_axum::{Delivery, VerifyLayer, WebhookRejection};

    async fn on_event(
        State(inbox): State<Inbox>,
        delivery: Delivery,
    ) -> Result<(), WebhookRejection> {
        inbox.store(&delivery).await?;
        Ok(())
    }
    let verify = VerifyLayer::new(signer().verifier());
    let app =
        Router::new().route("/", post(on_event).route_layer(verify)).with_state(inbox.clone());
    let mut request = Request::post("/");
    for (name, value) in sign(body).headers() {
        request = request.header(name, value);
    }
    let response = app.oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let header = response.headers().get("retry-after");
    let retry_after = header.map(|value| value.to_str().unwrap().to_owned());
    let refusal = response.extensions().get::<Refusal>().map(Refusal::code);
    (response.status().as_u16(), retry_after, refusal)
}

async fn on_actix(inbox: &Inbox, body: &str) -> Seen {
    use agentmail_actix::{Delivery, VerifyWebhook, WebhookRejection};

    async fn on_event(
        inbox: web::Data<Inbox>,
        delivery: Delivery,
    ) -> Result<&'static str, WebhookRejection> {
        inbox.store(&delivery).await?;
        Ok("received")
    }
    let verify = VerifyWebhook::new(signer().verifier());
    let app = App::new()
        .app_data(web::Data::new(inbox.clone()))
        .route("/", web::post().to(on_event).wrap(verify));
    let app = test::init_service(app).await;
    let mut request = test::TestRequest::post().uri("/").set_payload(body.to_owned());
    for (name, value) in sign(body).headers() {
        request = request.insert_header((name, value));
    }
    let response = test::call_service(&app, request.to_request()).await;
    let header = response.headers().get("retry-after");
    let retry_after = header.map(|value| value.to_str().unwrap().to_owned());
    let refusal = response.response().extensions().get::<Refusal>().map(Refusal::code);
    (response.status().as_u16(), retry_after, refusal)
}

fn mail(message_id: &str) -> String {
    format!(r#"{{"type":"mail.received","agent_id":"my-agent","message_id":"{message_id}"}}"#)
}

#[actix_web::test]
async fn a_message_that_cannot_be_stored_gets_503_in_both_frameworks() {
    let folder = Folder::new("responses");
    let path = folder.0.join("inbox.db");
    let config = SqliteConfig::default().with_busy_timeout(Duration::from_millis(20));
    let inbox = Inbox::new(SqliteStore::open_with(&path, config).await.unwrap());
    let both = async |body: &str| {
        let (axum, actix) = (on_axum(&inbox, body).await, on_actix(&inbox, body).await);
        assert_eq!(axum, actix, "{body}");
        axum
    };

    assert_eq!(both(&mail("1")).await, OK, "and a copy");
    assert_eq!(both(r#"{"type":"mail.bounced"}"#).await, OK, "another type of event");
    assert_eq!(both("{").await, (422, None, Some("malformed_json")));
    assert_eq!(both("[]").await, (422, None, Some("unexpected_payload")));
    let operator = Connection::open(&path).unwrap();
    operator.execute_batch("BEGIN IMMEDIATE").unwrap();
    let unavailable = (503, Some("5".to_owned()), Some("inbox_unavailable"));
    assert_eq!(both(&mail("2")).await, unavailable, "the database is locked");
    operator.execute_batch("ROLLBACK").unwrap();
    assert_eq!(both(&mail("2")).await, OK);
    fs::remove_file(&path).unwrap();
    assert_eq!(both(&mail("3")).await, unavailable, "the file was removed");

    let works = async |_: Message| Ok::<_, BoxError>(());
    assert_eq!(inbox.worker(works).run_once().await.unwrap().done, 4, "work goes on");
    let stats = inbox.stats();
    assert_eq!((stats.stored, stats.known, stats.unavailable), (3, 3, 4), "{stats:?}");
}

#[actix_web::test]
async fn a_verifier_of_another_secret_stores_nothing() {
    let folder = Folder::new("forged");
    let inbox = Inbox::new(SqliteStore::open(folder.0.join("inbox.db")).await.unwrap());
    let body = mail("1");
    let verify =
        agentmail_axum::VerifyLayer::new(Verifier::new(Secret::new("another secret").unwrap()));
    let store = async |State(inbox): State<Inbox>, delivery: agentmail_axum::Delivery| {
        inbox.store(&delivery).await.map(drop).map_err(agentmail_axum::WebhookRejection::from)
    };
    let app = Router::new().route("/", post(store).route_layer(verify)).with_state(inbox.clone());
    let mut request = Request::post("/");
    for (name, value) in sign(&body).headers() {
        request = request.header(name, value);
    }

    let response = app.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();

    assert_eq!(response.status().as_u16(), 403);
    assert_eq!(inbox.counts().await.unwrap(), agentmail_inbox::Counts::default());
}

/// Returns the Rust code after a heading of a page.
fn code(page: &str, heading: &str) -> String {
    let text = fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
    let (_, after) = text.split_once(heading).unwrap();
    let (_, code) = after.split_once("```rust").unwrap();
    let (_, code) = code.split_once('\n').unwrap();
    code.split_once("```").unwrap().0.to_owned()
}

/// Returns the lines that the second text has more than the first one.
fn more_lines(before: &str, after: &str) -> Vec<String> {
    let mut known = HashMap::<&str, usize>::new();
    for line in before.lines() {
        *known.entry(line.trim()).or_default() += 1;
    }
    let is_new = |line: &&str| match known.get_mut(line.trim()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => !line.trim().is_empty(),
    };
    after.lines().filter(is_new).map(str::to_owned).collect()
}

#[::core::prelude::v1::test]
fn an_inbox_is_at_most_15_lines_more_than_the_quick_start() {
    for (quick_start, with_inbox) in
        [("## Quick start: axum", "## In axum"), ("## Quick start: actix-web", "## In actix-web")]
    {
        let more = more_lines(&code("README.md", quick_start), &code("docs/inbox.md", with_inbox));
        assert!(more.len() <= 15, "{with_inbox}: {} lines: {more:#?}", more.len());
        assert!(more.iter().any(|line| line.contains("inbox.store(&delivery)")), "{more:#?}");
    }
}

#[::core::prelude::v1::test]
fn moving_from_sqlite_to_postgresql_changes_two_lines() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/inbox.md")).unwrap();
    let (_, diff) = text.split_once("```diff\n").unwrap();
    let diff = diff.split_once("```").unwrap().0;
    let with = |sign: char| -> Vec<_> {
        diff.lines().filter_map(|line| line.strip_prefix(sign)).collect()
    };
    assert_eq!((with('-').len(), with('+').len()), (2, 2), "{diff}");
    for heading in ["## In axum", "## In actix-web"] {
        let app = code("docs/inbox.md", heading);
        for line in with('-') {
            assert!(app.lines().any(|it| it == line), "{heading}: {line}");
        }
        // Nothing else names the store.
        assert_eq!(app.matches("Sqlite").count(), 2, "{heading}");
    }
}
