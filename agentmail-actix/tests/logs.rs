//! What the log says about a refusal. All adapters share the log: the tests of `agentmail-axum`
//! check the rest.
//!
//! There is one test here: a thread without a subscriber would turn log events off for the others.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use actix_http::Request;
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
    web,
};
use agentmail_actix::{
    Event, MailReceived, Refusal, Secret, Signer, Tenant, UnixTime, Verified, Verifier,
    VerifyWebhook, Webhook, WebhookConfig,
};
use tracing_subscriber::fmt::MakeWriter;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn secret() -> Secret {
    Secret::new("whsec_test_secret").unwrap()
}

async fn on_mail(Verified(mail): Verified<MailReceived>) -> String {
    mail.message_id
}

/// Returns a delivery whose signature is that of another body.
fn forged(path: &str, content_encoding: Option<&str>) -> Request {
    let delivery = Signer::new(secret()).sign(NOW, b"another body");
    let request = TestRequest::post().uri(path).set_payload("{}");
    let coding = content_encoding.map(|coding| ("content-encoding", coding));
    let request = coding.into_iter().fold(request, TestRequest::append_header);
    delivery.headers().into_iter().fold(request, TestRequest::append_header).to_request()
}

#[actix_web::test]
async fn a_refusal_is_logged_with_its_path_its_tenant_and_the_content_encoding() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let tenant = Tenant::new(Verifier::new(secret()), "my-agent");
    let config = WebhookConfig::new(tenant).with_clock(NOW);
    let app = App::new()
        .app_data(config.clone())
        .route("/layer", web::post().to(on_mail).wrap(VerifyWebhook::new(config)))
        .route("/extractor", web::post().to(async |_: Webhook<Event>| "noted"))
        .route("/open", web::post().to(on_mail));
    let app = init_service(app).await;

    for (path, code, level, tenant) in [
        ("/layer", "mismatch", "WARN", true),
        ("/extractor", "mismatch", "WARN", true),
        ("/open", "missing_layer", "ERROR", false),
    ] {
        for coding in [None, Some("gzip")] {
            let response = call_service(&app, forged(path, coding)).await;
            let refusal = response.response().extensions().get::<Refusal>().map(Refusal::code);
            assert_eq!(refusal, Some(code));

            let line = log.take();
            assert!(line.contains(level), "{line}");
            assert!(line.contains(&format!("code=\"{code}\"")), "{line}");
            assert!(line.contains(&format!("path=\"{path}\"")), "{line}");
            assert_eq!(line.contains("tenant=\"my-agent\""), tenant, "{line}");
            let named = tenant && coding.is_some();
            assert_eq!(line.contains("`Content-Encoding`"), named, "{line}");
        }
    }

    for _ in 0..100 {
        call_service(&app, forged("/layer", None)).await;
    }
    assert_eq!(log.take().lines().count(), 1, "the fifth of this code in this minute");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
