//! Sends one signed delivery, or a flawed one, and prints the status and body of the response.
//!
//! ```sh
//! cargo run -p agentmail-examples-send -- --secret whsec_test_secret
//! cargo run -p agentmail-examples-send -- --secret whsec_test_secret --forged
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its result")]

use std::{env, error::Error, fs, process::ExitCode};

use agentmail_examples_send::{Flaw, SAMPLE, Sender};
use lexopt::prelude::*;

const USAGE: &str = "\
Usage: send [--url URL] [--secret SECRET] [--body FILE] [--forged | --stale | --unsigned]

  --url URL        the webhook (default: http://127.0.0.1:8080/agentmail/webhook);
                   https needs the feature `tls`
  --secret SECRET  the signing secret (default: $WEBHOOK_SIGNING_SECRET)
  --body FILE      the JSON to send (default: the example of the vendor's guide)
  --forged         sign with another secret
  --stale          sign with a timestamp of an hour ago
  --unsigned       send without a signature

Exit status: 0 if the response is 2xx, otherwise 1.";

struct Arguments {
    url: String,
    secret: Option<String>,
    body: Vec<u8>,
    flaw: Option<Flaw>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = arguments()? else {
        println!("{USAGE}");
        return Ok(());
    };
    let secret = arguments.secret.or_else(|| env::var("WEBHOOK_SIGNING_SECRET").ok());
    let sender = Sender::new(&secret.ok_or("--secret or WEBHOOK_SIGNING_SECRET is needed")?)?;

    let response = sender.send(&arguments.url, &arguments.body, arguments.flaw)?;

    println!("{} {}", response.status, response.body);
    let accepted = (200..300).contains(&response.status);
    accepted.then_some(()).ok_or_else(|| "refused: the receiver's log has the reason".into())
}

/// Returns `None` for `--help`.
fn arguments() -> Result<Option<Arguments>, Box<dyn Error>> {
    let mut arguments = Arguments {
        url: "http://127.0.0.1:8080/agentmail/webhook".into(),
        secret: None,
        body: SAMPLE.into(),
        flaw: None,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("url") => arguments.url = parser.value()?.string()?,
            Long("secret") => arguments.secret = Some(parser.value()?.string()?),
            Long("body") => arguments.body = fs::read(parser.value()?)?,
            Long("forged") => arguments.flaw = Some(Flaw::Forged),
            Long("stale") => arguments.flaw = Some(Flaw::Stale),
            Long("unsigned") => arguments.flaw = Some(Flaw::Unsigned),
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(arguments))
}
