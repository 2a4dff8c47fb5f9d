use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::{
        exit::Exit,
        output::{BAD, GOOD, Output, plain},
    },
    sender::{Fault, Response},
};

/// The result of one delivery, as `--json` writes it.
#[derive(Debug, Serialize)]
pub(super) struct Sent {
    pub(super) status: u16,
    pub(super) expected: &'static str,
    pub(super) as_expected: bool,
    pub(super) milliseconds: u64,
    pub(super) body: String,
}

impl Sent {
    pub(super) fn new(fault: Option<Fault>, response: Response, milliseconds: u64) -> Self {
        let status = response.status;
        let (expected, as_expected) = match fault.map(Fault::expected_status) {
            None => ("2xx", (200..300).contains(&status)),
            Some(400) => ("400 or 408", matches!(status, 400 | 408)),
            Some(403) => ("403", status == 403),
            Some(408) => ("408", status == 408),
            Some(_) => ("413", status == 413),
        };
        Self { status, expected, as_expected, milliseconds, body: response.body }
    }

    pub(super) const fn exit(&self) -> Exit {
        if self.as_expected { Exit::AsExpected } else { Exit::Refused }
    }

    /// Writes the status and the body to stdout, and whether this was expected to stderr.
    pub(super) fn print(&self, output: &Output) {
        if output.is_json() {
            return output.json(self);
        }
        let style = if self.as_expected { GOOD } else { BAD };
        let body = plain(self.body.trim_end());
        let space = if body.is_empty() { "" } else { " " };
        output.line(&format!("{style}{}{style:#}{space}{body}", self.status));
        if !self.as_expected {
            let hint = match (self.expected, self.status) {
                ("2xx", 403) => ": does the receiver have the same secret? See `doctor --deliver`",
                ("2xx", 404) => ": there is no receiver at this path",
                _ => "",
            };
            output.note(&format!("expected {}{hint}", self.expected));
        }
    }
}

/// How many deliveries got each status.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) sent: u64,
    pub(super) as_expected: u64,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) without_response: u64,
}

impl Summary {
    pub(super) fn add(&mut self, sent: Option<&Sent>) {
        self.sent = self.sent.saturating_add(1);
        let Some(sent) = sent else {
            self.without_response = self.without_response.saturating_add(1);
            return;
        };
        self.as_expected = self.as_expected.saturating_add(u64::from(sent.as_expected));
        let count = self.statuses.entry(sent.status).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn print(&self, output: &Output) {
        if output.is_json() {
            return output.json(self);
        }
        for (status, count) in &self.statuses {
            output.line(&format!("{count} × {status}"));
        }
        if self.without_response > 0 {
            output.line(&format!("{} × no response", self.without_response));
        }
    }

    pub(super) const fn exit(&self) -> Exit {
        match (self.without_response, self.as_expected == self.sent) {
            (0, true) => Exit::AsExpected,
            (0, false) => Exit::Refused,
            _ => Exit::Unreachable,
        }
    }
}
