//! A secret file that somebody or something damages, under the layer and the extractor of both
//! adapters.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

#[path = "sources/receivers.rs"]
mod receivers;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::{
        LazyLock, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use agentmail_receive::{SecretFile, WebhookConfig};
use agentmail_verify::{Secret, Signer, UnixTime};
use tracing_subscriber::fmt::MakeWriter;

use receivers::{Sent, receivers};

/// The folder of one test, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("agentmail-{name}-{}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("secret")
    }

    /// Replaces the file in one step.
    fn replace(&self, content: &[u8]) {
        fs::write(self.0.join("new"), content).unwrap();
        fs::rename(self.0.join("new"), self.file()).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// The log of this process, as text that the tests read. It panics as a log does that cannot be
/// written.
#[derive(Clone)]
struct Log(Sender<String>);

const UNWRITABLE: &str = "unwritable";

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        assert!(!text.contains(UNWRITABLE), "on purpose");
        _ = self.0.send(text);
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

/// The log of all tests. It is global, because the file is read on another thread.
static LOG: LazyLock<Mutex<Receiver<String>>> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel();
    tracing_subscriber::fmt().with_writer(Log(sender)).with_ansi(false).init();
    Mutex::new(receiver)
});

fn config(file: &Path) -> WebhookConfig {
    let file = SecretFile::new(file).unwrap().with_overlap(Duration::ZERO);
    WebhookConfig::new(file.with_interval(Duration::from_millis(1)))
}

fn signed_with(secret: &str) -> Sent {
    let body = r#"{"type":"mail.received","agent_id":"a","message_id":"m"}"#.to_owned();
    let signer = Signer::new(Secret::new(secret).unwrap());
    let signed = signer.sign(UnixTime::now(), body.as_bytes());
    let headers = signed.headers().map(|(name, value)| (name, value.to_owned())).to_vec();
    Sent { path: "/agents/a/webhook".to_owned(), headers, body }
}

const IN_USE: &str = "the secret in use";

#[actix_web::test]
async fn ten_bad_files_in_a_row_never_stop_the_secret_in_use() {
    let utf_16 = |text: &str| {
        let units = [0xfeff].into_iter().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
    };
    let bad = [
        (b"".to_vec(), "the signing secret is empty"),
        (b" \r\n".to_vec(), "whitespace at its start or end"),
        (b"\xef\xbb\xbfhush\r\n".to_vec(), "begins with a byte order mark"),
        (utf_16("hush\r\n"), "is UTF-16"),
        (b"WEBHOOK_SIGNING_SECRET=hush\n".to_vec(), "loaded a new secret"),
        (b"hush\0\n".to_vec(), "a control character, for example a second line or NUL"),
        (b"\"hush\"\n".to_vec(), "loaded a new secret"),
        (b"hush".repeat(2_000), "longer than 4096 bytes"),
        (b"{\"signing_secret\": \"hush\"}".to_vec(), "loaded a new secret"),
        ("hush\u{200b}".into(), "an invisible character"),
        (b"hush".to_vec(), "loaded a new secret"),
        (b"hu".to_vec(), "loaded a new secret"),
    ];
    let folder = Folder::new("ten-bad-files");
    folder.replace(IN_USE.as_bytes());
    let config = config(&folder.file());
    let wait_for = |text: &str| {
        let log = LOG.lock().unwrap();
        log.iter().find(|line| line.contains("ten-bad-files") && line.contains(text)).unwrap()
    };
    let receivers = receivers(|| config.clone()).await;
    for receiver in &receivers {
        assert_eq!(receiver.send(signed_with(IN_USE)).await.status, 200, "{}", receiver.name);
    }
    wait_for("first delivery verified with this secret");

    for (content, logged) in bad {
        folder.replace(&content);

        let line = wait_for(logged);
        let level = if logged.starts_with("loaded") { "INFO" } else { "ERROR" };
        assert!(line.contains(level) && !line.contains("hush"), "{line}");
        for receiver in &receivers {
            let response = receiver.send(signed_with(IN_USE)).await;
            assert_eq!(response.status, 200, "{logged}, {}", receiver.name);
        }
    }
    fs::remove_file(folder.file()).unwrap();
    wait_for("No such file");
    folder.replace(b"the next secret\n");
    wait_for("the secret can be loaded again");
    wait_for("loaded a new secret");
    for receiver in &receivers {
        assert_eq!(receiver.send(signed_with("the next secret")).await.status, 200);
        while receiver.send(signed_with(IN_USE)).await.code != Some("mismatch") {}
        assert_eq!(receiver.send(signed_with("the next secret")).await.status, 200);
    }
}

#[actix_web::test]
async fn a_log_that_cannot_be_written_does_not_stop_the_reading_of_the_file() {
    LazyLock::force(&LOG);
    let folder = Folder::new(UNWRITABLE);
    folder.replace(IN_USE.as_bytes());
    let config = config(&folder.file());
    for receiver in receivers(|| config.clone()).await {
        for content in ["a secret", "another secret", "", "the last secret"] {
            folder.replace(content.as_bytes());

            while !content.is_empty() && receiver.send(signed_with(content)).await.status != 200 {}
        }
    }
}
