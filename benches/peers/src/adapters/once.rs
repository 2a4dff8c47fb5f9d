//! Once-only handling in axum, with the claims in memory. It takes a runtime and a thread of its own, which
//! make every allocation of the process dearer: so it is compared within a group of its own.

use agentmail_axum::{Key, MailReceived, Memory, Store, Verified, VerifyLayer, dedupe::Backend};
use axum::{Router, routing::post};
use bytes::Bytes;
use tower::ServiceExt;

use super::{SAMPLE, axum::request, config, read};
use crate::rounds::{Contender, Group, contender};

pub fn group() -> Group {
    let memory = Memory::new();
    let verify = || VerifyLayer::new(config());
    let once = || verify().dedupe(Store::new(memory.clone()), "bench");
    let bare = || Router::new().route("/", post(async |body: Bytes| read(&body)));
    let verified = || {
        Router::new()
            .route("/", post(async |Verified(mail): Verified<MailReceived>| mail.message_id))
    };
    Group {
        name: "once",
        case: "axum on a runtime, one message",
        bytes: SAMPLE.len(),
        added: true,
        contenders: vec![
            served("bare: the body and serde_json", bare(), None),
            served("VerifyLayer + Verified<MailReceived>", verified().layer(verify()), None),
            served("VerifyLayer, dedupe, Verified", verified().layer(once()), Some(memory.clone())),
        ],
    }
}

/// Sends the router one request, and has the message forgotten again, so that the next one is no copy.
fn served(name: &'static str, router: Router, memory: Option<Memory>) -> Contender {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("a runtime starts");
    let mail = serde_json::from_str(SAMPLE).expect("it is the sample");
    let (key, request) = (Key::of_mail("bench", &mail), request(SAMPLE));
    contender(name, true, move || {
        runtime.block_on(async {
            let response = router.clone().oneshot(request()).await;
            let handled = match &memory {
                Some(memory) => memory.forget(key).await.is_ok_and(|handled| handled),
                None => true,
            };
            handled && response.is_ok_and(|response| response.status() == 200)
        })
    })
}
