//! Signals to processes that a proof has started.

use std::{fs, io, process::Command};

/// Sends a signal, for example `KILL`, to these processes. A process that has ended is skipped.
///
/// # Errors
///
/// There is no shell.
pub fn send(signal: &str, processes: impl IntoIterator<Item = u32>) -> io::Result<()> {
    let ids: Vec<String> = processes.into_iter().map(|id| id.to_string()).collect();
    // `kill` of the shell, because not every machine has the program.
    let kill = format!("kill -{signal} {} 2>/dev/null", ids.join(" "));
    Command::new("sh").args(["-c", &kill]).status().map(drop)
}

/// Returns a process and its children.
///
/// # Errors
///
/// There is no `/proc`.
pub fn family(parent: u32) -> io::Result<Vec<u32>> {
    let mut family = vec![parent];
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // The process may have ended since.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The parent is the second field after the name, which is in parentheses.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        if fields.split_whitespace().nth(1) == Some(&parent.to_string()) {
            family.push(id);
        }
    }
    Ok(family)
}
