//! Compares the time of our verification with that of other crates, on the same bytes and in one
//! process.
//!
//! Each round runs every contender once, so that a machine that slows down slows all of them. The
//! result is the median of the ratios within a round. The floor is the time of the SHA-256
//! compressions that an HMAC with a cached key state needs.

mod adapters;
mod core;
mod floor;
mod report;
mod rounds;

use std::{error::Error, fs};

use lexopt::prelude::*;

const USAGE: &str = "Usage: peers [--json FILE] [--rounds N] [--only GROUP]

Groups: mac (header bytes to decision, fixed clock), whole (from a HeaderMap, with the system
clock), refuse, adapters, once (once-only handling).";

fn main() -> Result<(), Box<dyn Error>> {
    let (mut json, mut rounds, mut only) = (None, 41, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => json = Some(parser.value()?),
            Long("rounds") => rounds = parser.value()?.parse()?,
            Long("only") => only = Some(parser.value()?.string()?),
            Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }

    println!("SHA instructions: {}", floor::sha_instructions());
    let mut rows = Vec::new();
    for group in core::groups().into_iter().chain(adapters::groups()) {
        if only.as_ref().is_none_or(|only| group.name == only) {
            let timed = rounds::run(group, rounds);
            report::print(&timed);
            rows.extend(timed.rows);
        }
    }
    if rows.is_empty() {
        return Err("no group has this name: see --help".into());
    }
    if let Some(path) = json {
        fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}
