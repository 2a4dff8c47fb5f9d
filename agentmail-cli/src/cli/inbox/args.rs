use std::path::PathBuf;

use agentmail_inbox::{Filter, RowId, State};
use clap::{Args, Subcommand, builder::PossibleValuesParser};

use crate::cli::failure::Failure;

#[derive(Debug, Args)]
pub(in crate::cli) struct InboxArgs {
    /// The file of the inbox
    #[arg(long, value_name = "FILE", env = "INBOX", default_value = "inbox.db", global = true)]
    pub(super) db: PathBuf,

    #[command(subcommand)]
    pub(super) command: InboxCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum InboxCommand {
    /// Print how many messages are in each state, and for how long the oldest one has been due
    Stats,

    /// Print messages, without their bodies
    List {
        #[command(flatten)]
        filter: FilterArgs,

        /// Print at most this many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },

    /// Print a message with its body, in which personal text is masked
    Show {
        /// The number that `list` prints first
        #[arg(value_parser = row)]
        id: i64,

        /// Print the body as it is, with the sender and the subject of the mail
        #[arg(long)]
        unmasked: bool,
    },

    /// Let dead messages be tried again, with all their attempts
    ///
    /// Messages that are done are worked on again only with `--state done`.
    Redrive {
        #[command(flatten)]
        filter: FilterArgs,

        /// Who does it; the row keeps the name. Needed where USER is not set
        #[arg(long, value_name = "NAME", env = "USER")]
        by: String,
    },

    /// Make waiting messages dead, so that they are not tried again
    GiveUp {
        #[command(flatten)]
        filter: FilterArgs,

        /// Why; the row keeps the text
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },

    /// Delete messages that are done, and dead ones if you say so
    Prune {
        /// Delete messages that are done for longer than this
        #[arg(long, value_name = "DAYS", default_value_t = 61)]
        done_days: u32,

        /// Also delete messages that are dead for longer than this
        #[arg(long, value_name = "DAYS")]
        dead_days: Option<u32>,
    },

    /// Print the lines of an exported queue that the inbox does not have
    Reconcile {
        /// The file with one JSON object a line, or `-` for the standard input
        file: PathBuf,
    },
}

/// Which messages are meant. A message must match all options that are given.
#[derive(Debug, Clone, Args)]
pub(super) struct FilterArgs {
    /// Messages in this state
    #[arg(long, value_name = "STATE", value_parser = states())]
    state: Option<String>,

    /// The message with this number, which `list` prints first
    #[arg(long, value_name = "ID", value_parser = row)]
    id: Option<i64>,

    /// Messages of this agent
    #[arg(long, value_name = "AGENT_ID")]
    agent: Option<String>,

    /// Events with this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
}

fn row(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "expected the number that `inbox list` prints first".to_owned())
}

fn states() -> PossibleValuesParser {
    State::ALL.map(State::name).into()
}

impl FilterArgs {
    pub(super) fn filter(&self) -> Filter {
        let mut filter = Filter::new();
        if let Some(state) = self.state.as_deref().and_then(State::from_name) {
            filter = filter.with_state(state);
        }
        if let Some(id) = self.id {
            filter = filter.with_id(RowId::new(id));
        }
        if let Some(agent) = &self.agent {
            filter = filter.with_agent_id(agent);
        }
        if let Some(kind) = &self.kind {
            filter = filter.with_kind(kind);
        }
        filter
    }

    /// Returns the filter of a command that changes messages. It must not match all by accident.
    pub(super) fn narrow(&self) -> Result<Filter, Failure> {
        let is_narrow = self.state.is_some()
            || self.id.is_some()
            || self.agent.is_some()
            || self.kind.is_some();
        if is_narrow {
            return Ok(self.filter());
        }
        Err(Failure::usage("say which messages: --state, --id, --agent or --type"))
    }

    /// Returns the filter of a redrive: dead messages, unless another state is given. A message
    /// that is done must not be worked on again by accident.
    pub(super) fn redriven(&self) -> Result<Filter, Failure> {
        let filter = self.narrow()?;
        Ok(if self.state.is_some() { filter } else { filter.with_state(State::Dead) })
    }

    pub(super) const fn id(&self) -> Option<i64> {
        self.id
    }
}
