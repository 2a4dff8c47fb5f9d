use rusqlite::{ToSql, types::ToSqlOutput};

use crate::{filter::Filter, sqlite::clock::milliseconds_of};

/// A condition for rows that match a filter, and its parameters.
pub(super) struct Condition {
    /// Begins with a condition that is always true.
    pub(super) text: String,
    parameters: Vec<(&'static str, Value)>,
}

enum Value {
    Integer(i64),
    Text(String),
    Blob([u8; 32]),
}

impl Condition {
    pub(super) fn of(filter: &Filter) -> Self {
        let mut condition = Self { text: "1".to_owned(), parameters: Vec::new() };
        let integer = |number| Value::Integer(number);
        // A literal, because a partial index is not used otherwise.
        if let Some(state) = filter.state() {
            condition.text.push_str(&format!(" AND state = {}", state.number()));
        }
        condition.and("id = :id", ":id", filter.id().map(|id| integer(id.get())));
        let key = filter.key().map(|key| Value::Blob(*key.as_bytes()));
        condition.and("message_key = :key", ":key", key);
        let kind = filter.kind().map(|kind| Value::Text(kind.to_owned()));
        condition.and("kind = :kind", ":kind", kind);
        let agent = filter.agent_key().map(|agent| Value::Blob(*agent));
        condition.and("agent_key = :agent", ":agent", agent);
        let from = filter.received_from().map(|time| integer(milliseconds_of(time)));
        condition.and("received_at >= :from", ":from", from);
        let before = filter.received_before().map(|time| integer(milliseconds_of(time)));
        condition.and("received_at < :before", ":before", before);
        condition
    }

    /// Returns the parameters, and these more.
    pub(super) fn parameters<'a>(
        &'a self,
        more: &[(&'a str, &'a dyn ToSql)],
    ) -> Vec<(&'a str, &'a dyn ToSql)> {
        let own = self.parameters.iter().map(|(name, value)| (*name, value as &dyn ToSql));
        own.chain(more.iter().copied()).collect()
    }

    fn and(&mut self, text: &str, name: &'static str, value: Option<Value>) {
        if let Some(value) = value {
            self.text.push_str(" AND ");
            self.text.push_str(text);
            self.parameters.push((name, value));
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Integer(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
            Self::Blob(bytes) => bytes.to_sql(),
        }
    }
}
