use agentmail_receive::diagnosis::DiagnosisBudget;
use jiff::Timestamp;

use super::{format, verdict::Verdict};
use crate::cli::{
    args::ExplainArgs, exit::Exit, failure::Failure, input, output::Output,
    secret_args::OtherSecret,
};

pub(in crate::cli) fn run(arguments: &ExplainArgs, output: &Output) -> Result<Exit, Failure> {
    if arguments.secret.secret_stdin && arguments.file.as_os_str() == "-" {
        return Err(Failure::usage("the standard input cannot be both the request and the secret"));
    }
    let content = input::read(&arguments.file)?;
    let (form, mut request) = format::read(&content, arguments.entry)?;
    if let Some(at) = &arguments.at {
        request.received_at = Some(seconds(at)?);
    }
    let text = arguments.secret.text()?;
    let others = arguments.other_secret_file.iter().map(OtherSecret::text);
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let budget = u64::from(arguments.budget).saturating_mul(1 << 20);

    let budget = DiagnosisBudget::from_bytes(budget);
    let verdict = Verdict::of(&request, text.as_ref(), others, budget);
    if !arguments.quiet {
        if !output.is_json() {
            output.note(&format!("input: {form}"));
        }
        verdict.print(output);
    }
    Ok(verdict.exit())
}

fn seconds(text: &str) -> Result<u64, Failure> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let time = text.parse::<Timestamp>().ok().map(Timestamp::as_second);
    time.and_then(|seconds| u64::try_from(seconds).ok()).ok_or_else(|| {
        Failure::usage("--at is a number of Unix seconds or a date: 2026-04-16T12:00:00Z")
    })
}
