//! Measures the store on SQLite beside one commit for each message, in alternating rounds.
//!
//! ```sh
//! inbox_bench waiting FOLDER        # 64 waiting: rates
//! inbox_bench lone FOLDER           # one waiting: latencies
//! inbox_bench count FOLDER NUMBER   # 64 waiting: stores this many, for a count of the syncs
//! inbox_bench fill FILE ROWS        # a file with this many messages that are done
//! inbox_bench rows SMALL LARGE      # two such files
//! ```
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it is a report")]

mod disk;
mod message;
mod rows;
mod waiting;

use std::{env, error::Error, path::Path};

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["waiting", folder] => waiting::many(Path::new(folder)).await,
        ["lone", folder] => waiting::lone(Path::new(folder)).await,
        ["count", folder, number] => waiting::count(Path::new(folder), number.parse()?).await,
        ["fill", file, rows] => rows::fill(Path::new(file), rows.parse()?).await,
        ["rows", small, large] => rows::compare(Path::new(small), Path::new(large)).await,
        _ => Err("unknown arguments".into()),
    }
}

/// Returns the value in the middle.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
