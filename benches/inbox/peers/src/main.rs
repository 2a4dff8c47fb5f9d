//! Compares the inbox on PostgreSQL with others on the same server, in alternating rounds.
//!
//! ```sh
//! inbox_peers store URL     # with a hand-written INSERT through sqlx
//! inbox_peers drain URL     # with graphile_worker and apalis-postgres
//! ```
#![forbid(unsafe_code)]

mod drain;
mod store;

use std::{env, error::Error};

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["store", url] => store::compare(url).await,
        ["drain", url] => drain::compare(url).await,
        _ => Err("usage: inbox_peers store|drain URL".into()),
    }
}

/// Returns the value in the middle.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
