use super::{
    basics::Basics,
    check::Report,
    oversized::{Headers, Oversized, Reply},
};
use crate::sender::SendError;

/// Longer than the limit of any usual receiver. The body is never sent.
const LONG: usize = 64 * 1024 * 1024 + 1;
/// Where a wrong clock is looked for, in seconds from now: up to the farthest time zones.
const OFFSETS: [i64; 22] = [
    -300, 300, -600, 600, -900, 900, -1_800, 1_800, -3_600, 3_600, -7_200, 7_200, -10_800, 10_800,
    -18_000, 18_000, -28_800, 28_800, -43_200, 43_200, -86_400, 86_400,
];

/// Checks the body limit, that the headers arrive, and the receiver's clock.
pub(super) fn check(
    oversized: &Oversized<'_>,
    basics: &Basics,
    accepted: bool,
    report: &mut Report<'_>,
) -> Result<(), SendError> {
    limit(oversized, report)?;

    // A length at which the receiver distinguishes a delivery with headers from one without.
    let mut found = None;
    for length in [Oversized::LIMIT + 1, Oversized::LONGEST, LONG] {
        if oversized.send(length, Headers::None)? != Reply::Refused {
            continue;
        }
        for offset in std::iter::once(0).chain(OFFSETS) {
            if oversized.send(length, Headers::SignedAt(offset))? == Reply::TooLarge {
                found = Some((length, offset));
                break;
            }
        }
        if found.is_some() {
            break;
        }
    }
    let Some((length, offset)) = found else {
        return headers(oversized, basics, accepted, report);
    };
    report.ok("headers", "both headers arrive");
    if length != Oversized::LIMIT + 1 {
        report.note("limit", "the receiver accepts more than its default, 256 KiB");
    }
    clock(oversized, length, offset, report)
}

/// Checks that a body of the default limit is not too long for something in front.
fn limit(oversized: &Oversized<'_>, report: &mut Report<'_>) -> Result<(), SendError> {
    let fits =
        |length| oversized.send(length, Headers::SignedAt(0)).map(|reply| reply != Reply::TooLarge);
    if fits(Oversized::LIMIT)? {
        report.ok("limit", "a body of 256 KiB is not too long");
        return Ok(());
    }
    let (mut fitting, mut too_long) = (0, Oversized::LIMIT);
    while too_long.saturating_sub(fitting) > 1_024 {
        let middle = fitting.midpoint(too_long);
        if fits(middle)? { fitting = middle } else { too_long = middle }
    }
    report.fault(
        "limit",
        format!(
            "bodies of more than about {} KiB get 413: the limit of a proxy or of the receiver is \
             below 256 KiB",
            fitting / 1_024
        ),
    );
    Ok(())
}

/// Says why the receiver does not distinguish deliveries with headers from others.
fn headers(
    oversized: &Oversized<'_>,
    basics: &Basics,
    accepted: bool,
    report: &mut Report<'_>,
) -> Result<(), SendError> {
    if accepted {
        report.ok("headers", "both headers arrive, as the genuine delivery shows");
        let detail = "the receiver accepts more than 1 MiB, so its clock was not checked";
        report.note("limit", detail);
        return Ok(());
    }
    let is_same = oversized.send(Oversized::LONGEST, Headers::None)? == Reply::Refused;
    match basics.code.as_deref() {
        Some(code) if code.starts_with("missing_") || code == "unsigned" => {
            report.fault(
                "headers",
                format!("a signed delivery is refused as {code}: a proxy removes a header"),
            );
        }
        _ if is_same => report.fault(
            "headers",
            "the receiver responds as if a header were missing: check that a proxy passes on \
             `X-AgentMail-Timestamp` and `X-AgentMail-Signature`; if the receiver accepts bodies \
             of more than 1 MiB, use --deliver instead",
        ),
        _ => report.note(
            "headers",
            "something in front limits the body, so that neither the headers nor the clock of \
             the receiver can be checked",
        ),
    }
    Ok(())
}

/// Finds the times that the receiver accepts, and so its clock.
fn clock(
    oversized: &Oversized<'_>,
    length: usize,
    fresh: i64,
    report: &mut Report<'_>,
) -> Result<(), SendError> {
    let is_fresh = |offset: i64| {
        let reply = oversized.send(length, Headers::SignedAt(offset));
        reply.map(|reply| reply == Reply::TooLarge)
    };
    if fresh == 0 && is_fresh(-290)? && is_fresh(290)? {
        report.ok("clock", "it agrees with this machine's clock, to about 10 s");
        return Ok(());
    }
    // The farthest fresh time on one side.
    let edge = |mut far: i64| -> Result<i64, SendError> {
        let mut near = fresh;
        while near.abs_diff(far) > 2 {
            let middle = near.midpoint(far);
            if is_fresh(middle)? { near = middle } else { far = middle }
        }
        Ok(near)
    };
    let (oldest, newest) = (edge(fresh - 7_200)?, edge(fresh + 7_200)?);
    let offset = oldest.midpoint(newest);
    let direction = if offset < 0 { "behind" } else { "ahead of" };
    let seconds = offset.unsigned_abs();
    let accepted = format!("it accepts times from {oldest} s to {newest} s from now");
    if seconds <= 30 {
        report.ok("clock", accepted);
    } else if seconds < 300 {
        report.note("clock", format!("about {seconds} s {direction} this machine's; {accepted}"));
    } else {
        report.fault("clock", format!("about {seconds} s {direction} this machine's; {accepted}"));
    }
    Ok(())
}
