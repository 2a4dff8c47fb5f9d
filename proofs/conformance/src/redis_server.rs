use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

/// A Redis server for one test. It listens on a free port, and keeps its data in a folder that is
/// removed on drop.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    bus: Option<u16>,
    folder: PathBuf,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server with these options, such as `["--appendonly", "yes"]`.
    ///
    /// # Errors
    ///
    /// `redis-server` is not installed, or does not start.
    pub fn start(options: &[&str]) -> io::Result<Self> {
        Self::start_with(|port, folder| {
            let always =
                ["--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "local", "--port"];
            let own = [port, "--dir", folder];
            Ok([&always[..], &own, options].concat().iter().map(ToString::to_string).collect())
        })
    }

    /// Starts a node of a cluster with these options. It has no slots.
    ///
    /// # Errors
    ///
    /// `redis-server` is not installed, or does not start.
    pub fn start_node(options: &[&str]) -> io::Result<Self> {
        // The default is the port and 10,000, which may be too high or not free.
        let bus = free_port()?;
        let always = ["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()];
        let mut server = Self::start(&[&always, options].concat())?;
        server.bus = Some(bus);
        Ok(server)
    }

    /// Starts a Sentinel with these lines of configuration.
    ///
    /// # Errors
    ///
    /// `redis-server` is not installed, or does not start.
    pub fn start_sentinel(configuration: &str) -> io::Result<Self> {
        Self::start_with(|port, folder| {
            let file = format!("{folder}/sentinel.conf");
            let own = format!("bind 127.0.0.1\nport {port}\ndir {folder}\n");
            std::fs::write(&file, own + configuration)?;
            Ok(vec![file, "--sentinel".into()])
        })
    }

    fn start_with(
        arguments: impl FnOnce(&str, &str) -> io::Result<Vec<String>>,
    ) -> io::Result<Self> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);

        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("agentmail-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let arguments = arguments(&port.to_string(), &folder.to_string_lossy())?;
        let mut server = Self { port, bus: None, folder, arguments, process: None };
        server.resume()?;
        Ok(server)
    }

    /// Returns the address of the server, `redis://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the port of a node for the other nodes of its cluster.
    #[must_use]
    pub const fn bus(&self) -> Option<u16> {
        self.bus
    }

    /// Sends a command, and returns the text of the reply.
    ///
    /// # Errors
    ///
    /// The server does not respond, or the reply is an error.
    pub fn query(&self, command: &str) -> io::Result<String> {
        let mut connection = BufReader::new(TcpStream::connect(("127.0.0.1", self.port))?);
        write!(connection.get_mut(), "{command}\r\n")?;
        let mut line = String::new();
        connection.read_line(&mut line)?;
        let reply = line.trim_end().split_at_checked(1).unwrap_or_default();
        match reply {
            ("+" | ":", text) => Ok(text.into()),
            ("$", length) => {
                let mut text = vec![0; length.parse().map_err(io::Error::other)?];
                connection.read_exact(&mut text)?;
                String::from_utf8(text).map_err(io::Error::other)
            }
            _ => Err(io::Error::other(format!("{command}: {line}"))),
        }
    }

    /// Returns the folder with the server's data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server again after [`kill`](Self::kill), on the same port and with the stored
    /// data.
    ///
    /// # Errors
    ///
    /// The server does not start.
    pub fn resume(&mut self) -> io::Result<()> {
        let process = Command::new("redis-server")
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| {
                io::Error::other(format!("redis-server (Debian: redis-server): {error}"))
            })?;
        let process = self.process.insert(process);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if process.try_wait()?.is_some() {
                return Err(io::Error::other("redis-server ended at once"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Kills the server. Its connections break, and data that is not on disk is lost.
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn kill(&mut self) -> io::Result<()> {
        let mut process = self.process.take().ok_or(io::ErrorKind::NotFound)?;
        process.kill()?;
        process.wait().map(drop)
    }

    /// Freezes the server. Its connections stay open, and it sends nothing.
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn freeze(&self) -> io::Result<()> {
        self.signal("-STOP")
    }

    /// Lets the server continue after [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn thaw(&self) -> io::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        let process = self.process.as_ref().ok_or(io::ErrorKind::NotFound)?;
        // `kill` of the shell, because not every machine has the program.
        let kill = format!("kill {signal} {}", process.id());
        Command::new("sh").args(["-c", &kill]).status().map(drop)
    }
}

/// Returns a port that is free at this moment.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // The server may be dead already.
        _ = self.kill();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}
