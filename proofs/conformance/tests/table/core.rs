//! The core by itself: in one piece, and in as many as the body's frames.

use agentmail_verify::{Event, MailReceived, SignedHeaders, VerifyError, from_json};

use super::case::{Answer, Case, Takes, told};

/// Returns `None` where a case is about reading the body, or about whose secrets count.
pub(crate) fn answer(case: &Case) -> Option<Answer> {
    let body = case.whole_body()?;
    if let Err(error) = verify(case, &body) {
        return Some(refused(403, error.code()));
    }
    let told = match case.takes {
        Takes::Event => from_json(&body).map(|event: Event| told(&event)),
        Takes::Mail => from_json(&body).map(|mail: MailReceived| mail.message_id),
    };
    Some(match told {
        Ok(body) => Answer { status: 200, code: None, retry_after: None, body },
        Err(error) => refused(422, error.code()),
    })
}

fn refused(status: u16, code: &str) -> Answer {
    Answer { status, code: Some(code.into()), retry_after: None, body: String::new() }
}

fn verify(case: &Case, body: &[u8]) -> Result<(), VerifyError> {
    let lines: Vec<_> = case.headers().collect();
    let headers = SignedHeaders::read(|header| {
        let named = move |line: &&(&str, Vec<u8>)| line.0.eq_ignore_ascii_case(header.name());
        lines.iter().filter(named).map(|line| line.1.as_slice())
    })?;

    let whole = case.verifier().verify(&headers, body, case.now());
    let streamed = case.verifier().begin(&headers, case.now()).and_then(|mut verification| {
        case.frames().iter().for_each(|frame| verification.update(frame));
        verification.finish()
    });
    assert_eq!(whole, streamed, "{}: in one piece, and streamed", case.name);

    if let Ok(receipt) = whole {
        assert_eq!(receipt.label().as_str(), case.label(), "{}", case.name);
    }
    whole.map(drop)
}
