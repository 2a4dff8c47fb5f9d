//! Runs every case five ways in, and prints one line per family.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test harness of its own: it reports, and a broken case file panics"
)]

mod actix;
mod axum;
mod case;
mod core;

use std::{collections::BTreeMap, process::ExitCode};

use case::{Answer, Case};

/// The ways in. The core reads no body and knows no source, so that cases about these are none of its
/// business.
const WAYS: [&str; 5] =
    ["core", "axum layer", "axum extractor", "actix middleware", "actix extractor"];

/// How one family fared.
#[derive(Default)]
struct Tally {
    cases: usize,
    passed: usize,
    failed: usize,
}

fn main() -> ExitCode {
    let cases = case::load();
    let mut families: BTreeMap<&str, Tally> = BTreeMap::new();

    // One thread, and a clock of tokio's that leaps to the next timer: no case waits for real.
    actix_web::rt::System::new().block_on(async {
        tokio::time::pause();
        for case in &cases {
            let tally = families.entry(&case.family).or_default();
            tally.cases += 1;
            for (way, answer) in WAYS.iter().zip(answers(case).await) {
                let expected = case.expected();
                match answer {
                    Some(answer) if answer != expected => {
                        tally.failed += 1;
                        let (family, name) = (&case.family, &case.name);
                        eprintln!("FAILED {family}: {name}, {way}: {answer:?}, not {expected:?}");
                    }
                    Some(_) => tally.passed += 1,
                    None => {}
                }
            }
        }
    });

    for (family, Tally { cases, passed, failed }) in &families {
        let alike = if *failed == 0 { "all alike" } else { "NOT ALIKE" };
        let ways = WAYS.len();
        println!("{family:<10} {cases:>3} cases x {ways} ways in: {alike} ({passed} answers)");
    }
    let sum = |count: fn(&Tally) -> usize| families.values().map(count).sum::<usize>();
    println!("{} passed, {} failed", sum(|tally| tally.passed), sum(|tally| tally.failed));
    // A table that did not run is no proof.
    let ran = sum(|tally| tally.passed) > 4 * 250;
    if ran && sum(|tally| tally.failed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn answers(case: &Case) -> [Option<Answer>; WAYS.len()] {
    [
        core::answer(case),
        Some(axum::layer(case).await),
        Some(axum::extractor(case).await),
        Some(actix::middleware(case).await),
        Some(actix::extractor(case).await),
    ]
}
