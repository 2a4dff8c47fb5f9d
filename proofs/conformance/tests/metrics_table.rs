//! The tables of `docs/metrics.md` are the metrics that the code describes and registers.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex},
};

use agentmail_inbox::metrics::BUCKETS;
use agentmail_receive::{
    Refusal,
    dedupe::{DedupeOutcome, StoreOp},
};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Notes what is described and registered.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    /// By name: type, unit and help.
    described: BTreeMap<String, (String, String, String)>,
    /// By name: the values of each label.
    registered: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Notes {
    fn describe(&self, kind: &str, key: &KeyName, unit: Option<Unit>, help: &SharedString) {
        let unit = match unit {
            Some(Unit::Count) | None => "",
            Some(unit) => unit.as_str(),
        };
        let row = (kind.to_owned(), unit.to_owned(), help.to_string());
        self.0.lock().unwrap().described.insert(key.as_str().to_owned(), row);
    }

    fn register(&self, key: &Key) {
        let mut noted = self.0.lock().unwrap();
        let labels = noted.registered.entry(key.name().to_owned()).or_default();
        for label in key.labels() {
            labels.entry(label.key().to_owned()).or_default().insert(label.value().to_owned());
        }
    }
}

impl Recorder for Notes {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe("counter", &key, unit, &help);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe("gauge", &key, unit, &help);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe("histogram", &key, unit, &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.register(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.register(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.register(key);
        Histogram::noop()
    }
}

/// Returns the cells of each row under a heading of the page.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(format!("{ROOT}/docs/metrics.md")).unwrap();
    let (_, section) = page.split_once(&format!("\n{heading}\n")).unwrap();
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// Returns the texts between backticks.
fn codes(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(ToOwned::to_owned).into()
}

#[test]
fn the_tables_of_the_page_are_those_of_the_code() {
    let notes = Notes::default();
    // A recorder without fields is not recognized as one.
    assert!(size_of::<Notes>() > 0);
    metrics::set_global_recorder(notes.clone()).unwrap_or_else(|_| panic!("it is the first one"));
    agentmail_inbox::metrics::register();
    let noted = notes.0.lock().unwrap();

    let mut documented = BTreeMap::new();
    let mut labels = BTreeMap::new();
    for row in rows("## The metrics") {
        let [name, kind, unit, label, help] = &*row else { panic!("five cells: {row:?}") };
        let name = codes(name).pop_first().unwrap();
        labels.insert(name.clone(), codes(label));
        documented.insert(name, (kind.clone(), unit.clone(), help.clone()));
    }
    assert_eq!(documented, noted.described);

    let mut values: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for row in rows("## The labels") {
        let [label, metric, value] = &*row else { panic!("three cells: {row:?}") };
        let key = (codes(metric).pop_first().unwrap(), codes(label).pop_first().unwrap());
        values.insert(key, codes(value));
    }
    for (name, labels) in &labels {
        for label in labels {
            let documented = &values[&(name.clone(), label.clone())];
            let registered = noted.registered.get(name).and_then(|labels| labels.get(label));
            match (name.as_str(), label.as_str()) {
                // These series are created when they are first used.
                ("agentmail_accepted_by_secret_total", "secret") => {
                    assert_eq!(*documented, set(["looked_up", "other"]));
                }
                ("agentmail_store_duration_seconds", "store") => {
                    assert_eq!(
                        *documented,
                        set(["memory", "other", "postgres", "redis", "sqlite"])
                    );
                }
                ("agentmail_store_duration_seconds", "op") => {
                    let inbox = agentmail_inbox::StoreOp::ALL.map(agentmail_inbox::StoreOp::name);
                    let claims = StoreOp::ALL.map(StoreOp::name);
                    let ops = inbox.into_iter().chain(claims).map(ToOwned::to_owned);
                    assert_eq!(*documented, ops.collect());
                }
                _ => assert_eq!(Some(documented), registered, "{name}, {label}"),
            }
        }
        let registered = noted.registered.get(name).into_iter().flat_map(BTreeMap::keys);
        let undocumented: Vec<_> = registered.filter(|label| !labels.contains(*label)).collect();
        assert!(undocumented.is_empty(), "{name} has more labels: {undocumented:?}");
    }

    // The enums and the codes have not more values than the series.
    let code = ("agentmail_deliveries_total".to_owned(), "code".to_owned());
    assert_eq!(values[&code].len(), Refusal::CODES.len() + 1);
    let outcome = ("agentmail_dedupe_total".to_owned(), "outcome".to_owned());
    assert_eq!(values[&outcome].len(), DedupeOutcome::ALL.len());

    let histograms = noted.described.iter().filter(|(_, (kind, ..))| kind == "histogram");
    let histograms: BTreeSet<_> = histograms.map(|(name, _)| name.as_str()).collect();
    assert_eq!(histograms, BUCKETS.iter().map(|(name, _)| *name).collect(), "all have buckets");
    for (name, bounds) in BUCKETS {
        assert!(bounds.is_sorted() && !bounds.is_empty(), "{name}: {bounds:?}");
    }
}
