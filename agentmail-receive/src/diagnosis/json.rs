//! JSON whose members keep their order, and whose numbers keep their text.

use serde::de::IgnoredAny;

/// A JSON value. A string is a list of code points, lone surrogates among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json<'a> {
    /// A number, `true`, `false` or `null`.
    Literal(&'a str),
    String(Vec<u32>),
    Array(Vec<Self>),
    Object(Vec<(Vec<u32>, Self)>),
}

impl<'a> Json<'a> {
    /// Reads a text that is JSON and nothing else. Returns `None` for any other text.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        // The grammar and the depth are checked here, so the reader below may be simple.
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        let mut reader = Reader { rest: text };
        let json = reader.value()?;
        reader.skip_whitespace();
        reader.rest.is_empty().then_some(json)
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_whitespace(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes this character, after any whitespace.
    fn take(&mut self, character: char) -> bool {
        self.skip_whitespace();
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self) -> Option<Json<'a>> {
        if self.take('{') {
            let member = |reader: &mut Self| {
                let name = reader.take('"').then(|| reader.string())??;
                let value = reader.take(':').then(|| reader.value())??;
                Some((name, value))
            };
            return self.list('}', member).map(Json::Object);
        }
        if self.take('[') {
            return self.list(']', Self::value).map(Json::Array);
        }
        if self.take('"') {
            return self.string().map(Json::String);
        }
        let end = self.rest.find([',', ']', '}', ' ', '\t', '\n', '\r']);
        let (literal, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest;
        Some(Json::Literal(literal))
    }

    fn list<T>(&mut self, end: char, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        if self.take(end) {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            if self.take(end) {
                return Some(items);
            }
            if !self.take(',') {
                return None;
            }
        }
    }

    /// Reads a string after its first quote.
    fn string(&mut self) -> Option<Vec<u32>> {
        let mut text = Vec::new();
        let mut characters = self.rest.chars();
        loop {
            let point = match characters.next()? {
                '"' => break,
                '\\' => match characters.next()? {
                    'b' => 8,
                    'f' => 12,
                    'n' => 10,
                    'r' => 13,
                    't' => 9,
                    'u' => {
                        let digits = characters.as_str().get(..4)?;
                        let unit = u32::from_str_radix(digits, 16).ok()?;
                        characters = characters.as_str().get(4..)?.chars();
                        join(&mut text, unit)
                    }
                    other => other.into(),
                },
                other => other.into(),
            };
            text.push(point);
        }
        self.rest = characters.as_str();
        Some(text)
    }
}

/// Joins a low surrogate with the high one before it.
fn join(text: &mut Vec<u32>, unit: u32) -> u32 {
    let is_low = (0xdc00..=0xdfff).contains(&unit);
    match text.pop_if(|last| is_low && (0xd800..=0xdbff).contains(last)) {
        Some(high) => {
            let high = high.saturating_sub(0xd800).saturating_mul(0x400);
            high.saturating_add(unit.saturating_sub(0xdc00)).saturating_add(0x1_0000)
        }
        None => unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str) -> Vec<u32> {
        text.chars().map(u32::from).collect()
    }

    #[test]
    fn keeps_order_duplicates_numbers_and_lone_surrogates() {
        let json =
            Json::read(r#" {"b": 1.0, "a": [true, null, "\ud83d"], "b": "\ud83d\ude00é\n"} "#);

        let expected = Json::Object(vec![
            (points("b"), Json::Literal("1.0")),
            (
                points("a"),
                Json::Array(vec![
                    Json::Literal("true"),
                    Json::Literal("null"),
                    Json::String(vec![0xd83d]),
                ]),
            ),
            (points("b"), Json::String(points("😀é\n"))),
        ]);
        assert_eq!(json, Some(expected));
    }

    #[test]
    fn refuses_what_is_not_json() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "{}{}", "[1,]", "nul", "{\"a\" 1}", "\"\\u12\"", &deep] {
            assert_eq!(Json::read(text), None, "{}", &text[..text.len().min(20)]);
        }
    }
}
