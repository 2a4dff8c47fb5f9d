//! The core, from header bytes to receipt, with a fixed clock.
#![allow(missing_docs, reason = "criterion's macros")]
#![expect(clippy::unwrap_used, reason = "a broken bench panics")]

use std::hint::black_box;

use agentmail_verify::{
    Label, MailReceived, Receipt, Secret, SignedDelivery, SignedHeaders, Signer, UnixTime,
    Verifier, VerifyError, WebhookHeader, from_json,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const SAMPLE: &str = include_str!("../../examples/sample.json");
const SIZES: [usize; 6] = [0, 64, 400, 1 << 10, 16 << 10, 256 << 10];

fn secret(label: &str) -> Secret {
    Secret::new(format!("secret of {label}")).unwrap().with_label(Label::new(label).unwrap())
}

/// The values of the two headers, as a server has them.
struct HeaderValues {
    timestamp: String,
    signature: String,
}

impl From<SignedDelivery> for HeaderValues {
    fn from(signed: SignedDelivery) -> Self {
        Self { timestamp: signed.timestamp().into(), signature: signed.signature().into() }
    }
}

fn sign(label: &str, at: UnixTime, body: &[u8]) -> HeaderValues {
    Signer::new(secret(label)).sign(at, body).into()
}

fn read(values: &HeaderValues) -> Result<SignedHeaders, VerifyError> {
    SignedHeaders::parse(|header| match header {
        WebhookHeader::Timestamp => Some(values.timestamp.as_bytes()),
        WebhookHeader::Signature => Some(values.signature.as_bytes()),
        WebhookHeader::Unsigned => None,
    })
}

fn verify(verifier: &Verifier, values: &HeaderValues, body: &[u8]) -> Result<Receipt, VerifyError> {
    verifier.verify(&read(values)?, body, NOW)
}

fn accept(c: &mut Criterion) {
    let mut group = c.benchmark_group("accept");
    let verifier = Verifier::new(secret("new"));
    for size in SIZES {
        let body = vec![b'x'; size];
        let delivery = sign("new", NOW, &body);
        let headers = read(&delivery).unwrap();
        group.throughput(Throughput::Bytes(size.max(1).try_into().unwrap()));

        group.bench_function(BenchmarkId::new("in one piece", size), |b| {
            b.iter(|| verify(&verifier, black_box(&delivery), black_box(&body)).unwrap());
        });
        group.bench_function(BenchmarkId::new("streamed by 1,400 bytes", size), |b| {
            b.iter(|| {
                let mut verification = verifier.begin(black_box(&headers), NOW).unwrap();
                body.chunks(1_400).for_each(|piece| verification.update(piece));
                verification.finish().unwrap()
            });
        });
    }
}

fn refuse(c: &mut Criterion) {
    let mut group = c.benchmark_group("refuse 400 bytes");
    let body = [b'x'; 400];
    let verifier = Verifier::new(secret("new"));
    let genuine = sign("new", NOW, &body);
    let forged = sign("forger", NOW, &body);
    let stale = sign("new", UnixTime::from_secs(1_600_000_000), &body);

    group.bench_function("forged", |b| {
        b.iter(|| verify(&verifier, black_box(&forged), &body).unwrap_err());
    });
    group.bench_function("stale", |b| {
        b.iter(|| verify(&verifier, black_box(&stale), &body).unwrap_err());
    });
    for (name, timestamp, signature) in [
        ("missing signature", Some("1700000000"), None),
        ("malformed timestamp", Some("+1700000000"), Some(genuine.signature.as_str())),
        ("malformed signature", Some("1700000000"), Some("v1=00")),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                SignedHeaders::parse(|header| match header {
                    WebhookHeader::Timestamp => black_box(timestamp).map(str::as_bytes),
                    WebhookHeader::Signature => black_box(signature).map(str::as_bytes),
                    WebhookHeader::Unsigned => None,
                })
                .unwrap_err()
            });
        });
    }
}

fn two_secrets(c: &mut Criterion) {
    let mut group = c.benchmark_group("two secrets, 400 bytes");
    let body = [b'x'; 400];
    let verifier = Verifier::new(secret("new")).with_secret(secret("old")).unwrap();
    for label in ["new", "old"] {
        let delivery = sign(label, NOW, &body);
        group.bench_function(label, |b| {
            b.iter(|| verify(&verifier, black_box(&delivery), &body).unwrap());
        });
    }
}

fn payload(c: &mut Criterion) {
    c.bench_function("payload of the guide's sample", |b| {
        b.iter(|| from_json::<MailReceived>(black_box(SAMPLE.as_bytes())).unwrap());
    });
}

criterion_group!(benches, accept, refuse, two_secrets, payload);
criterion_main!(benches);
