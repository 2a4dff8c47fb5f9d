//! The core alone. It verifies the whole body, and also the body frame by frame.

use agentmail_verify::{Event, MailReceived, SignedHeaders, VerifyError, from_json};

use super::case::{Case, Response, Takes, text_of};

/// Returns `None` if the case is about reading the body or about the source of the secrets.
pub(crate) fn response(case: &Case) -> Option<Response> {
    let body = case.whole_body()?;
    if let Err(error) = verify(case, &body) {
        return Some(refused(403, error.code()));
    }
    let body = match case.takes {
        Takes::Event => from_json(&body).map(|event: Event| text_of(&event)),
        Takes::Mail => from_json(&body).map(|mail: MailReceived| mail.message_id),
    };
    Some(match body {
        Ok(body) => Response { status: 200, code: None, retry_after: None, body },
        Err(error) => refused(422, error.code()),
    })
}

fn refused(status: u16, code: &str) -> Response {
    Response { status, code: Some(code.into()), retry_after: None, body: String::new() }
}

fn verify(case: &Case, body: &[u8]) -> Result<(), VerifyError> {
    let values: Vec<_> = case.headers().collect();
    let headers = SignedHeaders::parse(|header| {
        let named = move |value: &&(&str, Vec<u8>)| value.0.eq_ignore_ascii_case(header.name());
        values.iter().filter(named).map(|value| value.1.as_slice())
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
