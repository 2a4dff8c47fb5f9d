use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{
    fault::{Fault, Moment, one_line},
    fault_points::FaultPoints,
    signal,
};

/// Forwards the connections between one process and a PostgreSQL server, and kills the process at
/// a statement.
///
/// It reads the messages of both sides. "Before" means that the server never gets the statement.
/// "After" means that the server has carried it out, and that the process gets no byte of the
/// result.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: PathBuf,
    points: Arc<FaultPoints>,
    armed: Mutex<Option<Armed>>,
}

#[derive(Debug)]
struct Armed {
    process: u32,
    fault: Fault,
}

impl Proxy {
    /// Listens on a free port, for the server at this socket.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub fn start(server: PathBuf, points: Arc<FaultPoints>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { server, points, armed: Mutex::new(None) });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                // A connection that breaks is noticed by both sides.
                thread::spawn(move || _ = shared.serve(client));
            }
        });
        Ok(Self { port, shared })
    }

    /// Returns the address for the process.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills this process at this fault, instead of an earlier one.
    pub fn arm(&self, process: u32, fault: Option<Fault>) {
        *self.shared.armed() = fault.map(|fault| Armed { process, fault });
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let Some(startup) = startup(&mut client)? else { return Ok(()) };
        let mut server = UnixStream::connect(&self.server)?;
        server.write_all(&startup)?;
        // Set while the result of a statement must not reach the process.
        let holding = Arc::new(AtomicBool::new(false));
        let (to_client, from_server) = (client.try_clone()?, server.try_clone()?);
        let (shared, held) = (Arc::clone(self), Arc::clone(&holding));
        let back = thread::spawn(move || shared.return_results(from_server, to_client, &held));
        let done = self.forward_statements(&mut client, &mut server, &holding);
        _ = server.shutdown(Shutdown::Both);
        _ = client.shutdown(Shutdown::Both);
        _ = back.join();
        done
    }

    fn forward_statements(
        &self,
        client: &mut TcpStream,
        server: &mut UnixStream,
        holding: &AtomicBool,
    ) -> io::Result<()> {
        let (mut prepared, mut bound) = (HashMap::new(), String::new());
        loop {
            let message = message(client)?;
            let body = message.get(5..).unwrap_or_default();
            let mut texts = body.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            let mut text = || texts.next().unwrap_or_default().into_owned();
            let executed = match message.first() {
                Some(b'P') => {
                    let name = text();
                    prepared.insert(name, one_line(&text()));
                    None
                }
                Some(b'B') => {
                    _ = text();
                    bound = prepared.get(&text()).cloned().unwrap_or_default();
                    None
                }
                Some(b'E') => Some(bound.clone()),
                Some(b'Q') => Some(one_line(&text())),
                _ => None,
            };
            match executed.and_then(|statement| self.meets(&statement)) {
                Some(Moment::Before) => return self.kill(Moment::Before),
                Some(Moment::After) => holding.store(true, Ordering::SeqCst),
                None => {}
            }
            server.write_all(&message)?;
        }
    }

    fn return_results(
        &self,
        mut server: UnixStream,
        mut client: TcpStream,
        holding: &AtomicBool,
    ) -> io::Result<()> {
        loop {
            let message = match message(&mut server) {
                Ok(message) => message,
                Err(error) => {
                    _ = client.shutdown(Shutdown::Both);
                    return Err(error);
                }
            };
            if !holding.load(Ordering::SeqCst) {
                client.write_all(&message)?;
            } else if message.first() == Some(&b'Z') {
                // The transaction of the statement has ended.
                return self.kill(Moment::After);
            }
        }
    }

    /// Counts an execution. Returns the moment of the fault, if it is met now.
    fn meets(&self, statement: &str) -> Option<Moment> {
        self.points.saw(statement);
        let mut armed = self.armed();
        let fault = &mut armed.as_mut()?.fault;
        if fault.statement != statement {
            return None;
        }
        fault.nth = fault.nth.checked_sub(1)?;
        (fault.nth == 0).then_some(fault.moment)
    }

    fn kill(&self, moment: Moment) -> io::Result<()> {
        if let Some(armed) = self.armed().take() {
            self.points.killed(&armed.fault.statement, moment);
            signal::send("KILL", [armed.process])?;
        }
        Ok(())
    }

    fn armed(&self) -> MutexGuard<'_, Option<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the first message, which has no tag. Refuses encryption.
fn startup(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    const CANCEL: u32 = 80_877_102;
    const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let rest = usize::try_from(u32::from_be_bytes(length)).unwrap_or(0).saturating_sub(4);
        let mut startup = length.to_vec();
        client.take(u64::try_from(rest).unwrap_or(0)).read_to_end(&mut startup)?;
        let code = startup.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        match code {
            Some(code) if ENCRYPTION.contains(&code) => client.write_all(b"N")?,
            Some(CANCEL) | None => return Ok(None),
            Some(_) => return Ok(Some(startup)),
        }
    }
}

/// Reads a message: a tag, a length, a body.
fn message(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let [_, length @ ..] = head;
    let rest = u64::from(u32::from_be_bytes(length).saturating_sub(4));
    let mut message = head.to_vec();
    stream.take(rest).read_to_end(&mut message)?;
    Ok(message)
}
