//! Runs the commands of `docs/cli.md` in order, and compares what they print.
//!
//! - A block `http FILE` or `json FILE` is written to that file of an empty folder.
//! - A line of a `console` block that begins with `$` is a command. What follows is its output, in
//!   which `[..]` is any text, and `...` is any number of lines. `? 1` is its exit code.
//! - A command that ends with `&` runs beside the next ones. `$ wait` waits for it.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use common::{CLI, SECRET, inbox, receiver};
use snapbox::{Assert, Data};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");

/// A block of code in the page.
struct Block<'a> {
    info: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut is_open = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(info) => {
                is_open = !is_open;
                if is_open {
                    blocks.push(Block { info, lines: Vec::new() });
                }
            }
            None if is_open => blocks.last_mut().unwrap().lines.push(line),
            None => {}
        }
    }
    blocks
}

/// A command of a transcript, and what it must print.
#[derive(Default)]
struct Step {
    command: String,
    code: i32,
    output: Vec<String>,
}

fn steps(lines: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut continues = false;
    for line in lines {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), ..Step::default() });
        } else if continues {
            let command = &mut steps.last_mut().unwrap().command;
            command.push('\n');
            command.push_str(line);
        } else if let Some(code) = line.strip_prefix("? ") {
            steps.last_mut().unwrap().code = code.parse().unwrap();
        } else {
            steps.last_mut().unwrap().output.push((*line).to_owned());
        }
        let is_command = line.starts_with("$ ") || continues;
        continues = is_command && line.ends_with('\\');
    }
    steps
}

fn shell(command: &str, folder: &Path) -> Child {
    let path = Path::new(CLI).parent().unwrap();
    let path = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", path)
        .env("WEBHOOK_SIGNING_SECRET", SECRET)
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn the_page_shows_what_the_commands_print() {
    let (runtime, address) = receiver();
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ports = [("8080", address.port()), ("8090", free().port())];
    let to_test = |text: &str| {
        ports.iter().fold(text.to_owned(), |text, (page, port)| {
            let text = text.replace(&format!("127.0.0.1:{page}"), &format!("127.0.0.1:{port}"));
            text.replace(&format!("--port {page}"), &format!("--port {port}"))
        })
    };
    let to_page = |text: &str| {
        ports.iter().fold(text.to_owned(), |text, (page, port)| {
            text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{page}"))
        })
    };
    let folder = std::env::temp_dir().join(format!("agentmail-cli-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let page = fs::read_to_string(PAGE).unwrap();
    let _in_use = runtime.block_on(inbox(&folder.join("inbox.db")));
    let (mut ran, mut background) = (0, None);

    for block in blocks(&page) {
        if let Some((_, file)) = block.info.split_once(' ') {
            fs::write(folder.join(file), block.lines.join("\n")).unwrap();
        }
        if block.info != "console" {
            continue;
        }
        for step in steps(&block.lines) {
            let (child, code) = if step.command == "wait" {
                (background.take().unwrap(), step.code)
            } else if let Some(command) = step.command.strip_suffix('&') {
                background = Some(shell(&format!("{} 2>&1", to_test(command)), &folder));
                while TcpStream::connect(("127.0.0.1", ports[1].1)).is_err() {
                    thread::sleep(Duration::from_millis(20));
                }
                continue;
            } else {
                (shell(&format!("{{ {}\n}} 2>&1", to_test(&step.command)), &folder), step.code)
            };
            let output = child.wait_with_output().unwrap();
            let printed = to_page(&String::from_utf8(output.stdout).unwrap());
            let expected = match step.output.is_empty() {
                true => String::new(),
                false => step.output.join("\n") + "\n",
            };
            assert_eq!(output.status.code(), Some(code), "{}: {printed}", step.command);
            let assert = Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
            assert.eq(Data::text(printed), Data::text(expected));
            ran += 1;
        }
    }

    fs::remove_dir_all(folder).unwrap();
    assert!(ran > 15, "{ran} commands ran");
}
