//! Connections to PostgreSQL over TLS. Each process has its own trusted certificates.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use agentmail_inbox_proofs::PostgresServer;

fn node(server: &PostgresServer, host: &str, certificates: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inbox_node"));
    command
        .env("STORE", server.tls_url(host))
        .env("LISTEN", "127.0.0.1:0")
        .env("EFFECTS", "/dev/null")
        .env("SSL_CERT_FILE", certificates)
        .env_remove("SSL_CERT_DIR")
        .stderr(Stdio::piped());
    command
}

fn refusal(server: &PostgresServer, host: &str, certificates: &Path) -> String {
    let Output { status, stderr, .. } = node(server, host, certificates).output().unwrap();
    assert!(!status.success());
    String::from_utf8(stderr).unwrap()
}

#[test]
fn a_certificate_is_checked_with_its_name() {
    let server = PostgresServer::start_with_tls().unwrap();
    let authority = server.folder().join("authority.crt");

    let mut process = node(&server, "localhost", &authority).spawn().unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE ssl AND application_name = 'agentmail-inbox'";
    // One connection of the pool, and the one that listens.
    while server.sql(encrypted).unwrap().parse::<u32>().unwrap() < 2 {
        assert!(process.try_wait().unwrap().is_none(), "it ended");
        thread::sleep(Duration::from_millis(50));
    }
    process.kill().unwrap();
    process.wait().unwrap();

    let another = refusal(&server, "127.0.0.1", &authority);
    assert!(another.contains("cannot be reached over TLS"), "{another}");
    assert!(another.contains("not valid for name"), "{another}");
    // Its own certificate is not one of an authority.
    let unknown = refusal(&server, "localhost", &server.folder().join("server.crt"));
    assert!(unknown.contains("cannot be reached over TLS"), "{unknown}");
    let none = refusal(&server, "localhost", Path::new("/dev/null"));
    assert!(none.contains("no certificates of authorities"), "{none}");
}
