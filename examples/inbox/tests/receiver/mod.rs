//! The receiver as a process with a new database.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use agentmail_cli::Sender;
use agentmail_inbox::{Filter, Inbox, SqliteStore, State, rusqlite::Connection};
use tokio::runtime::Builder;

const BINARY: &str = env!("CARGO_BIN_EXE_transactional_inbox");
const SECRET: &str = "whsec_of_this_test";

/// A folder for one test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("agentmail-inbox-{}-{next}", std::process::id());
        let folder = env::temp_dir().join(name);
        _ = fs::remove_dir_all(&folder); // A run that was killed has left it.
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Opens a second connection to the database, as an operator does.
    pub(crate) fn database(&self) -> Connection {
        let database = Connection::open(self.path("inbox.db")).unwrap();
        database.busy_timeout(Duration::from_secs(86_400)).unwrap();
        database
    }

    /// Uses the inbox as an operator's program does, also while the receiver runs.
    pub(crate) fn operate<T>(&self, act: impl AsyncFnOnce(&Inbox) -> T) -> T {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::attach(self.path("inbox.db")).await.unwrap();
            act(&Inbox::new(store)).await
        })
    }

    /// Redrives the messages of a state. Returns how many.
    pub(crate) fn redrive(&self, state: State) -> u64 {
        let filter = Filter::new().with_state(state);
        self.operate(async |inbox| inbox.redrive(filter, "ann").await.unwrap())
    }

    /// Returns a command with the receiver's environment. The receiver repeats failures at once.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in ["RUST_LOG", "ATTEMPTS", "TIME_LIMIT", "FAIL_FIRST", "POISON", "HOLD"] {
            command.env_remove(name);
        }
        command
            .env("RUST_BACKTRACE", "0")
            .env("WEBHOOK_SIGNING_SECRET", SECRET)
            .env("LISTEN", "127.0.0.1:0")
            .env("INBOX", self.path("inbox.db"))
            .env("FIRST_PAUSE", "1");
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A receiver that listens on a free port.
pub(crate) struct Receiver {
    process: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    url: String,
}

impl Receiver {
    pub(crate) fn start(folder: &Folder, variables: &[(&str, &str)]) -> Self {
        Self::spawn(folder.command(BINARY).envs(variables.iter().copied()))
    }

    /// Starts a receiver whose files may have this many blocks of 512 bytes, as on a full disk.
    pub(crate) fn start_on_small_disk(folder: &Folder, blocks: u32) -> Self {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec {BINARY}");
        Self::spawn(folder.command("sh").args(["-c", &limited]))
    }

    /// Runs a receiver that must exit by itself.
    pub(crate) fn output(folder: &Folder, variables: &[(&str, &str)]) -> Output {
        folder.command(BINARY).envs(variables.iter().copied()).output().unwrap()
    }

    fn spawn(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&log);
        // Reads the whole log, so that the pipe is never full.
        let reader = thread::spawn(move || {
            for line in stdout.lines() {
                *written.lock().unwrap() += &(line.unwrap() + "\n");
            }
        });
        let mut receiver = Self { process, log, reader: Some(reader), url: String::new() };
        receiver.waits_for_log("listening at ");
        let log = receiver.log();
        let line = log.lines().find_map(|line| line.split_once("listening at "));
        line.unwrap().1.clone_into(&mut receiver.url);
        receiver
    }

    /// Sends a mail with this id. Returns the status of the response.
    pub(crate) fn mail(&self, message_id: &str) -> u16 {
        self.send(mail(message_id).as_bytes())
    }

    pub(crate) fn send(&self, body: &[u8]) -> u16 {
        let url = format!("{}/agentmail/webhook", self.url);
        Sender::new(SECRET).unwrap().send(&url, body, None).unwrap().status
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let mut response = ureq::get(format!("{}{path}", self.url)).call().unwrap();
        response.body_mut().read_to_string().unwrap()
    }

    pub(crate) fn waits_for_counts(&self, counts: &str) {
        until(&format!("the counts are {counts}"), || {
            let found = self.get("/inbox");
            // The states `done` and `dead` are final, so more waiting would not change them.
            let settled = found.starts_with(r#"{"waiting":0,"taken":0,"#);
            assert!(!settled || found == counts, "{found} instead of {counts}");
            found == counts
        });
    }

    pub(crate) fn waits_for_log(&mut self, text: &str) {
        until(&format!("the log says {text:?}"), || {
            let ended = self.process.try_wait().unwrap().is_some();
            let found = self.log().contains(text);
            assert!(found || !ended, "it ended without {text:?}: {}", self.log());
            found
        });
    }

    /// Stops the receiver with a signal. Returns whether it exited with success, and its log.
    pub(crate) fn stop(self, signal: &str) -> (bool, String) {
        self.signal(signal);
        self.end()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until the receiver exits. Returns whether it exited with success, and its log.
    pub(crate) fn end(mut self) -> (bool, String) {
        let ended_well = self.process.wait().unwrap().success();
        self.reader.take().unwrap().join().unwrap();
        (ended_well, self.log())
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

/// Kills the process, also after a failed test.
impl Drop for Receiver {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

pub(crate) fn mail(message_id: &str) -> String {
    format!(
        r#"{{"type":"mail.received","agent_id":"my-agent","message_id":"{message_id}",
            "subject":"Quarterly"}}"#
    )
}

/// Waits until a condition is true, without a time limit.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for round in 1_u32.. {
        if holds() {
            return;
        }
        if round.is_multiple_of(500) {
            eprintln!("waiting until {what}");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn touch(path: &Path) -> String {
    fs::write(path, "").unwrap();
    path.to_str().unwrap().to_owned()
}
