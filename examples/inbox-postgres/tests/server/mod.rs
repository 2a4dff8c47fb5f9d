//! A PostgreSQL server for a test.

use std::{
    env, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    thread,
    time::Duration,
};

/// A server with a new database in a temporary folder. Its socket is in the same folder.
pub(crate) struct PostgresServer {
    folder: PathBuf,
    process: Child,
}

impl PostgresServer {
    /// Starts a server, and waits until it accepts connections.
    pub(crate) fn start() -> io::Result<Self> {
        let folder = env::temp_dir().join(format!("agentmail-inbox-postgres-{}", process::id()));
        let initdb = program("initdb")?
            .args(["--auth=trust", "--no-sync", "--username=postgres", "--pgdata"])
            .arg(&folder)
            .stdout(Stdio::null())
            .status()?;
        if !initdb.success() {
            return Err(io::Error::other("initdb failed"));
        }
        let process = program("postgres")?
            .args(["-c", "listen_addresses=", "-k"])
            .arg(&folder)
            .arg("-D")
            .arg(&folder)
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Self { folder, process };
        while !program("pg_isready")?.args(["-q", "-d", &server.url()]).status()?.success() {
            if server.process.try_wait()?.is_some() {
                return Err(io::Error::other("postgres stopped at once"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Returns its address.
    pub(crate) fn url(&self) -> String {
        format!("host={} user=postgres", self.folder.display())
    }

    /// Sends a signal to each process of the server.
    pub(crate) fn signal(&self, signal: &str) -> io::Result<()> {
        let id = self.process.id();
        // The parent first, so that it starts no more processes.
        let kill = format!("kill -{signal} {id} $(cat /proc/{id}/task/{id}/children)");
        Command::new("sh").args(["-c", &kill]).status().map(drop)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // A shutdown that does not wait for clients. `kill` of the shell, because not every machine
        // has the program.
        let kill = format!("kill -INT {}", self.process.id());
        _ = Command::new("sh").args(["-c", &kill]).status();
        _ = self.process.wait();
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns a program of PostgreSQL. It does not run as root, so root runs it as `nobody`.
fn program(name: &str) -> io::Result<Command> {
    let path = folder_of_programs()?.join(name);
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
