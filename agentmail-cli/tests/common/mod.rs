//! A receiver for the tests of the command line.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part of this")]

use std::{net::SocketAddr, path::Path};

use agentmail_axum::{Event, Secret, Verified, Verifier, VerifyLayer};
use agentmail_inbox::{GiveUp, Inbox, Message, SqliteStore};
use agentmail_receive::Delivery;
use agentmail_verify::{Signer, UnixTime};
use axum::{Router, routing::post};
use tokio::{net::TcpListener, runtime::Runtime};

pub(crate) const CLI: &str = env!("CARGO_BIN_EXE_agentmail-webhook");
pub(crate) const SECRET: &str = "whsec_test_secret";

const MAIL: &str = concat!(
    r#"{"type":"mail.received","agent_id":"my-agent","message_id":"ID","#,
    r#""sender":"eve@example.com","subject":"hush","sender_verified":true}"#
);

/// A receiver on a free port, which runs as long as the runtime.
pub(crate) fn receiver() -> (Runtime, SocketAddr) {
    let layer = VerifyLayer::new(Verifier::new(Secret::new(SECRET).unwrap()));
    let route = post(async |_: Verified<Event>| ()).route_layer(layer);
    let app: Router = Router::new().route("/agentmail/webhook", route);
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async { axum::serve(listener, app).await });
    (runtime, address)
}

/// An inbox with three messages: one is done, one is dead, and one waits. It is in use as long as
/// the value lives.
pub(crate) async fn inbox(file: &Path) -> Inbox {
    let inbox = Inbox::new(SqliteStore::open(file).await.unwrap());
    let signer = Signer::new(Secret::new(SECRET).unwrap());
    let store = async |id: &str| {
        let body = MAIL.replace("ID", id);
        let delivery = Delivery::sign(&signer, UnixTime::now(), body);
        inbox.store(&delivery).await.unwrap();
    };
    store("msg-1").await;
    store("msg-2").await;
    let work = inbox.worker(async |message: Message| match message_id(&message) {
        Some("msg-2") => Err(GiveUp::because("the calendar is not reachable")),
        _ => Ok(()),
    });
    _ = work.run_once().await.unwrap();
    store("msg-3").await;
    inbox
}

fn message_id(message: &Message) -> Option<&str> {
    match message.event() {
        Event::MailReceived(mail) => Some(&mail.message_id),
        _ => None,
    }
}
