//! Runs every case in five ways, and prints one line for each family of cases.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "it has no standard harness: it prints its results, and a broken file panics"
)]

mod actix;
mod axum;
mod case;
mod core;

use std::{collections::BTreeMap, process::ExitCode};

use case::{Case, Response};

/// The ways of receiving a delivery. The core does not read a body and has no source of secrets, so
/// it skips the cases about these.
const WAYS: [&str; 5] =
    ["core", "axum layer", "axum extractor", "actix middleware", "actix extractor"];

/// The results of one family.
#[derive(Default)]
struct Tally {
    cases: usize,
    passed: usize,
    failed: usize,
}

fn main() -> ExitCode {
    let cases = case::load();
    let mut families: BTreeMap<&str, Tally> = BTreeMap::new();

    // One thread with tokio's clock paused. The clock advances to the next timer, so no case waits.
    actix_web::rt::System::new().block_on(async {
        tokio::time::pause();
        for case in &cases {
            let tally = families.entry(&case.family).or_default();
            tally.cases += 1;
            for (way, response) in WAYS.iter().zip(responses(case).await) {
                let expected = case.expected();
                match response {
                    Some(response) if response != expected => {
                        tally.failed += 1;
                        let (family, name) = (&case.family, &case.name);
                        eprintln!("FAILED {family}: {name}, {way}: {response:?}, not {expected:?}");
                    }
                    Some(_) => tally.passed += 1,
                    None => {}
                }
            }
        }
    });

    for (family, Tally { cases, passed, failed }) in &families {
        let result = if *failed == 0 { "all as expected" } else { "FAILED" };
        let ways = WAYS.len();
        println!("{family:<10} {cases:>3} cases x {ways} ways: {result} ({passed} responses)");
    }
    let sum = |count: fn(&Tally) -> usize| families.values().map(count).sum::<usize>();
    println!("{} passed, {} failed", sum(|tally| tally.passed), sum(|tally| tally.failed));
    // Fails if the cases did not run.
    let ran = sum(|tally| tally.passed) > 4 * 250;
    if ran && sum(|tally| tally.failed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn responses(case: &Case) -> [Option<Response>; WAYS.len()] {
    [
        core::response(case),
        Some(axum::layer(case).await),
        Some(axum::extractor(case).await),
        Some(actix::middleware(case).await),
        Some(actix::extractor(case).await),
    ]
}
