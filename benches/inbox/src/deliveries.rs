use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use agentmail_inbox::{MessageKey, NewMessage};
use agentmail_verify::{Secret, Signer, UnixTime};

use crate::BoxError;

/// The secret of the receivers.
pub(crate) const SECRET: &str = "whsec_of_the_load";

/// Returns the body of a message, 500 bytes long.
pub(crate) fn body(number: u64) -> String {
    let agent = number % 16;
    let ids = format!(r#""agent_id":"agent-{agent}","message_id":"m-{number:016x}""#);
    let mut body = format!(r#"{{"type":"mail.received",{ids},"subject":""#);
    while body.len() < 498 {
        body.push('x');
    }
    body + r#""}"#
}

/// Returns a new message. Its key is random, as a digest is.
pub(crate) fn message() -> NewMessage {
    let number = fastrand::u64(..);
    let key = MessageKey::of_body(&number.to_be_bytes());
    NewMessage::new(key, "mail.received", body(number))
        .with_agent_id(&format!("agent-{}", number % 16))
        .with_message_id(&format!("m-{number:016x}"))
}

/// Writes signed deliveries: for each one, its length on a line, and then the request.
pub(crate) fn sign(number: u32, file: &Path) -> Result<(), BoxError> {
    let signer = Signer::new(Secret::new(SECRET)?);
    let mut file = BufWriter::new(File::create(file)?);
    for _ in 0..number {
        let body = body(fastrand::u64(..));
        let mut request = String::from(
            "POST /agentmail/webhook HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/json\r\n",
        );
        for (name, value) in signer.sign(UnixTime::now(), body.as_bytes()).headers() {
            write!(request, "{name}: {value}\r\n")?;
        }
        write!(request, "Content-Length: {}\r\n\r\n{body}", body.len())?;
        writeln!(file, "{}", request.len())?;
        file.write_all(request.as_bytes())?;
    }
    Ok(file.flush()?)
}
