//! The tour as a user runs it.

use std::process::Command;

#[test]
fn the_tour_shows_six_deliveries_and_exits_with_success() {
    let output = Command::new(env!("CARGO_BIN_EXE_tour")).output().unwrap();
    let [table, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());

    assert!(output.status.success(), "{table}{stderr}");
    assert_eq!(table.lines().count(), 7, "{table}");
    for name in ["genuine", "unsigned", "stale", "forged", "oversized", "tampered"] {
        assert!(table.lines().any(|line| line.starts_with(name)), "{table}");
    }
}
