//! `agentmail-webhook`: see the documentation of the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    agentmail_cli::main()
}
