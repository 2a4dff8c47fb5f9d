use std::{net::IpAddr, time::Duration};

use super::check::Report;
use crate::{
    cli::failure::Failure,
    sender::{Connection, Protocol, Target, Trust},
};

/// Checks that the URL leads to a server: its name, its addresses, TLS and HTTP/2.
pub(super) fn check(
    target: &Target,
    trust: &Trust,
    timeout: Duration,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let addresses = target.addresses().inspect_err(|error| {
        report.fault("name", error.to_string());
    })?;
    let mut reached = None;
    let mut refused = Vec::new();
    for address in &addresses {
        let offered = [Protocol::Http2, Protocol::Http1];
        match Connection::open_at(target, *address, trust, &offered, timeout) {
            Ok(connection) => reached = reached.or(Some((*address, connection.protocol()))),
            Err(error) => refused.push((*address, error)),
        }
    }
    let list: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let list = list.join(", ");
    let Some((address, protocol)) = reached else {
        let reasons: Vec<_> = refused.iter().map(|(_, error)| error.to_string()).collect();
        report.fault("connection", reasons.join("; "));
        return Err(Failure::unreachable("the receiver cannot be reached"));
    };
    report.ok("name", format!("{} is {list}", target.host()));
    for (other, error) in &refused {
        let is_v6 = matches!(other.ip(), IpAddr::V6(_));
        let hint = if is_v6 { ": bind the receiver to `::1` too, or use 127.0.0.1" } else { "" };
        report.note("connection", format!("{} is reached, but {error}{hint}", address.ip()));
    }
    if refused.is_empty() {
        report.ok("connection", format!("{} accepts", address.ip()));
    }
    match (target.is_https(), protocol) {
        (true, Protocol::Http2) => report.ok("tls", "the certificate is trusted; HTTP/2 and 1.1"),
        (true, Protocol::Http1) => report.ok("tls", "the certificate is trusted; HTTP/1.1 only"),
        (false, _) if address.ip().is_loopback() => {
            report.note("tls", "none: the service delivers to https URLs only");
        }
        (false, _) => report.fault("tls", "none: the service delivers to https URLs only"),
    }
    Ok(())
}
