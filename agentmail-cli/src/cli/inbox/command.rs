use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
    time::Duration,
};

use agentmail_inbox::{
    Discrepancy, DiscrepancyKind, Filter, Inbox, Page, Pruning, RowId, SqliteStore, State,
};
use serde_json::json;
use tokio::runtime::Builder;

use super::{
    args::{InboxArgs, InboxCommand},
    masked::masked,
    row::Line,
};
use crate::cli::{
    exit::Exit,
    failure::Failure,
    output::{Output, plain},
};

/// How many rows are read at once.
const PAGE: usize = 500;

pub(in crate::cli) fn run(arguments: &InboxArgs, output: &Output) -> Result<Exit, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::input)?;
    runtime.block_on(async {
        let store = SqliteStore::attach(&arguments.db).await;
        let store = store.map_err(|error| failure(&error, &arguments.db))?;
        let inbox = Inbox::new(store);
        command(&inbox, &arguments.command, output)
            .await
            .map_err(|error| failure(&*error, &arguments.db))?
    })
}

/// The outer error is one of the inbox, the inner one is one of the arguments.
type Done = Result<Result<Exit, Failure>, Box<dyn Error>>;

async fn command(inbox: &Inbox, command: &InboxCommand, output: &Output) -> Done {
    match command {
        InboxCommand::Stats => stats(inbox, output).await?,
        InboxCommand::List { filter, limit } => {
            list(inbox, &filter.filter(), limit.unwrap_or(usize::MAX), output).await?;
        }
        InboxCommand::Show { id, unmasked } => {
            let Some(shown) = inbox.show(RowId::new(*id)).await? else {
                return Ok(Err(Failure::input(format!("the inbox has no message {id}"))));
            };
            Line::new(&shown.row).print(output);
            match unmasked {
                true => output.line(&plain(&String::from_utf8_lossy(&shown.body))),
                false => output.line(&masked(&shown.body).to_string()),
            }
        }
        InboxCommand::Redrive { filter: which, by } => match which.redriven() {
            Ok(filter) => {
                let messages = inbox.redrive(filter, by).await?;
                return change(inbox, "redriven", messages, which.id(), output).await;
            }
            Err(failure) => return Ok(Err(failure)),
        },
        InboxCommand::GiveUp { filter: which, reason } => match which.narrow() {
            Ok(filter) => {
                let messages = inbox.give_up(filter, reason).await?;
                return change(inbox, "given_up", messages, which.id(), output).await;
            }
            Err(failure) => return Ok(Err(failure)),
        },
        InboxCommand::Prune { done_days, dead_days } => {
            let mut pruning = Pruning::new(days(*done_days));
            if let Some(dead) = dead_days {
                pruning = pruning.with_dead_after(days(*dead));
            }
            changed("deleted", inbox.prune(pruning).await?, output);
        }
        InboxCommand::Reconcile { file } => return reconcile(inbox, file, output).await,
    }
    Ok(Ok(Exit::AsExpected))
}

async fn stats(inbox: &Inbox, output: &Output) -> Result<(), Box<dyn Error>> {
    let counts = inbox.counts().await?;
    let due = inbox.oldest_due().await?.map(|due| due.as_secs());
    if output.is_json() {
        output.json(&json!({
            "waiting": counts.waiting,
            "taken": counts.taken,
            "done": counts.done,
            "dead": counts.dead,
            "oldest_due_seconds": due,
        }));
        return Ok(());
    }
    for state in State::ALL {
        output.line(&format!("{state}: {}", counts.of(state)));
    }
    output.line(&match due {
        Some(seconds) => format!("the oldest message has been due for {seconds} s"),
        None => "nothing is due".to_owned(),
    });
    Ok(())
}

async fn list(
    inbox: &Inbox,
    filter: &Filter,
    limit: usize,
    output: &Output,
) -> Result<(), Box<dyn Error>> {
    let (mut left, mut after) = (limit, None);
    while left > 0 {
        let page = Page::first(PAGE.min(left));
        let page = after.map_or(page, |id| page.after(id));
        let rows = inbox.list(filter.clone(), page).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        left = left.saturating_sub(rows.len());
        for row in &rows {
            Line::new(row).print(output);
        }
    }
    Ok(())
}

async fn reconcile(inbox: &Inbox, file: &Path, output: &Output) -> Done {
    let export: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        match File::open(file) {
            Ok(file) => Box::new(BufReader::new(file)),
            Err(error) => return Ok(Err(Failure::file(file, &error))),
        }
    };
    let report = |found: Discrepancy| {
        let line = found.line;
        let (what, detail) = match found.kind {
            DiscrepancyKind::Missing { event, agent_id, message_id, .. } => {
                let ids = [agent_id, message_id].map(Option::unwrap_or_default);
                ("missing", format!("{event} {ids:?}"))
            }
            DiscrepancyKind::Dead { key, .. } => ("dead", key.to_string()),
            DiscrepancyKind::Unreadable(reason) => ("unreadable", reason),
            other => ("other", format!("{other:?}")),
        };
        match output.is_json() {
            true => output.json(&json!({"line": line, "what": what, "detail": detail})),
            false => output.line(&format!("line {line}: {what}: {}", plain(&detail))),
        }
    };
    let reconciled = inbox.reconcile(export, report).await?;
    output.note(&format!(
        "found {}, dead {}, missing {}, unreadable {}",
        reconciled.found, reconciled.dead, reconciled.missing, reconciled.unreadable
    ));
    Ok(Ok(match reconciled.is_complete() {
        true => Exit::AsExpected,
        false => Exit::Refused,
    }))
}

/// Prints how many messages were changed. It is a failure if one was meant, and none was changed.
async fn change(
    inbox: &Inbox,
    what: &'static str,
    messages: u64,
    id: Option<i64>,
    output: &Output,
) -> Done {
    if let (0, Some(id)) = (messages, id) {
        let reason = match inbox.show(RowId::new(id)).await? {
            Some(shown) => format!("message {id} is {}; see --state", shown.row.state),
            None => format!("the inbox has no message {id}"),
        };
        return Ok(Err(Failure::input(reason)));
    }
    changed(what, messages, output);
    Ok(Ok(Exit::AsExpected))
}

/// Prints how many messages were changed.
fn changed(what: &'static str, messages: u64, output: &Output) {
    match output.is_json() {
        true => output.json(&json!({ what: messages })),
        false => output.line(&format!("{}: {messages}", what.replace('_', " "))),
    }
}

const fn days(days: u32) -> Duration {
    Duration::from_secs(days as u64 * 24 * 3_600)
}

fn failure(error: &(dyn Error + 'static), db: &Path) -> Failure {
    let mut reason = format!("{}: {error}", db.display());
    let mut source = error.source();
    while let Some(error) = source {
        reason.push_str(&format!(": {error}"));
        source = error.source();
    }
    Failure::input(reason)
}
