//! The table in SECURITY.md names tests that exist, and cases that carry its numbers.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{fs, path::Path};

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn every_row_of_the_security_table_is_shown_by_tests_that_exist() {
    let sources = sources(Path::new(ROOT));
    let cases: Value = serde_json::from_str(include_str!("../cases.json")).unwrap();
    let cases = cases["cases"].as_array().unwrap();

    let security = fs::read_to_string(format!("{ROOT}/SECURITY.md")).unwrap();
    let rows: Vec<_> = security.lines().filter_map(row).collect();
    for (number, shown_by) in &rows {
        let carries =
            |case: &&Value| case["threats"].as_array().unwrap().contains(&(*number).into());
        let has_cases = cases.iter().any(|case| carries(&case));
        assert_eq!(
            shown_by.contains("cases"),
            has_cases,
            "row {number}: cases that carry its number"
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
    let numbers: Vec<_> = rows.iter().map(|(number, _)| *number).collect();
    assert!((1..=32).all(|number| numbers.contains(&number)), "{numbers:?}");
}

/// The number of a row, and what shows that the failure is not ours.
fn row(line: &str) -> Option<(u64, &str)> {
    let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
    let number = cells.next()?.parse().ok()?;
    Some((number, cells.last()?))
}

/// The text of each test and script.
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
