use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{error::SendError, target::Target};

/// A connection on which any bytes can be sent, whether they are valid HTTP or not.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    #[cfg(feature = "cli")]
    protocol: Protocol,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

/// What the server has chosen during the TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    #[cfg(feature = "cli")]
    Http2,
}

impl Connection {
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

    /// Connects to the first address that accepts.
    pub(crate) fn open(
        target: &Target,
        trust: &super::sender::Trust,
        offered: &[Protocol],
        timeout: Duration,
    ) -> Result<Self, SendError> {
        let mut failed = SendError::unreachable(format!("{} has no address", target.host()));
        for address in target.addresses()? {
            match Self::open_at(target, address, trust, offered, timeout) {
                Ok(connection) => return Ok(connection),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    pub(crate) fn open_at(
        target: &Target,
        address: SocketAddr,
        trust: &super::sender::Trust,
        offered: &[Protocol],
        timeout: Duration,
    ) -> Result<Self, SendError> {
        let connect = || -> io::Result<TcpStream> {
            let stream = TcpStream::connect_timeout(&address, Self::CONNECT_TIMEOUT.min(timeout))?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            Ok(stream)
        };
        let stream =
            connect().map_err(|error| SendError::unreachable(format!("{address}: {error}")))?;
        if !target.is_https() {
            return Ok(Self {
                stream: Stream::Plain(stream),
                #[cfg(feature = "cli")]
                protocol: Protocol::Http1,
            });
        }
        tls(target, trust, offered, stream)
    }

    /// Sets how long a read may take.
    #[cfg(feature = "cli")]
    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        let stream = match &self.stream {
            Stream::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.get_ref(),
        };
        stream.set_read_timeout(Some(timeout))
    }

    #[cfg(feature = "cli")]
    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write(buffer),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

impl Connection {
    /// Ends the sending side, so that the server sees the end of what was sent.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.shutdown(std::net::Shutdown::Write),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush()
            }
        }
    }
}

#[cfg(feature = "tls")]
fn tls(
    target: &Target,
    trust: &super::sender::Trust,
    offered: &[Protocol],
    mut stream: TcpStream,
) -> Result<Connection, SendError> {
    use std::sync::Arc;

    use rustls::{
        ClientConfig, ClientConnection, StreamOwned, crypto::ring, pki_types::ServerName,
    };

    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SendError::request)?;
    let mut config = config.with_root_certificates(trust.roots()?).with_no_client_auth();
    config.alpn_protocols = offered.iter().map(|protocol| protocol.alpn().to_vec()).collect();
    let name = ServerName::try_from(target.host().to_owned()).map_err(SendError::request)?;
    let mut connection =
        ClientConnection::new(Arc::new(config), name).map_err(SendError::request)?;
    while connection.is_handshaking() {
        connection
            .complete_io(&mut stream)
            .map_err(|error| SendError::unreachable(format!("TLS: {error}")))?;
    }
    #[cfg(feature = "cli")]
    let protocol = match connection.alpn_protocol() {
        Some(chosen) if chosen == Protocol::Http2.alpn() => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let stream = Stream::Tls(Box::new(StreamOwned::new(connection, stream)));
    Ok(Connection {
        stream,
        #[cfg(feature = "cli")]
        protocol,
    })
}

#[cfg(not(feature = "tls"))]
fn tls(
    _: &Target,
    _: &super::sender::Trust,
    _: &[Protocol],
    _: TcpStream,
) -> Result<Connection, SendError> {
    Err(SendError::request("https needs the feature `tls`"))
}

#[cfg(feature = "tls")]
impl Protocol {
    const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            #[cfg(feature = "cli")]
            Self::Http2 => b"h2",
        }
    }
}
