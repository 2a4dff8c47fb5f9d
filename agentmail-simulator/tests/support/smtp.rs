//! A client of SMTP that sends exactly what a test gives it.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

#[derive(Debug)]
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects, and reads the greeting.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        assert_eq!(client.code().await, 220);
        client
    }

    /// Sends bytes. An error is none: the server may have closed the connection.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        _ = self.0.write_all(bytes).await;
    }

    /// Reads a reply, and returns its code. 0: the connection is closed.
    pub(crate) async fn code(&mut self) -> u16 {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await.unwrap_or(0) == 0 {
                return 0;
            }
            if let Some((code, _)) = line.split_once(' ').filter(|(code, _)| code.len() == 3) {
                return code.parse().unwrap();
            }
        }
    }

    /// Sends a line, and returns the code of the reply.
    pub(crate) async fn say(&mut self, line: &str) -> u16 {
        self.write(format!("{line}\r\n").as_bytes()).await;
        self.code().await
    }

    /// Says who sends to `my-agent`, and that the mail follows.
    pub(crate) async fn begin(&mut self) {
        assert_eq!(self.say("EHLO client").await, 250);
        assert_eq!(self.say("MAIL FROM:<user@example.com>").await, 250);
        assert_eq!(self.say("RCPT TO:<my-agent@localhost>").await, 250);
        assert_eq!(self.say("DATA").await, 354);
    }

    /// Waits until the server closes the connection.
    pub(crate) async fn closed(&mut self) {
        _ = self.0.read_to_end(&mut Vec::new()).await;
    }
}
