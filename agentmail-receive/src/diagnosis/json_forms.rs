use std::fmt::Write;

use super::json::Json;

/// A way in which a program writes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JsonForm {
    order: Order,
    layout: Layout,
    escapes: Escapes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The order of the members that arrived.
    Received,
    /// The order of the members in the vendor's guide.
    Guide,
    Sorted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Compact,
    /// `, ` and `: `
    Spaced,
    /// `,` and `: `
    SpaceAfterColon,
    /// `, ` and `:`
    SpaceAfterComma,
    Indented(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// What JSON requires.
    None,
    /// Every character that is not ASCII.
    Ascii,
    /// `<`, `>`, `&`, U+2028 and U+2029.
    Html,
    /// `/`
    Slash,
    /// `/`, and every character that is not ASCII.
    SlashAscii,
    /// Every character that is not ASCII, and `<`, `>`, `&`, `'`, `"`, `+` and the backtick, with
    /// upper-case digits.
    Net,
}

const ORDERS: [Order; 3] = [Order::Received, Order::Guide, Order::Sorted];
const LAYOUTS: [Layout; 7] = [
    Layout::Compact,
    Layout::Spaced,
    Layout::Indented("  "),
    Layout::Indented("    "),
    Layout::Indented("\t"),
    Layout::SpaceAfterColon,
    Layout::SpaceAfterComma,
];
const ESCAPES: [Escapes; 6] = [
    Escapes::None,
    Escapes::Ascii,
    Escapes::Html,
    Escapes::SlashAscii,
    Escapes::Slash,
    Escapes::Net,
];

/// The order of the example in the vendor's guide.
const GUIDE: [&str; 12] = [
    "type",
    "agent_id",
    "message_id",
    "sender",
    "subject",
    "timestamp",
    "sender_verified",
    "peer_trust_tier",
    "rate_limited",
    "is_duplicate",
    "s3_bucket",
    "s3_key",
];

impl JsonForm {
    /// How many forms there are. Some are the same for most bodies.
    #[cfg(test)]
    const COUNT: usize = ORDERS.len() * LAYOUTS.len() * ESCAPES.len();

    /// Returns every form, the most common first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        ORDERS.into_iter().flat_map(|order| {
            LAYOUTS.into_iter().flat_map(move |layout| {
                ESCAPES.into_iter().map(move |escapes| Self { order, layout, escapes })
            })
        })
    }

    /// Returns the forms that most senders write.
    pub(super) fn common() -> impl Iterator<Item = Self> {
        let is_common = |form: &Self| {
            form.order != Order::Sorted
                && matches!(form.layout, Layout::Compact | Layout::Spaced)
                && matches!(form.escapes, Escapes::None | Escapes::Ascii)
        };
        Self::all().filter(is_common)
    }

    pub(super) fn write(self, json: &Json<'_>) -> String {
        let mut text = String::new();
        self.value(json, 0, &mut text);
        text
    }

    /// Describes the form, with a program that writes it.
    pub(super) fn name(self) -> String {
        let layout = match self.layout {
            Layout::Compact => "compact JSON",
            Layout::Spaced => "JSON with spaces",
            Layout::SpaceAfterColon => "JSON with spaces after colons",
            Layout::SpaceAfterComma => "JSON with spaces after commas",
            Layout::Indented("  ") => "JSON indented by two spaces",
            Layout::Indented("    ") => "JSON indented by four spaces",
            Layout::Indented(_) => "JSON indented by tabs",
        };
        let escapes = match self.escapes {
            Escapes::None => "",
            Escapes::Ascii => " and ASCII escapes",
            Escapes::Html => " and HTML escapes",
            Escapes::Slash => " and escaped slashes",
            Escapes::SlashAscii => " and escaped slashes and ASCII escapes",
            Escapes::Net => " and upper-case escapes",
        };
        let program = match (self.layout, self.escapes) {
            (Layout::Compact, Escapes::None) => " (`JSON.stringify` in JavaScript)",
            (Layout::Compact, Escapes::Ascii) => " (`json.dumps` with `separators` in Python)",
            (Layout::Compact, Escapes::Html) => " (`json.Marshal` in Go)",
            (Layout::Compact, Escapes::Slash | Escapes::SlashAscii) => " (`json_encode` in PHP)",
            (Layout::Compact, Escapes::Net) => " (`System.Text.Json` in .NET)",
            (Layout::Spaced, Escapes::None | Escapes::Ascii) => " (`json.dumps` in Python)",
            _ => "",
        };
        let order = match self.order {
            Order::Received => "",
            Order::Guide => " in the order of the vendor's guide",
            Order::Sorted => " with sorted members",
        };
        format!("{layout}{escapes}{order}{program}")
    }

    fn value(self, json: &Json<'_>, depth: usize, text: &mut String) {
        match json {
            Json::Literal(literal) => text.push_str(literal),
            Json::String(points) => self.string(points, text),
            Json::Array(items) => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.before_item(at, depth, text);
                    self.value(item, depth.saturating_add(1), text);
                }
                self.end(items.is_empty(), depth, text);
                text.push(']');
            }
            Json::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                match self.order {
                    Order::Received => {}
                    Order::Guide if depth == 0 => members.sort_by_key(|(name, _)| place(name)),
                    Order::Guide => {}
                    Order::Sorted => members.sort_by(|(a, _), (b, _)| a.cmp(b)),
                }
                text.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    self.before_item(at, depth, text);
                    self.string(name, text);
                    text.push_str(match self.layout {
                        Layout::Compact | Layout::SpaceAfterComma => ":",
                        _ => ": ",
                    });
                    self.value(value, depth.saturating_add(1), text);
                }
                self.end(members.is_empty(), depth, text);
                text.push('}');
            }
        }
    }

    fn before_item(self, at: usize, depth: usize, text: &mut String) {
        if at > 0 {
            text.push_str(match self.layout {
                Layout::Spaced | Layout::SpaceAfterComma => ", ",
                _ => ",",
            });
        }
        self.indent(depth.saturating_add(1), text);
    }

    fn end(self, is_empty: bool, depth: usize, text: &mut String) {
        if !is_empty {
            self.indent(depth, text);
        }
    }

    fn indent(self, depth: usize, text: &mut String) {
        if let Layout::Indented(indent) = self.layout {
            text.push('\n');
            text.extend(std::iter::repeat_n(indent, depth));
        }
    }

    fn string(self, points: &[u32], text: &mut String) {
        text.push('"');
        for point in points {
            self.point(*point, text);
        }
        text.push('"');
    }

    fn point(self, point: u32, text: &mut String) {
        let is_net = self.escapes == Escapes::Net;
        let short = match point {
            8 => "\\b",
            9 => "\\t",
            10 => "\\n",
            12 => "\\f",
            13 => "\\r",
            0x22 if !is_net => "\\\"",
            0x5c => "\\\\",
            0x2f if matches!(self.escapes, Escapes::Slash | Escapes::SlashAscii) => "\\/",
            _ => "",
        };
        if !short.is_empty() {
            return text.push_str(short);
        }
        match char::from_u32(point).filter(|character| !self.escapes.escapes(*character)) {
            Some(character) => text.push(character),
            None => escape(point, is_net, text),
        }
    }
}

