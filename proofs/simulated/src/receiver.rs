use std::{
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// How to start a receiver.
#[derive(Debug, Clone)]
pub struct Program {
    binary: &'static str,
    variables: Vec<(OsString, OsString)>,
}

/// A receiver that runs. It is killed when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    process: Child,
    url: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Names the program.
    #[must_use]
    pub fn new(binary: &'static str) -> Self {
        Self { binary, variables: Vec::new() }
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Starts the program with this secret in its environment, and waits until it listens.
    #[must_use]
    pub fn start(&self, secret: &str) -> Receiver {
        let mut process = Command::new(self.binary)
            .env_remove("RUST_LOG")
            .env("LISTEN", "127.0.0.1:0")
            .env("WEBHOOK_SIGNING_SECRET", secret)
            .envs(self.variables.iter().cloned())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines =
            BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url =
            lines.find_map(|line| line.split_once("listening at ").map(|(_, it)| it.to_owned()));
        let log = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&log);
        thread::spawn(move || lines.for_each(|line| kept.lock().unwrap().push(line)));
        let url = format!("{}/agentmail/webhook", url.expect("it has not ended").trim());
        Receiver { process, url, log }
    }
}

impl Receiver {
    /// Returns the URL of its webhook.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns how often its handler has logged this mail.
    #[must_use]
    pub fn handled(&self, message_id: &str) -> usize {
        let id = format!("{message_id:?}");
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line.contains("mail received") && line.contains(&id)).count()
    }

    /// Waits until its handler has logged this mail.
    pub fn wait_for(&self, message_id: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.handled(message_id) == 0 {
            let log = self.log.lock().unwrap();
            assert!(Instant::now() < deadline, "{message_id} is not in the log: {log:#?}");
            drop(log);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
