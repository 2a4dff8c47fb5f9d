//! A diagnosis of any bytes, and the switch that turns it on.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::sync::{Arc, Mutex};

use agentmail_receive::{
    DiagnosisConfig, Refusal, RequestHead, SecretText, WebhookConfig,
    diagnosis::{CapturedRequest, Cause, Diagnosis, DiagnosisBudget, DiagnosisSecrets},
};
use agentmail_verify::{Secret, SignedHeaders, Signer, Verifier, WebhookHeader};
use bytes::Bytes;
use common::{NOW, in_one_piece};
use proptest::{collection::vec, prelude::*};
use tracing_subscriber::fmt::MakeWriter;

const SECRET: &str = "whsec_test_secret";

fn verifier() -> Verifier {
    Verifier::new(Secret::new(SECRET).unwrap())
}

/// Names of headers that a diagnosis looks at.
fn name() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "X-AgentMail-Timestamp",
        "X-AgentMail-Signature",
        "X-AgentMail-Unsigned",
        "X_AgentMail_Signature",
        "Content-Encoding",
        "Content-Length",
        "svix-id",
    ];
    prop_oneof![3 => proptest::sample::select(NAMES).prop_map(str::to_owned), 1 => ".{0,20}"]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let signed = Signer::new(Secret::new(SECRET).unwrap()).sign(NOW, b"{}").signature().to_owned();
    prop_oneof![
        vec(any::<u8>(), 0..80),
        Just(signed.clone().into_bytes()),
        Just(signed.replace("v1=", "sha256=").into_bytes()),
        Just(signed[3..].to_owned().into_bytes()),
        "[0-9]{1,20}".prop_map(String::into_bytes),
        "[0-9]{10}\\.[0-9]{1,3}".prop_map(String::into_bytes),
        "20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z".prop_map(String::into_bytes),
        "(v1=|t=|sha256=|,|;| |=|[A-Za-z0-9+/=]{43}){0,6}".prop_map(String::into_bytes),
        Just(b"1700000000".to_vec()),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let json = r#"[\[\]{},:"\\ntu0-9a-fé😀/<& \n\r]{0,40}"#;
    prop_oneof![
        vec(any::<u8>(), 0..200),
        json.prop_map(String::into_bytes),
        Just(b"{}".to_vec()),
        Just(br#"{"type":"a","subject":"\ud83d \u00e9","n":1.0,"b":[{}]}"#.to_vec()),
        (0..300_usize).prop_map(|depth| b"[".repeat(depth)),
        vec(any::<u8>(), 0..60).prop_map(|bytes| [&b"\x1f\x8b\x08\0"[..], &bytes].concat()),
        vec(any::<u8>(), 0..60).prop_map(|bytes| [&b"\x78\x9c"[..], &bytes].concat()),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..60),
        "[A-Za-z0-9+/=_\"' %\\\\{}:\u{200b}\u{feff}\n]{0,60}".prop_map(String::into_bytes),
        Just(SECRET.as_bytes().to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_diagnosis_of_any_bytes_returns_and_keeps_its_budget(
        headers in vec((name(), value()), 0..6),
        body in proptest::option::of(body()),
        declared in proptest::option::of(any::<u64>()),
        texts in vec(text(), 0..3),
        others in vec(text(), 0..2),
        has_verifier in any::<bool>(),
        budget in prop_oneof![Just(0), 0..10_000_u64, Just(1 << 20)],
    ) {
        let borrowed = headers.iter().map(|(name, value)| (&**name, &**value));
        let mut request = CapturedRequest::new(borrowed).with_received_at(NOW);
        request = request.with_declared_length(declared);
        if let Some(body) = &body {
            request = request.with_body(body.clone());
        }
        let mut secrets = DiagnosisSecrets::new();
        if has_verifier {
            secrets = secrets.with_verifier(verifier());
        }
        for text in &texts {
            secrets = secrets.with_text(SecretText::new(text));
        }
        for text in &others {
            secrets = secrets.with_other_text(SecretText::new(text));
        }

        let diagnosis = Diagnosis::of(&request, &secrets, DiagnosisBudget::from_bytes(budget));

        prop_assert!(diagnosis.hashed_bytes() <= budget);
        prop_assert!(diagnosis.causes().is_sorted_by_key(Cause::certainty));
        let codes = diagnosis.causes().iter().map(Cause::code);
        prop_assert!(codes.clone().all(|code| Cause::CODES.contains(&code)));
        let json = serde_json::to_string(&diagnosis).unwrap();
        prop_assert!(!json.contains(SECRET), "{json}");
        // Only what the verifier accepts is without a cause.
        let accepted = || {
            let values = |header: WebhookHeader| {
                let is_named = move |name: &str| name.eq_ignore_ascii_case(header.name());
                let named = headers.iter().filter(move |(name, _)| is_named(name));
                named.map(|(_, value)| &**value)
            };
            let headers = SignedHeaders::parse(values).ok()?;
            verifier().verify(&headers, body.as_deref()?, NOW).ok()
        };
        if has_verifier && budget == 1 << 20 && diagnosis.causes().is_empty() && texts.is_empty() {
            prop_assert!(accepted().is_some() || body.is_none());
        }
    }

    #[test]
    fn the_switch_changes_no_decision(
        headers in vec((name(), value()), 0..6),
        body in body(),
    ) {
        let diagnosed = WebhookConfig::new(verifier())
            .with_clock(NOW)
            .with_diagnosis(DiagnosisConfig::new().with_secret_text(SecretText::new(SECRET)));
        let plain = WebhookConfig::new(verifier()).with_clock(NOW);

        let [diagnosed, plain] =
            [diagnosed, plain].map(|config| received(&config, &headers, &body));

        prop_assert_eq!(diagnosed, plain);
    }
}

fn received(
    config: &WebhookConfig,
    headers: &[(String, Vec<u8>)],
    body: &[u8],
) -> Result<Bytes, Refusal> {
    let values = |header: WebhookHeader| {
        let named =
            headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(header.name()));
        named.map(|(_, value)| &**value)
    };
    let body = Bytes::copy_from_slice(body);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let head = RequestHead::new("/", &());
        let received = config.receive(head, values, None, in_one_piece(body)).await;
        received.map(|delivery| delivery.into_body()).map_err(|rejection| rejection.refusal())
    })
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn refused(config: &WebhookConfig, signed_by: &str) -> agentmail_receive::Rejection {
    let body = Bytes::from_static(br#"{"type":"mail.received","subject":"hush"}"#);
    let signed = Signer::new(Secret::new(signed_by).unwrap()).sign(NOW, &body);
    let head = RequestHead::new("/webhook", &());
    config.receive(head, |header| signed.value(header), None, in_one_piece(body)).await.unwrap_err()
}

#[tokio::test]
async fn the_switch_warns_at_start_and_names_the_cause_in_the_log_and_in_the_response() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let quoted = format!("'{SECRET}'");
    let text = SecretText::new(&quoted);
    let config = WebhookConfig::new(Verifier::new(text.secret().unwrap()))
        .with_clock(NOW)
        .with_diagnosis(DiagnosisConfig::new().with_secret_text(text));
    assert!(log.text().contains("the diagnosis is on"), "{}", log.text());

    let rejection = refused(&config, SECRET).await;
    rejection.log();

    let response = rejection.response();
    let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(problem["code"], "mismatch");
    assert_eq!(problem["diagnosis"]["causes"][0]["code"], "secret_quotes");
    assert_eq!(problem["diagnosis"]["causes"][0]["certainty"], "proven");
    let log = log.text();
    assert!(log.contains("diagnosis of a refused delivery cause=\"secret_quotes\""), "{log}");
    for text in [SECRET, "hush"] {
        assert!(!log.contains(text), "{log}");
        assert!(!problem.to_string().contains(text), "{problem}");
    }
}

