//! What the log says of a source that fails. In a binary of its own: tests that run beside it
//! without a subscriber would turn the log events off.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agentmail_receive::{CacheConfig, Lookup, RequestHead, WebhookConfig};
use tokio::time::advance;

use common::{NOW, body_of, receive, tenant};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Returns how often the log says that the lookups fail, and that they succeed again.
    fn outages(&self) -> (usize, usize) {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = |text| log.lines().filter(|line| line.contains(text)).count();
        assert_eq!(lines("error=\"the source is down\""), lines("last known results are used"));
        (lines("last known results are used"), lines("succeed again"))
    }
}

#[tokio::test(start_paused = true)]
async fn the_begin_and_the_end_of_an_outage_are_logged_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let fails = Arc::new(AtomicBool::new(false));
    let source = Arc::clone(&fails);
    let lookup = Lookup::new(
        |_: &RequestHead<'_>| Some("a".to_owned()),
        move |agent: String| {
            let found = (!source.load(Ordering::Relaxed)).then(|| Some(tenant(&agent)));
            async { found.ok_or("the source is down") }
        },
    );
    let config = WebhookConfig::new(lookup.cached(CacheConfig::default())).with_clock(NOW);
    let deliver = async || receive(&config, "a", "a", body_of("a")).await.unwrap();
    deliver().await;

    // The second outage begins within a minute after the first one, the third one later.
    for expected in [1, 1, 2] {
        fails.store(true, Ordering::Relaxed);
        for _ in 0..2 {
            advance(Duration::from_secs(10)).await;
            deliver().await;
        }
        assert_eq!(log.outages().0, expected);
        fails.store(false, Ordering::Relaxed);
        advance(Duration::from_secs(10)).await;
        deliver().await;
        assert_eq!(log.outages(), (expected, expected));
    }
}