impl Escapes {
    fn escapes(self, character: char) -> bool {
        let html = matches!(character, '<' | '>' | '&');
        character < ' '
            || match self {
                Self::None | Self::Slash => false,
                Self::Ascii | Self::SlashAscii => !character.is_ascii(),
                Self::Html => html || matches!(character, '\u{2028}' | '\u{2029}'),
                Self::Net => {
                    html || !character.is_ascii()
                        || matches!(character, '\'' | '"' | '+' | '`' | '\x7f')
                }
            }
    }
}

/// Writes `\u`, one or two times.
fn escape(point: u32, upper: bool, text: &mut String) {
    let mut units = [0; 2];
    let units: &[u16] = match char::from_u32(point) {
        Some(character) => character.encode_utf16(&mut units),
        // A lone surrogate.
        None => &[u16::try_from(point).unwrap_or(0xfffd)],
    };
    for unit in units {
        _ = if upper { write!(text, "\\u{unit:04X}") } else { write!(text, "\\u{unit:04x}") };
    }
}

/// The place of a member in the guide. Other members follow, in their own order.
fn place(name: &[u32]) -> usize {
    let is_name = |guide: &&str| guide.chars().map(u32::from).eq(name.iter().copied());
    GUIDE.iter().position(is_name).unwrap_or(GUIDE.len())
}

/// Returns whether the members of an object are sorted by name, and not in the guide's order.
pub(super) fn is_sorted(json: &Json<'_>) -> bool {
    let Json::Object(members) = json else { return false };
    let names = || members.iter().map(|(name, _)| name);
    members.len() > 2 && names().is_sorted() && !names().is_sorted_by_key(|name| place(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<String> {
        let json = Json::read(text).unwrap();
        JsonForm::all().map(|form| form.write(&json)).collect()
    }

    #[test]
    fn writes_what_each_language_writes() {
        let text = r#"{"type":"a","b":"é😀 <\/>\"'&","n":[1.0,[],{}]}"#;
        for form in [
            // JavaScript, Python twice, Go, PHP twice, .NET
            r#"{"type":"a","b":"é😀 </>\"'&","n":[1.0,[],{}]}"#,
            r#"{"type": "a", "b": "\u00e9\ud83d\ude00 </>\"'&", "n": [1.0, [], {}]}"#,
            r#"{"type": "a", "b": "é😀 </>\"'&", "n": [1.0, [], {}]}"#,
            r#"{"type":"a","b":"é😀 \u003c/\u003e\"'\u0026","n":[1.0,[],{}]}"#,
            r#"{"type":"a","b":"\u00e9\ud83d\ude00 <\/>\"'&","n":[1.0,[],{}]}"#,
            r#"{"type":"a","b":"é😀 <\/>\"'&","n":[1.0,[],{}]}"#,
            concat!(
                r#"{"type":"a","b":"\u00E9\uD83D\uDE00 \u003C/\u003E\u0022\u0027\u0026","#,
                r#""n":[1.0,[],{}]}"#
            ),
            r#"{"b":"é😀 </>\"'&","n":[1.0,[],{}],"type":"a"}"#,
        ] {
            assert!(written(text).iter().any(|written| written == form), "{form}");
        }
        let indented = "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}";
        assert!(written(r#"{"a":[1,{}],"b":[]}"#).iter().any(|written| written == indented));
    }

    #[test]
    fn every_form_is_read_back_as_the_same_value() {
        let text = r#"{"b":"é😀 \ud83d</>\"'&\u0001\u2028","type":[1e5,[],{}],"agent_id":null}"#;
        let sort = |text: &str| {
            let Some(Json::Object(mut members)) = Json::read(text) else { panic!("{text}") };
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            format!("{members:?}")
        };
        let forms = written(text);

        assert_eq!(forms.len(), JsonForm::COUNT);
        let distinct: std::collections::HashSet<_> = forms.iter().collect();
        assert_eq!(distinct.len(), JsonForm::COUNT, "this value differs in every form");
        for form in &forms {
            assert_eq!(sort(form), sort(text), "{form}");
        }
    }
}
