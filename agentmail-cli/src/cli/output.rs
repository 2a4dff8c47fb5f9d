use std::{
    io::{self, Write},
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::failure::Failure;

/// Where a command writes: data to stdout, messages to stderr. Colors appear on a terminal only,
/// and not if `NO_COLOR` is set.
#[derive(Debug)]
pub(super) struct Output {
    json: bool,
}

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const UNSURE: Style = AnsiColor::Yellow.on_default().bold();

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) const fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a line of data.
    pub(super) fn line(&self, line: &str) {
        // Nothing can be said to a reader that has gone away.
        _ = writeln!(anstream::stdout(), "{line}");
    }

    /// Writes a value as one line of JSON.
    pub(super) fn json(&self, value: &impl Serialize) {
        if let Ok(json) = serde_json::to_string(value) {
            self.line(&json);
        }
    }

    /// Writes a message.
    pub(super) fn note(&self, message: &str) {
        _ = writeln!(anstream::stderr(), "{message}");
    }

    pub(super) fn writer(&self) -> impl Write {
        io::stdout()
    }

    pub(super) fn fail(&self, failure: &Failure) -> ExitCode {
        self.note(&format!("{BAD}error{BAD:#}: {failure}"));
        failure.exit.into()
    }
}

/// Escapes a text of another program, so that it cannot control the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escapes = character.is_control() && character != '\n';
            let escaped = escapes.then(|| character.escape_debug()).into_iter().flatten();
            escaped.chain((!escapes).then_some(character))
        })
        .collect()
}
