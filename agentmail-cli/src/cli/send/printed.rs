use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    cli::{args::Print, failure::Failure},
    sender::Request,
};

/// Writes a delivery for another program.
pub(super) fn printed(form: Print, url: &str, request: &Request) -> Result<String, Failure> {
    Ok(match form {
        Print::Curl => curl(url, request)?,
        Print::Headers => {
            let lines = request.headers.iter().map(|(name, value)| format!("{name}: {value}"));
            lines.collect::<Vec<_>>().join("\n")
        }
        Print::Json => {
            let headers: BTreeMap<_, _> = request.headers.iter().cloned().collect();
            let body = match str::from_utf8(&request.body) {
                Ok(text) => json!(text),
                Err(_) => json!(null),
            };
            json!({
                "url": url,
                "headers": headers,
                "body": body,
                "body_base64": STANDARD.encode(&request.body),
            })
            .to_string()
        }
    })
}

fn curl(url: &str, request: &Request) -> Result<String, Failure> {
    let body = str::from_utf8(&request.body).map_err(|_| {
        Failure::input(
            "the body is not text, so it cannot be an argument of curl: use --print json",
        )
    })?;
    let quote = |text: &str| -> Result<String, Failure> {
        shlex::try_quote(text)
            .map(Cow::into_owned)
            .map_err(|_| Failure::input("the body has a NUL, so it cannot be an argument of curl"))
    };
    let mut command = format!("curl -i {}", quote(url)?);
    for (name, value) in &request.headers {
        command.push_str(&format!(" \\\n  -H {}", quote(&format!("{name}: {value}"))?));
    }
    command.push_str(&format!(" \\\n  --data-raw {}", quote(body)?));
    Ok(command)
}
