//! Random JSON texts, read as Python's `json` reads them, by both adapters. The variables `COUNT`
//! and `SEED` set how many texts and which ones.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{collections::BTreeMap, env, process::Command};

use actix_web::{
    App,
    http::StatusCode,
    test::{TestRequest, init_service, read_body, try_call_service},
    web::{self, Bytes},
};
use agentmail_axum::{MailReceived, Secret, Signer, UnixTime, Verified, Verifier, WebhookConfig};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
    routing::post,
};
use serde::Deserialize;
use tower::ServiceExt;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

#[derive(Deserialize)]
struct Case {
    body: String,
    /// What Python reads, or nothing if it reads no mail.
    mail: Option<BTreeMap<String, Option<String>>>,
}

/// Returns the texts of a mail, as `random_json.py` names them.
fn texts(mail: MailReceived) -> String {
    let tier = mail.peer_trust_tier.as_ref().map(|tier| tier.as_str().to_owned());
    let texts = BTreeMap::from([
        ("agent_id", Some(mail.agent_id)),
        ("message_id", Some(mail.message_id)),
        ("sender", mail.sender),
        ("subject", mail.subject),
        ("peer_trust_tier", tier),
        ("s3_bucket", mail.s3_bucket),
        ("s3_key", mail.s3_key),
    ]);
    serde_json::to_string(&texts).unwrap()
}

#[actix_web::test]
async fn every_body_that_python_reads_is_accepted_with_the_same_texts() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/random_json.py");
    let variable = |name, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let (count, seed) = (variable("COUNT", 2_000), variable("SEED", 1));
    let arguments = [script.to_owned(), count.to_string(), seed.to_string()];
    let python = Command::new("python3").args(arguments).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let secret = || Secret::new("whsec_test_secret").unwrap();
    let signer = Signer::new(secret());
    let config = || WebhookConfig::new(Verifier::new(secret())).with_clock(NOW);
    let router = Router::new()
        .route("/", post(async |Verified(mail): Verified<MailReceived>| texts(mail)))
        .layer(agentmail_axum::VerifyLayer::new(config()));
    let on_mail = async |mail: agentmail_actix::Verified<MailReceived>| texts(mail.into_inner());
    let verify = agentmail_actix::VerifyWebhook::new(config());
    let app = init_service(App::new().route("/", web::post().to(on_mail).wrap(verify))).await;

    let mut accepted = 0;
    for line in String::from_utf8(python.stdout).unwrap().lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let signed = signer.sign(NOW, case.body.as_bytes());
        let expected = match &case.mail {
            Some(mail) => (200, serde_json::to_string(mail).unwrap()),
            None => (422, String::new()),
        };

        let request = Request::post("/").body(Body::from(case.body.clone())).unwrap();
        let (mut parts, body) = request.into_parts();
        for (name, value) in signed.headers() {
            parts.headers.insert(name, value.parse().unwrap());
        }
        let response = router.clone().oneshot(Request::from_parts(parts, body)).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!((status, String::from_utf8(body.to_vec()).unwrap()), expected, "{line}");

        let request = TestRequest::post().uri("/").set_payload(case.body);
        let request = signed.headers().into_iter().fold(request, TestRequest::append_header);
        let response = try_call_service(&app, request.to_request()).await.unwrap();
        let status = response.status();
        let body: Bytes = read_body(response).await;
        assert_eq!(
            (status.as_u16(), String::from_utf8(body.to_vec()).unwrap()),
            expected,
            "{line}"
        );
        accepted += usize::from(status == StatusCode::OK);
    }
    assert!(accepted > count * 3 / 4, "{accepted}");
}
