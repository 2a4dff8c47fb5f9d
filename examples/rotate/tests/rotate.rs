//! `rotate` as in Kubernetes: the folder of the secret is replaced while clients send.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
};

use agentmail_cli::{SAMPLE, Sender};

const ROTATE: &str = env!("CARGO_BIN_EXE_rotate");

/// A folder as Kubernetes mounts a secret. `secret` links to `..data/secret`, and `..data` links to
/// the folder of one generation. An update replaces `..data` in one step.
struct Mount {
    root: PathBuf,
    generations: usize,
}

impl Mount {
    fn new(name: &str, content: &[u8]) -> Self {
        let root = std::env::temp_dir().join(format!("agentmail-{name}-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        symlink("..data/secret", root.join("secret")).unwrap();
        let mut mount = Self { root, generations: 0 };
        mount.update(content);
        mount
    }

    fn update(&mut self, content: &[u8]) {
        self.generations += 1;
        let folder = format!("..generation-{}", self.generations);
        fs::create_dir(self.root.join(&folder)).unwrap();
        fs::write(self.root.join(&folder).join("secret"), content).unwrap();
        symlink(&folder, self.root.join("..data_tmp")).unwrap();
        fs::rename(self.root.join("..data_tmp"), self.root.join("..data")).unwrap();
        let former = format!("..generation-{}", self.generations - 1);
        _ = fs::remove_dir_all(self.root.join(former));
    }

    fn file(&self) -> PathBuf {
        self.root.join("secret")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.root);
    }
}

/// The process, and the lines of its log.
struct Rotate {
    process: Child,
    log: Receiver<String>,
    url: String,
}

impl Rotate {
    fn start(file: &Path, former_seconds: &str) -> Self {
        let mut process =
            command(file).env("FORMER_SECRET_SECONDS", former_seconds).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.trim().split_once("listening at ").unwrap().1.to_owned();
        let log = read_on(lines);
        Self { process, log, url }
    }

    /// Waits until a line with this text is logged.
    fn wait_for(&self, text: &str) -> String {
        self.log.iter().find(|line| line.contains(text)).expect("the log contains the text")
    }

    fn send(&self, sender: &Sender) -> u16 {
        send(&self.url, sender)
    }
}

fn send(url: &str, sender: &Sender) -> u16 {
    let url = format!("{url}/agentmail/webhook");
    sender.send(&url, SAMPLE.as_bytes(), None).unwrap().status
}

/// Reads the rest of the log, so that the process never waits for a reader.
fn read_on(lines: Lines<BufReader<ChildStdout>>) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    receiver
}

