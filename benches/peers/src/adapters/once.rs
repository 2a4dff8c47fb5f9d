//! Once-only handling in axum, with the claims in memory.
//!
//! It needs a runtime and a thread, which make every allocation of the process slower. So it has
//! its own group, in which all contenders run on the runtime.

use agentmail_axum::{
    MailReceived, MessageKey, Verified, VerifyLayer,
    dedupe::{ClaimKey, ClaimStore, Claims, MemoryStore},
};
use axum::{Router, routing::post};
use bytes::Bytes;
use tower::ServiceExt;

use super::{SAMPLE, axum::request, config, read};
use crate::rounds::{Contender, Group, contender};

pub fn group() -> Group {
    let memory = MemoryStore::new();
    let verify = || VerifyLayer::new(config());
    let once = || verify().dedupe(Claims::new(memory.clone()), "bench");
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

/// Sends the router one request, and then forgets the message, so that the next request is not a
/// copy.
fn served(name: &'static str, router: Router, memory: Option<MemoryStore>) -> Contender {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("a runtime starts");
    let mail: MailReceived = serde_json::from_str(SAMPLE).expect("it is the sample");
    let key = ClaimKey::new("bench", MessageKey::from(&mail));
    let request = request(SAMPLE);
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
