use serde::Serialize;

/// A change to what `--data` keeps.
#[cfg_attr(not(feature = "data"), expect(dead_code, reason = "only a file reads the fields"))]
#[derive(Debug)]
pub(crate) enum Change {
    Put { table: Table, key: String, json: String },
    Delete { table: Table, key: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Agents,
    Messages,
    Deliveries,
    Outbox,
    Events,
}

impl Change {
    pub(crate) fn put(table: Table, key: impl ToString, value: &impl Serialize) -> Self {
        let json = serde_json::to_string(value)
            .expect("records have string keys only, and no type whose serialization fails");
        Self::Put { table, key: key.to_string(), json }
    }

    pub(crate) fn delete(table: Table, key: impl ToString) -> Self {
        Self::Delete { table, key: key.to_string() }
    }
}
