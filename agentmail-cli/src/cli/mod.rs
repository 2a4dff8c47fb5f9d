//! The command line.

mod args;
mod capture;
mod doctor;
mod exit;
mod explain;
mod failure;
#[cfg(feature = "inbox")]
mod inbox;
mod input;
mod listen;
mod output;
mod refused_argument;
mod secret_args;
mod send;

use std::{env, process::ExitCode};

use args::{Arguments, Command};
use clap::{CommandFactory, Parser};
use exit::Exit;
use failure::Failure;
use output::Output;

/// Runs the command line, and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().collect();
    // Before clap, which prints what it does not understand.
    if let Err(failure) = refused_argument::check(&arguments) {
        return Output::new(false).fail(&failure);
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::AsExpected }.into();
        }
    };
    let output = Output::new(arguments.json);
    match run(arguments.command, &output) {
        Ok(exit) => exit.into(),
        Err(failure) => output.fail(&failure),
    }
}

fn run(command: Command, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Send(arguments) => send::run(&arguments, output),
        Command::Explain(arguments) => explain::run(&arguments, output),
        Command::Doctor(arguments) => doctor::run(&arguments, output),
        Command::Listen(arguments) => listen::run(&arguments, output),
        #[cfg(feature = "inbox")]
        Command::Inbox(arguments) => inbox::run(&arguments, output),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, args::NAME, &mut output.writer());
            Ok(Exit::AsExpected)
        }
        Command::Man => {
            let page = clap_mangen::Man::new(Arguments::command());
            page.render(&mut output.writer()).map_err(Failure::output)?;
            Ok(Exit::AsExpected)
        }
    }
}
