//! The tables in SECURITY.md list every known failure. The first table names tests that exist, and
//! cases that have its numbers. The second table lists the failures that are not covered yet.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{fs, path::Path};

use serde_json::Value;

/// Numbers are never reused.
const KNOWN_FAILURES: u64 = 46;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn every_row_of_the_security_table_is_shown_by_tests_that_exist() {
    let sources = sources(Path::new(ROOT));
    let cases: Value = serde_json::from_str(include_str!("../cases.json")).unwrap();
    let cases = cases["cases"].as_array().unwrap();

    let security = fs::read_to_string(format!("{ROOT}/SECURITY.md")).unwrap();
    let (covered, open) = security.split_once("## Failures that are not covered yet").unwrap();
    let rows: Vec<_> = covered.lines().filter_map(row).collect();
    for (number, shown_by) in &rows {
        let has_number =
            |case: &&Value| case["threats"].as_array().unwrap().contains(&(*number).into());
        let has_cases = cases.iter().any(|case| has_number(&case));
        assert_eq!(
            shown_by.contains("cases"),
            has_cases,
            "row {number}: cases that have its number"
        );

        let names: Vec<_> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(has_cases || !names.is_empty(), "row {number}: no test is named");
        for name in names {
            let definitions =
                [format!("fn {name}("), format!("def {name}("), format!("\n{name}() {{")];
            let exists = |source: &String| definitions.iter().any(|it| source.contains(it));
            assert!(sources.iter().any(exists), "row {number}: there is no test {name}");
        }
    }
    let open = open.lines().filter_map(numbered).map(|(number, cells)| {
        assert_eq!(cells.len(), 1, "row {number}: a failure that is not covered names no test");
        number
    });
    let mut numbers: Vec<_> = rows.iter().map(|(number, _)| *number).chain(open).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=KNOWN_FAILURES), "each number is in one table, once");
}

/// Returns the number of a row, and the cell that names what shows that we do not fail this way.
fn row(line: &str) -> Option<(u64, &str)> {
    let (number, cells) = numbered(line)?;
    let [_, shown_by] = cells[..] else { panic!("row {number} has a failure and what shows it") };
    Some((number, shown_by))
}

/// Returns the number of a row, and its other cells.
fn numbered(line: &str) -> Option<(u64, Vec<&str>)> {
    let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
    Some((cells.next()?.parse().ok()?, cells.collect()))
}

/// Returns the text of each test and script.
fn sources(folder: &Path) -> Vec<String> {
    let skip = ["target", ".git"];
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut sources = Vec::new();
    for path in entries.filter(|path| !skip.iter().any(|name| path.ends_with(name))) {
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else if is_source(&path) {
            sources.push(fs::read_to_string(&path).unwrap());
        }
    }
    sources
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "rs" || it == "py")
        || path.parent().unwrap().ends_with("scripts")
}
