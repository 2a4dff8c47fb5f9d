//! The program `agentmail-simulator`. `--help` lists its options.
#![forbid(unsafe_code)]

mod arguments;

use std::{
    error::Error,
    io::{self, IsTerminal},
    process::ExitCode,
};

use tracing_subscriber::EnvFilter;

use crate::arguments::{Arguments, Command};

#[tokio::main]
async fn main() -> ExitCode {
    match Command::read() {
        Ok(Command::Print(text)) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Ok(Command::Run(arguments)) => match run(*arguments).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&*error);
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            complain(&*error);
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info".into()))
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .log_internal_errors(false) // a log that cannot be written must not fail a request
        .init();
    let end = end()?;
    let agent_ids = arguments.agent_ids().to_vec();
    let simulator = arguments.builder().start().await?;
    print(&format!("agentmail-simulator listens at {}\n", simulator.url()));
    if let Some(address) = simulator.smtp_address() {
        print(&format!("It accepts mail by SMTP at {address}\n"));
    }
    print(&format!("The folder of the bucket is {}\n", simulator.bucket_folder().display()));
    for agent_id in agent_ids {
        let agent = simulator.agent(&agent_id).await?;
        print(&format!("The agent {} has the token {}\n", agent.id(), agent.token()));
    }
    print(
        "Retries and the dead letter queue are assumptions of this simulator, not statements of \
         the vendor: see /about\n",
    );
    end.await;
    simulator.stop().await;
    Ok(())
}

/// Waits for SIGINT or SIGTERM.
#[cfg(unix)]
fn end() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
fn end() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler, Ctrl-C ends the process anyway.
        _ = tokio::signal::ctrl_c().await;
    })
}

/// Prints to standard output. A reader that is gone is no reason to stop.
fn print(text: &str) {
    use io::Write;
    let mut out = io::stdout().lock();
    _ = out.write_all(text.as_bytes());
    _ = out.flush();
}

fn complain(error: &dyn Error) {
    use io::Write;
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    _ = writeln!(io::stderr(), "agentmail-simulator: {text}");
}
