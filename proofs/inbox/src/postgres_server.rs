use std::{
    env,
    ffi::OsStr,
    fs, io,
    net::TcpListener,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use crate::signal;

/// A PostgreSQL server with a new database in a temporary folder, on a socket in the same folder.
///
/// It keeps `fsync` on, because the inbox refuses a server without it.
#[derive(Debug)]
pub struct PostgresServer {
    folder: PathBuf,
    options: Vec<String>,
    port: u16,
    largest_file: Option<u32>,
    process: Option<Child>,
}

impl PostgresServer {
    /// Starts a server with these settings, for example `["max_connections=20"]`, and waits until
    /// it accepts connections.
    ///
    /// # Errors
    ///
    /// PostgreSQL is not installed, or does not start.
    pub fn start(options: &[&str]) -> io::Result<Self> {
        let mut server = Self::create(options)?;
        server.resume()?;
        Ok(server)
    }

    /// Starts a server that also listens on a port of the loopback interface, with TLS. Its
    /// certificate is for the name `localhost`.
    ///
    /// # Errors
    ///
    /// PostgreSQL or openssl is not installed, or does not start.
    pub fn start_with_tls() -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let options = ["listen_addresses=127.0.0.1", &format!("port={port}"), "ssl=on"];
        let mut server = Self::create(&options)?;
        server.port = port;
        // A certificate of an authority that is made for it, and forgotten.
        let script = "cd \"$0\" && exec 2>/dev/null &&
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority \
                -keyout authority.key -out authority.crt &&
            openssl req -newkey rsa:2048 -nodes -subj /CN=localhost \
                -keyout server.key -out server.csr &&
            echo subjectAltName=DNS:localhost > names &&
            openssl x509 -req -in server.csr -CA authority.crt -CAkey authority.key -days 2 \
                -CAcreateserial -extfile names -out server.crt && chmod 600 server.key";
        let made = as_user("sh")?.args(["-c", script]).arg(&server.folder).status()?;
        if !made.success() {
            return Err(io::Error::other("openssl (Debian: openssl) failed"));
        }
        server.resume()?;
        Ok(server)
    }

    /// Returns the address with TLS, for a server of [`start_with_tls`](Self::start_with_tls).
    #[must_use]
    pub fn tls_url(&self, host: &str) -> String {
        format!("postgres://postgres@{host}:{}/postgres?sslmode=require", self.port)
    }

    fn create(options: &[&str]) -> io::Result<Self> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);

        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("agentmail-inbox-{}-{number}", process::id()));
        let initdb = program("initdb")?
            .args(["--auth=trust", "--no-sync", "--username=postgres", "--pgdata"])
            .arg(&folder)
            .stdout(Stdio::null())
            .status()?;
        if !initdb.success() {
            return Err(io::Error::other("initdb failed"));
        }
        let options = options.iter().map(ToString::to_string).collect();
        Ok(Self { folder, options, port: 5432, largest_file: None, process: None })
    }

    /// Returns its address for the user `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Returns its address for a user.
    #[must_use]
    pub fn url_of(&self, user: &str) -> String {
        let (folder, port) = (self.folder.display(), self.port);
        format!("host={folder} port={port} user={user} dbname=postgres")
    }

    /// Returns the folder of the data and of the socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of the socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join(format!(".s.PGSQL.{}", self.port))
    }

    /// Sets how large a file of the server can be, in MiB, from the next start on. The server then
    /// fails to extend its tables, as on a full disk.
    pub const fn limit_files(&mut self, largest_file: Option<u32>) {
        self.largest_file = largest_file;
    }

    /// Starts the server again, with the stored data, and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// The server does not start within 30 seconds.
    pub fn resume(&mut self) -> io::Result<()> {
        for _ in 0..600 {
            let process = match self.process.take() {
                Some(process) => process,
                None => self.spawn()?,
            };
            let process = self.process.insert(process);
            // After a kill, the processes of the old server may still end. A new one refuses then.
            if process.try_wait()?.is_some() {
                self.process = None;
            } else if self.is_ready()? {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(io::Error::other("postgres does not start"))
    }

    /// Ends the server as an operator does. Its connections break, and it writes a checkpoint.
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn stop(&mut self) -> io::Result<()> {
        let process = self.process.as_mut().ok_or(io::ErrorKind::NotFound)?;
        signal::send("INT", [process.id()])?;
        for _ in 0..1_500 {
            if process.try_wait()?.is_some() {
                self.process = None;
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        // A server that recovers at that moment can miss the signal.
        self.kill()
    }

    /// Kills each process of the server, so that its next start recovers from the log.
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn kill(&mut self) -> io::Result<()> {
        let mut process = self.process.take().ok_or(io::ErrorKind::NotFound)?;
        let all = signal::family(process.id())?;
        signal::send("KILL", all)?;
        process.wait().map(drop)
    }

    /// Freezes each process of the server. Connections stay open, and nothing is sent.
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn freeze(&self) -> io::Result<()> {
        let process = self.process.as_ref().ok_or(io::ErrorKind::NotFound)?;
        // The parent first, so that it starts no more processes.
        signal::send("STOP", [process.id()])?;
        signal::send("STOP", signal::family(process.id())?)
    }

    /// Lets the server continue after [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn thaw(&self) -> io::Result<()> {
        let process = self.process.as_ref().ok_or(io::ErrorKind::NotFound)?;
        signal::send("CONT", signal::family(process.id())?)
    }

    /// Runs a script of SQL with `psql`, and returns what it prints: a line for each row.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses a statement.
    pub fn sql(&self, script: &str) -> io::Result<String> {
        let output = program("psql")?
            .args([
                "--no-psqlrc",
                "--quiet",
                "--no-align",
                "--tuples-only",
                "-v",
                "ON_ERROR_STOP=1",
            ])
            .args(["-c", script, &self.url()])
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    fn spawn(&self) -> io::Result<Child> {
        let server = program("postgres")?;
        let mut command = match self.largest_file {
            None => server,
            Some(mebibytes) => {
                // In blocks of 512 bytes.
                let limit = format!("ulimit -f {}; exec \"$@\"", mebibytes.saturating_mul(2_048));
                let mut shell = Command::new("sh");
                shell.args(["-c", &limit, "sh"]).arg(server.get_program()).args(server.get_args());
                shell
            }
        };
        for option in
            ["listen_addresses="].into_iter().chain(self.options.iter().map(String::as_str))
        {
            command.args(["-c", option]);
        }
        command.arg("-k").arg(&self.folder).arg("-D").arg(&self.folder);
        command.stderr(fs::File::options().create(true).append(true).open(self.log())?);
        command.spawn()
    }

    /// Returns the path of the server's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Returns whether the server accepts connections.
    ///
    /// # Errors
    ///
    /// PostgreSQL is not installed.
    pub fn is_ready(&self) -> io::Result<bool> {
        let quiet = program("pg_isready")?
            .arg("-q")
            .args(["-d", &self.url()])
            .stderr(Stdio::null())
            .status()?;
        Ok(quiet.success())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // It may be frozen, or dead already.
        _ = self.thaw();
        _ = self.stop();
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns a program of PostgreSQL. It does not run as root, so root runs it as `nobody`.
fn program(name: &str) -> io::Result<Command> {
    as_user(folder_of_programs()?.join(name))
}

fn as_user(path: impl AsRef<OsStr>) -> io::Result<Command> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(Command::new(path));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(path);
    Ok(command)
}

/// Returns the folder of the newest installed version.
fn folder_of_programs() -> io::Result<PathBuf> {
    let not_found = || io::Error::other("PostgreSQL is not installed (Debian: postgresql)");
    let versions = fs::read_dir("/usr/lib/postgresql").map_err(|_| not_found())?;
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path()));
    let newest = folders.max_by_key(|folder| version(folder)).ok_or_else(not_found)?;
    Ok(newest.join("bin"))
}
