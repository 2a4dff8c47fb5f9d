use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use agentmail_verify::{Secret, Signer, UnixTime};

/// The secret of all senders and receivers here.
pub const SECRET: &str = "whsec_of_the_proofs";

/// Delivers messages as the service does: it repeats each one until it gets 200.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    receivers: Vec<SocketAddr>,
    messages: u32,
    next: AtomicU32,
    allowed: AtomicU32,
    accepted: AtomicU32,
    retries: Mutex<BTreeMap<String, u32>>,
}

impl Sender {
    /// Sends messages with the numbers below `messages` to these receivers in turns, this many at
    /// once. It sends each tenth message twice. It waits for [`allow`](Self::allow).
    #[must_use]
    pub fn start(receivers: Vec<SocketAddr>, messages: u32, at_once: usize) -> Self {
        let shared = Arc::new(Shared {
            receivers,
            messages,
            next: AtomicU32::new(0),
            allowed: AtomicU32::new(0),
            accepted: AtomicU32::new(0),
            retries: Mutex::default(),
        });
        let threads = (0..at_once).map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.send_all(number))
        });
        let threads = threads.collect();
        Self { shared, threads }
    }

    /// Allows it to send the messages below this number.
    pub fn allow(&self, messages: u32) {
        self.shared.allowed.fetch_max(messages, Ordering::Relaxed);
    }

    /// Returns how many messages got 200.
    #[must_use]
    pub fn accepted(&self) -> u32 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Returns how often a delivery was repeated, by the status or the error.
    #[must_use]
    pub fn retries(&self) -> BTreeMap<String, u32> {
        self.shared.retries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until each message got 200. Returns whether no sender has panicked.
    #[must_use]
    pub fn join(self) -> bool {
        self.threads.into_iter().all(|thread| thread.join().is_ok())
    }
}

impl Shared {
    fn send_all(&self, number: usize) {
        let secret = Secret::new(SECRET).expect("the secret is valid");
        let signer = Signer::new(secret);
        let mut receivers = self.receivers.iter().copied().cycle().skip(number);
        let mut connection = None;
        loop {
            let message = self.next.fetch_add(1, Ordering::Relaxed);
            if message >= self.messages {
                return;
            }
            while message >= self.allowed.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(2));
            }
            let body = body(message);
            for _ in 0..if message.is_multiple_of(10) { 2 } else { 1 } {
                while let Err(cause) = send(&signer, &body, &mut connection, || receivers.next()) {
                    connection = None;
                    let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
                    *retries.entry(cause).or_default() += 1;
                    drop(retries);
                    thread::sleep(Duration::from_millis(20));
                }
            }
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Returns the body of a message.
#[must_use]
pub fn body(message: u32) -> String {
    let text = "x".repeat(300);
    let agent = message % 7;
    let ids = format!(r#""agent_id":"agent-{agent}","message_id":"m-{message}""#);
    format!(r#"{{"type":"mail.received",{ids},"text":"{text}"}}"#)
}

/// Sends a delivery on a connection that stays open. The error is the status, or the kind of error.
fn send(
    signer: &Signer,
    body: &str,
    connection: &mut Option<TcpStream>,
    receiver: impl FnOnce() -> Option<SocketAddr>,
) -> Result<(), String> {
    let kind = |error: io::Error| format!("{:?}", error.kind());
    let stream = match connection {
        Some(stream) => stream,
        none => {
            let address = receiver().ok_or("no receiver")?;
            let stream =
                TcpStream::connect_timeout(&address, Duration::from_secs(5)).map_err(kind)?;
            stream.set_nodelay(true).map_err(kind)?;
            stream.set_read_timeout(Some(Duration::from_secs(20))).map_err(kind)?;
            none.insert(stream)
        }
    };
    let signed = signer.sign(UnixTime::now(), body.as_bytes());
    let [timestamp, signature] = signed.headers().map(|(name, value)| format!("{name}: {value}"));
    let request = format!(
        "POST /agentmail/webhook HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         {timestamp}\r\n{signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len(),
    );
    stream.write_all(request.as_bytes()).map_err(kind)?;
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).map_err(kind)? == 0 {
            return Err("closed".into());
        }
        response.extend(byte);
    }
    let head = String::from_utf8_lossy(&response);
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        status => Err(status.unwrap_or("malformed").to_owned()),
    }
}
