use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::{fault::Fault, signal};

/// The receiver `inbox_node` as a process, at an address that stays the same after a restart.
#[derive(Debug)]
pub struct Node {
    address: SocketAddr,
    variables: Vec<(String, String)>,
    process: Child,
    kill_at: Instant,
}

impl Node {
    /// Starts a receiver with these variables.
    ///
    /// # Errors
    ///
    /// The binary is not beside that of the caller.
    pub fn start(variables: &[(&str, &str)]) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut variables: Vec<_> = variables.iter().map(own).collect();
        variables.push(("LISTEN".into(), address.to_string()));
        let process = spawn(&variables, None)?;
        Ok(Self { address, variables, process, kill_at: far() })
    }

    /// Returns where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the id of the present process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the process when its time is over. Returns whether it has ended, and how.
    ///
    /// # Errors
    ///
    /// The process cannot be observed.
    pub fn watch(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.kill_at <= Instant::now() {
            self.process.kill()?;
        }
        self.process.try_wait()
    }

    /// Starts the process again. It is killed at this fault, or after this time.
    ///
    /// # Errors
    ///
    /// The binary is not beside that of the caller.
    pub fn restart(&mut self, fault: Option<&Fault>, life: Option<Duration>) -> io::Result<()> {
        self.process = spawn(&self.variables, fault)?;
        self.kill_at = life.and_then(|life| Instant::now().checked_add(life)).unwrap_or_else(far);
        Ok(())
    }

    /// Kills the process.
    ///
    /// # Errors
    ///
    /// The process cannot be killed.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }

    /// Stops the process as an operator does, and returns whether it succeeded.
    ///
    /// # Errors
    ///
    /// The process cannot be observed.
    pub fn stop(&mut self) -> io::Result<bool> {
        signal::send("TERM", [self.id()])?;
        Ok(self.process.wait()?.success())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        _ = self.kill();
    }
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(24 * 60 * 60)
}

fn spawn(variables: &[(String, String)], fault: Option<&Fault>) -> io::Result<Child> {
    let own = std::env::current_exe()?;
    let folder = own.parent().unwrap_or(Path::new("."));
    let mut command = Command::new(folder.join("inbox_node"));
    command.envs(variables.iter().map(|(name, value)| (name, value))).env_remove("FAULT");
    if let Some(Fault { moment, nth, statement }) = fault {
        command.env("FAULT", format!("{moment} {nth} {statement}"));
    }
    command.stdin(Stdio::null()).spawn()
}
