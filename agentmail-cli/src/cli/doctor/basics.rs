use super::check::Report;
use crate::{
    cli::failure::Failure,
    sender::{Fault, Response, SAMPLE, Sender, Target},
};

/// What the basic checks have shown.
pub(super) struct Basics {
    /// Whether requests reach a receiver that refuses forged ones.
    pub(super) refuses: bool,
    /// The code of a forged delivery, if the receiver explains its refusals.
    pub(super) code: Option<String>,
}

/// Checks what needs no secret: method, path, and what is refused.
pub(super) fn check(
    sender: &Sender,
    target: &Target,
    url: &str,
    report: &mut Report<'_>,
) -> Result<Basics, Failure> {
    let sample = SAMPLE.trim_end().as_bytes();
    let forged = sender.send(url, sample, Some(Fault::Forged))?;
    let refuses = path(sender, target, &forged, report);
    let code = code(&forged);
    if !refuses {
        return Ok(Basics { refuses, code });
    }
    for (check, fault) in [("unsigned", Fault::Unsigned), ("stale", Fault::Stale)] {
        refused(check, &sender.send(url, sample, Some(fault))?, report);
    }
    method(&sender.exchange("GET", url, &[], None)?, report);
    whose(&forged, report);
    compression(sender, url, report)?;
    Ok(Basics { refuses, code })
}

/// Judges the response to a forged delivery.
fn path(sender: &Sender, target: &Target, forged: &Response, report: &mut Report<'_>) -> bool {
    match forged.status {
        300..=399 => {
            let to = forged.header("location").unwrap_or("an unknown place");
            report.fault(
                "redirect",
                format!("{} to {to}: register the URL to which it leads", forged.status),
            );
            false
        }
        404 | 405 => {
            let other = with_other_slash(target);
            let of_other = sender.send(&other, SAMPLE.trim_end().as_bytes(), Some(Fault::Forged));
            match of_other {
                Ok(response) if matches!(response.status, 401 | 403) => {
                    report.fault("path", format!("{}: the receiver is at {other}", forged.status));
                }
                _ if forged.status == 405 => {
                    report.fault("path", "405: this path does not accept POST");
                }
                _ => report.fault("path", "404: there is no receiver at this path"),
            }
            false
        }
        _ => refused("forged", forged, report),
    }
}

/// Judges the response to a delivery that must be refused.
fn refused(check: &'static str, response: &Response, report: &mut Report<'_>) -> bool {
    match response.status {
        401 | 403 => {
            report.ok(check, format!("refused with {}", response.status));
            true
        }
        200..=299 => {
            report.fault(
                check,
                format!("{}: the receiver accepts it, so it does not verify", response.status),
            );
            false
        }
        500..=599 => {
            report.fault(
                check,
                format!("{}: expected 403, because a service sends it again", response.status),
            );
            true
        }
        413 => {
            report.fault(check, "413: the body of a usual delivery is too long for the receiver");
            false
        }
        other => {
            report.fault(check, format!("{other}: expected 403"));
            true
        }
    }
}

fn method(response: &Response, report: &mut Report<'_>) {
    match response.status {
        200..=299 => report.note(
            "method",
            format!("a GET gets {}: another handler is at this path", response.status),
        ),
        500..=599 => report.fault("method", format!("a GET gets {}", response.status)),
        other => report.ok("method", format!("a GET gets {other}")),
    }
}

/// Says whether a refusal comes from the receiver or from a proxy.
fn whose(forged: &Response, report: &mut Report<'_>) {
    let server = forged.header("server").map(|server| format!(" (server: {server})"));
    let server = server.unwrap_or_default();
    if let Some(code) = code(forged) {
        report.note(
            "refusal",
            format!("the receiver explains it ({code}): turn this off in production"),
        );
    } else if forged.body.trim().is_empty() {
        report.ok("refusal", format!("its body is empty, as that of the library{server}"));
    } else if forged.status >= 500 {
        report.note("refusal", format!("it has a body, so it is not that of the library{server}"));
    } else {
        report.fault(
            "refusal",
            format!("it has a body, so a proxy or another layer may have sent it{server}"),
        );
    }
}

/// Returns the code of a refusal that explains itself.
fn code(response: &Response) -> Option<String> {
    let is_problem = response.header("content-type") == Some("application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(&response.body).ok()?;
    is_problem.then(|| problem.get("code")?.as_str().map(str::to_owned))?
}

fn compression(sender: &Sender, url: &str, report: &mut Report<'_>) -> Result<(), Failure> {
    let headers = [("accept-encoding".to_owned(), "gzip, br".to_owned())];
    let mut coding = None;
    for method in ["GET", "POST"] {
        let response = sender.exchange(method, url, &headers, Some(b""))?;
        coding = coding.or(response.header("content-encoding").map(str::to_owned));
    }
    match coding {
        Some(coding) => report.note(
            "compression",
            format!("responses are compressed ({coding}): check that requests are left alone"),
        ),
        None => report.ok("compression", "responses are not compressed"),
    }
    Ok(())
}

/// Returns the URL with a slash at its end, or without it.
fn with_other_slash(target: &Target) -> String {
    let path = target.path();
    match path.strip_suffix('/') {
        Some(path) if !path.is_empty() => target.with_path(path),
        _ => target.with_path(&format!("{path}/")),
    }
}
