use serde::Serialize;

use crate::cli::{
    exit::Exit,
    output::{BAD, GOOD, Output, UNSURE, plain},
};

/// The result of one check, as `--json` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) check: &'static str,
    pub(super) status: Status,
    pub(super) detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// Something to know, or something that cannot be checked.
    Note,
    Fault,
}

/// The results, which are printed as they arrive.
pub(super) struct Report<'a> {
    output: &'a Output,
    pub(super) faults: usize,
}

impl<'a> Report<'a> {
    pub(super) const fn new(output: &'a Output) -> Self {
        Self { output, faults: 0 }
    }

    pub(super) fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Status::Ok, detail.into());
    }

    pub(super) fn note(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Status::Note, detail.into());
    }

    pub(super) fn fault(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Status::Fault, detail.into());
    }

    fn add(&mut self, check: &'static str, status: Status, detail: String) {
        self.faults = self.faults.saturating_add(usize::from(status == Status::Fault));
        if self.output.is_json() {
            return self.output.json(&Check { check, status, detail });
        }
        let (style, word) = match status {
            Status::Ok => (GOOD, "ok   "),
            Status::Note => (UNSURE, "note "),
            Status::Fault => (BAD, "fault"),
        };
        let detail = plain(&detail);
        self.output.line(&format!("{style}{word}{style:#} {check}: {detail}"));
    }

    /// Ends the report.
    pub(super) fn exit(&self) -> Exit {
        if !self.output.is_json() {
            self.output.note(&match self.faults {
                0 => "all is well".to_owned(),
                1 => "1 fault".to_owned(),
                faults => format!("{faults} faults"),
            });
        }
        if self.faults == 0 { Exit::AsExpected } else { Exit::Refused }
    }
}
