//! Any bytes as a payload are read or refused. An event of a mail can be read as a mail, and has
//! ids.
#![no_main]

use agentmail_verify::{Event, MailReceived, from_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let mail = from_json::<MailReceived>(body);
    match from_json::<Event>(body) {
        Ok(Event::MailReceived(event)) => {
            assert!(!event.agent_id.is_empty() && !event.message_id.is_empty());
            assert_eq!(mail, Ok(event));
        }
        Ok(_) => assert!(mail.is_err()),
        Err(error) => assert_eq!(mail, Err(error)),
    }
});