#[tokio::test]
async fn without_the_switch_nothing_is_diagnosed() {
    let config = WebhookConfig::new(verifier()).with_clock(NOW).with_problem_details(true);

    let rejection = refused(&config, "another secret").await;

    assert!(rejection.diagnosis().is_none());
    assert!(!String::from_utf8_lossy(rejection.response().body()).contains("diagnosis"));
}

#[tokio::test(flavor = "current_thread")]
async fn a_diagnosis_leaves_the_thread_of_the_runtime_free() {
    // The other task runs only if the diagnosis does not block this thread.
    let config = WebhookConfig::new(verifier()).with_clock(NOW).with_diagnosis(
        DiagnosisConfig::new()
            .with_secret_text(SecretText::new(SECRET))
            .with_budget(DiagnosisBudget::EXPLAIN),
    );
    let body = Bytes::from(format!(r#"{{"subject":"{}"}}"#, "é".repeat(60_000)));
    let signed = Signer::new(Secret::new("another secret").unwrap()).sign(NOW, &body);
    let turns = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&turns);
    let ticks = tokio::spawn(async move {
        loop {
            *counted.lock().unwrap() += 1;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });

    let head = RequestHead::new("/", &());
    let received =
        config.receive(head, |header| signed.value(header), None, in_one_piece(body)).await;

    ticks.abort();
    let rejection = received.unwrap_err();
    assert_eq!(rejection.diagnosis().unwrap().causes()[0].code(), "unknown");
    assert!(*turns.lock().unwrap() > 5, "{} turns", turns.lock().unwrap());
}

#[tokio::test(start_paused = true)]
async fn at_most_twenty_deliveries_in_a_minute_are_diagnosed() {
    let config =
        WebhookConfig::new(verifier()).with_clock(NOW).with_diagnosis(DiagnosisConfig::new());

    let mut diagnosed = 0;
    for _ in 0..30 {
        let rejection = refused(&config, "another secret").await;
        assert_eq!(rejection.refusal().code(), "mismatch");
        diagnosed += usize::from(rejection.diagnosis().is_some());
    }

    assert_eq!(diagnosed, 20);
}

#[test]
fn an_old_secret_whose_end_has_passed_is_named() {
    use agentmail_verify::{Label, UnixTime};

    let now = NOW.saturating_add(std::time::Duration::from_secs(60));
    let old = Secret::new("the old secret").unwrap().with_label(Label::new("2025").unwrap());
    let verifier = verifier().with_secret_until(old.clone(), NOW).unwrap();
    let signed = Signer::new(old).sign(UnixTime::from_secs(1_700_000_000), b"{}");
    let headers = signed.headers();
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let request = CapturedRequest::new(headers).with_received_at(now).with_body("{}");

    let secrets = DiagnosisSecrets::new().with_verifier(verifier);
    let diagnosis = Diagnosis::of(&request, &secrets, DiagnosisBudget::DEVELOPMENT);

    let causes = diagnosis.causes();
    assert_eq!(causes.iter().map(Cause::code).collect::<Vec<_>>(), ["expired_secret"]);
    assert!(causes[0].sentence().contains("`2025`"), "{}", causes[0].sentence());
}
