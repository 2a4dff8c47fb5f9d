use agentmail_inbox::{MessageKey, NewMessage};

/// Returns the body of a message, 500 bytes long.
fn body(number: u64) -> String {
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