/// Kills the process, also after a failed test.
impl Drop for Rotate {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn command(file: &Path) -> Command {
    let mut command = Command::new(ROTATE);
    command
        .env_remove("RUST_LOG")
        .env("LISTEN", "127.0.0.1:0")
        .env("WEBHOOK_SIGNING_SECRET_FILE", file)
        .env("LOOK_EVERY_MILLISECONDS", "2")
        .stdout(Stdio::piped());
    command
}

fn secret(generation: usize) -> String {
    format!("whsec_of_generation_{generation}")
}

fn sender(generation: usize) -> Sender {
    Sender::new(&secret(generation)).unwrap()
}

#[test]
fn a_rotation_under_load_loses_no_delivery() {
    const ROTATIONS: usize = 20;
    let mut mount = Mount::new("load", secret(0).as_bytes());
    let rotate = Rotate::start(&mount.file(), "3600");
    let senders: Vec<_> = (0..=ROTATIONS).map(sender).collect();
    // Locked for writing after a secret was loaded, while no delivery with an older one is sent.
    let loaded = RwLock::new(0_usize);
    let (sent, done) = (AtomicUsize::new(0), AtomicBool::new(false));

    let url = &*rotate.url;
    let client = || {
        while !done.load(Ordering::Relaxed) {
            for age in [0, 1] {
                let newest = loaded.read().unwrap();
                let signer = &senders[newest.saturating_sub(age)];
                assert_eq!(send(url, signer), 200, "generation {newest}, {age} older");
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        for generation in 1..=ROTATIONS {
            let enough = sent.load(Ordering::Relaxed) + 20;
            while sent.load(Ordering::Relaxed) < enough {
                assert!(!clients.iter().any(|client| client.is_finished()), "a client has failed");
                thread::yield_now();
            }
            // One line end, as an editor writes it.
            mount.update(format!("{}\n", secret(generation)).as_bytes());
            let line = rotate.wait_for("loaded a new secret");
            assert!(line.contains(&format!("new=#{} since", generation + 1)), "{line}");
            *loaded.write().unwrap() = generation;
        }
        done.store(true, Ordering::Relaxed);
    });

    assert!(sent.load(Ordering::Relaxed) >= 20 * ROTATIONS);
}

#[test]
fn bad_content_is_logged_as_an_error_and_changes_nothing() {
    let mut mount = Mount::new("bad", secret(0).as_bytes());
    let rotate = Rotate::start(&mount.file(), "3600");

    for (content, fault) in [
        (&b""[..], "the signing secret is empty"),
        (b"hush \n", "whitespace at its start or end"),
        (b"\xef\xbb\xbfhush\n", "begins with a byte order mark"),
        (&[b'h'; 5_000], "longer than 4096 bytes"),
    ] {
        mount.update(content);
        let line = rotate.wait_for(fault);
        assert!(line.contains("ERROR") && line.contains("in_use=#1"), "{line}");
        assert!(!line.contains("hush"), "{line}");
        assert_eq!(rotate.send(&sender(0)), 200, "{fault}");
    }
    fs::remove_file(mount.root.join("..data")).unwrap();
    assert!(rotate.wait_for("No such file").contains("ERROR"));
    assert_eq!(rotate.send(&sender(0)), 200, "no file at all");

    mount.update(secret(1).as_bytes());
    rotate.wait_for("loaded a new secret");
    assert_eq!([rotate.send(&sender(1)), rotate.send(&sender(0))], [200, 200]);
    mount.update(secret(0).as_bytes());
    let line = rotate.wait_for("loaded a new secret");
    assert!(line.contains("new=#3"), "an old secret is loaded again: {line}");
    assert_eq!([rotate.send(&sender(1)), rotate.send(&sender(0))], [200, 200]);
}

#[test]
fn a_former_secret_is_refused_after_its_end() {
    let mut mount = Mount::new("end", secret(0).as_bytes());
    let rotate = Rotate::start(&mount.file(), "1");

    assert_eq!(rotate.send(&sender(0)), 200);
    mount.update(secret(1).as_bytes());
    rotate.wait_for("loaded a new secret");
    assert_eq!(rotate.send(&sender(0)), 200, "no delivery with the new secret yet");
    assert_eq!(rotate.send(&sender(1)), 200);
    let line = rotate.wait_for("the former secret is accepted until the time in");
    assert!(line.contains("secret=#1 since"), "{line}");
    while rotate.send(&sender(0)) == 200 {
        assert_eq!(rotate.send(&sender(1)), 200);
    }

    assert_eq!([rotate.send(&sender(0)), rotate.send(&sender(1))], [403, 200]);
}

#[test]
fn wrong_secrets_never_stop_the_secret_that_has_verified_a_delivery() {
    let mut mount = Mount::new("wrong", secret(0).as_bytes());
    let rotate = Rotate::start(&mount.file(), "0");
    assert_eq!(rotate.send(&sender(0)), 200);
    rotate.wait_for("first delivery verified with this secret");

    for content in ["\"quoted\"", "NAME=value", "{}", "half a sec", "of staging", "of another"] {
        mount.update(content.as_bytes());
        rotate.wait_for("loaded a new secret");

        assert_eq!(rotate.send(&sender(0)), 200, "{content}");
    }
}

#[test]
fn an_unusable_file_is_reported_in_one_sentence() {
    let mount = Mount::new("unusable", b"");
    for (file, sentence) in
        [(mount.file(), "the signing secret is empty"), (mount.root.join("none"), "No such file")]
    {
        let output = command(&file).output().unwrap();

        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert_eq!((output.stdout.len(), stderr.lines().count()), (0, 1), "{stderr}");
        let path = file.to_str().unwrap();
        assert!(stderr.starts_with(&format!("Error: {path}: ")), "{stderr}");
        assert!(stderr.contains(sentence), "{stderr}");
    }
    let output = command(&mount.file()).env_remove("WEBHOOK_SIGNING_SECRET_FILE").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let sentence = "WEBHOOK_SIGNING_SECRET_FILE: the environment variable is not set";
    assert_eq!(stderr, format!("Error: \"{sentence}\"\n"));
}
