//! What an operator does with an inbox on SQLite, also while the receiver runs.
//!
//! ```sh
//! cargo build -p agentmail-examples-inbox --bin inbox_operator
//! INBOX=inbox.db target/debug/inbox_operator counts
//! ```
//!
//! | command | what it does |
//! | --- | --- |
//! | `counts` | prints how many messages are in each state, and for how long the oldest one has been due |
//! | `list [FILTER]` | prints messages, without their bodies |
//! | `show ID` | prints a message with its body, which has the mail's subject |
//! | `redrive FILTER --by NAME` | lets messages be tried again |
//! | `give-up FILTER --reason TEXT` | makes waiting messages dead |
//! | `prune --dead-days DAYS` | deletes messages that are dead for longer |
//! | `reconcile FILE` | prints the lines of an export that the inbox does not have |
//!
//! `FILTER` is `--state waiting|taken|done|dead`, `--id ID`, `--agent AGENT_ID`, or several of
//! them. `INBOX` is the database, by default `inbox.db`. The exit status is 0, or 1 after an error,
//! or 3 if `reconcile` has found a difference.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

use std::{
    env,
    error::Error,
    fs::File,
    io::BufReader,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, UNIX_EPOCH},
};

use agentmail_inbox::{
    Discrepancy, DiscrepancyKind, Filter, Inbox, Page, Pruning, Row, RowId, SqliteStore, State,
};
use lexopt::{Arg, Parser, ValueExt};

/// How many rows are read at once.
const PAGE: usize = 500;
/// How long messages that are done are kept.
const DONE: Duration = Duration::from_secs(61 * 24 * 3_600);

/// The arguments of a command.
#[derive(Default)]
struct Arguments {
    filter: Filter,
    /// Whether `filter` was set.
    is_filtered: bool,
    value: Option<String>,
    by: Option<String>,
    reason: Option<String>,
    dead_days: Option<u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprint!("error: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                eprint!(": {error}");
                source = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut parser = Parser::from_env();
    let command = match parser.next()? {
        Some(Arg::Value(command)) => command.string()?,
        _ => return Err("say what to do: the first lines of this program list the commands".into()),
    };
    let arguments = Arguments::parse(&mut parser)?;
    let path = env::var_os("INBOX").map_or_else(|| "inbox.db".into(), PathBuf::from);
    let inbox = Inbox::new(SqliteStore::attach(path).await?);
    match command.as_str() {
        "counts" => {
            let counts = inbox.counts().await?;
            for state in State::ALL {
                println!("{state}: {}", counts.of(state));
            }
            match inbox.oldest_due().await? {
                Some(time) => println!("due for {} s", time.as_secs()),
                None => println!("nothing is due"),
            }
        }
        "list" => list(&inbox, arguments.filter).await?,
        "show" => {
            let shown = inbox.show(arguments.id()?).await?.ok_or("there is no such message")?;
            print_row(&shown.row);
            println!("{}", shown.body.escape_ascii());
        }
        "redrive" => {
            let by = arguments.by.as_deref().ok_or("--by says who you are")?;
            println!("redriven: {}", inbox.redrive(arguments.filtered()?, by).await?);
        }
        "give-up" => {
            let reason = arguments.reason.as_deref().ok_or("--reason says why")?;
            println!("given up: {}", inbox.give_up(arguments.filtered()?, reason).await?);
        }
        "prune" => {
            let days = arguments.dead_days.ok_or("--dead-days says how old")?;
            let dead = Duration::from_secs(days.saturating_mul(24 * 3_600));
            println!("deleted: {}", inbox.prune(Pruning::new(DONE).with_dead_after(dead)).await?);
        }
        "reconcile" => return reconcile(&inbox, &arguments.value.ok_or("name the file")?).await,
        other => return Err(format!("there is no command {other}").into()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(inbox: &Inbox, filter: Filter) -> Result<(), Box<dyn Error>> {
    let mut page = Page::first(PAGE);
    loop {
        let rows = inbox.list(filter.clone(), page).await?;
        rows.iter().for_each(print_row);
        match rows.last() {
            Some(last) => page = page.after(last.id),
            None => return Ok(()),
        }
    }
}

async fn reconcile(inbox: &Inbox, file: &str) -> Result<ExitCode, Box<dyn Error>> {
    let export = File::open(file).map_err(|error| format!("{file}: {error}"))?;
    let report = |Discrepancy { line, kind, .. }: Discrepancy| match kind {
        DiscrepancyKind::Missing { key, event, agent_id, message_id, .. } => {
            println!("line {line}: missing: {event} {agent_id:?} {message_id:?} key {key}");
        }
        DiscrepancyKind::Dead { key, .. } => println!("line {line}: dead: key {key}"),
        DiscrepancyKind::Unreadable(reason) => println!("line {line}: unreadable: {reason}"),
        other => println!("line {line}: {other:?}"),
    };
    let reconciled = inbox.reconcile(BufReader::new(export), report).await?;
    eprintln!(
        "found {}, dead {}, missing {}, unreadable {}",
        reconciled.found, reconciled.dead, reconciled.missing, reconciled.unreadable
    );
    Ok(if reconciled.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// The ids are text of the mail's author: `?` escapes them.
fn print_row(row: &Row) {
    let since_1970 = row.received_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    println!(
        "{} {} attempts {} received {} {:?} agent {:?} message {:?} redrives {} reason {:?}",
        row.id,
        row.state,
        row.attempts,
        since_1970.as_secs(),
        row.kind,
        row.agent_id.as_deref().unwrap_or_default(),
        row.message_id.as_deref().unwrap_or_default(),
        row.redrives,
        row.reason.as_deref().unwrap_or_default(),
    );
}

impl Arguments {
    fn parse(parser: &mut Parser) -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("state") => {
                    let name = parser.value()?.string()?;
                    let state = State::from_name(&name).ok_or(format!("no state {name}"))?;
                    arguments.filter(|filter| filter.with_state(state));
                }
                Arg::Long("id") => {
                    let id = RowId::new(parser.value()?.parse()?);
                    arguments.filter(|filter| filter.with_id(id));
                }
                Arg::Long("agent") => {
                    let agent_id = parser.value()?.string()?;
                    arguments.filter(|filter| filter.with_agent_id(&agent_id));
                }
                Arg::Long("by") => arguments.by = Some(parser.value()?.string()?),
                Arg::Long("reason") => arguments.reason = Some(parser.value()?.string()?),
                Arg::Long("dead-days") => arguments.dead_days = Some(parser.value()?.parse()?),
                Arg::Value(value) if arguments.value.is_none() => {
                    arguments.value = Some(value.string()?);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(arguments)
    }

    fn filter(&mut self, change: impl FnOnce(Filter) -> Filter) {
        self.filter = change(std::mem::take(&mut self.filter));
        self.is_filtered = true;
    }

    /// Returns the filter, which must not match all messages by accident.
    fn filtered(&self) -> Result<Filter, Box<dyn Error>> {
        if self.is_filtered { Ok(self.filter.clone()) } else { Err("say which messages".into()) }
    }

    fn id(&self) -> Result<RowId, Box<dyn Error>> {
        let id = self.value.as_deref().ok_or("say which message: its id")?;
        Ok(RowId::new(id.parse()?))
    }
}
