use std::{env, error::Error, ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use agentmail_simulator::{Retry, Simulator, SimulatorBuilder};
use lexopt::{Arg, Parser, ValueExt};

const HELP: &str = "\
A local AgentMail (by Assmbl), to develop and test a receiver of its webhooks against.

Usage: agentmail-simulator [OPTION...]

  --agent ID[=TOKEN]     adds an agent, with this bearer token or a random one; may be repeated
                         (default: my-agent)
  --listen ADDRESS       where the API listens (default: 127.0.0.1:8026); an address that is not
                         a loopback address needs AGENTMAIL_OPERATOR_TOKEN
  --smtp ADDRESS         accepts mail by SMTP at this loopback address, such as 127.0.0.1:2525
  --host NAME            accepts this name in `Host`, beside localhost and addresses; may be
                         repeated
  --mails FOLDER         the folder that acts as the bucket (default: a temporary one)
  --data FILE            keeps everything in this SQLite file (in a build with the feature `data`)
  --max NUMBER           how many messages are kept: so many delivered, and so many with dead
                         letters (default: 1000)
  --max-pending NUMBER   how many deliveries may be pending; then mails get 503 (default: 100000)
  --max-age TIME         removes messages of this age, such as 10m, 12h or 7d
  --attempts NUMBER      how many attempts a delivery has (default: 6)
  --first-pause TIME     the pause after the first attempt; it doubles each time (default: 1s)
  --longest-pause TIME   the longest pause (default: 60s)
  --timeout TIME         how long an attempt may take (default: 15s)
  --keep-timestamp       repeats the first attempt's timestamp and signature in each retry
  --loopback-only        delivers to loopback addresses only
  --help, --version

Environment:
  AGENTMAIL_OPERATOR_TOKEN   the bearer token of the operator, who creates agents and sees all of
                             them
  RUST_LOG                   what is logged (default: info)
";

/// What the user asked for.
pub(crate) enum Command {
    Print(String),
    Run(Box<Arguments>),
}

/// The settings of the simulator.
pub(crate) struct Arguments {
    builder: SimulatorBuilder,
    agent_ids: Vec<String>,
}

impl Command {
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let operator = env::var_os("AGENTMAIL_OPERATOR_TOKEN");
        Self::parse(Parser::from_env(), operator)
    }

    fn parse(mut parser: Parser, operator: Option<OsString>) -> Result<Self, Box<dyn Error>> {
        let mut builder = Simulator::builder().with_listen("127.0.0.1:8026");
        let (mut agents, mut retry) = (Vec::new(), Retry::new());
        while let Some(argument) = parser.next()? {
            let Arg::Long(name) = argument else { return Err(argument.unexpected().into()) };
            let name = name.to_owned();
            builder = match name.as_str() {
                "help" => return Ok(Self::Print(HELP.to_owned())),
                "version" => {
                    let version = concat!("agentmail-simulator ", env!("CARGO_PKG_VERSION"), "\n");
                    return Ok(Self::Print(version.to_owned()));
                }
                "agent" => {
                    let agent = text(&mut parser)?;
                    agents.push(match agent.split_once('=') {
                        Some((agent_id, token)) => (agent_id.to_owned(), Some(token.to_owned())),
                        None => (agent, None),
                    });
                    builder
                }
                "listen" => builder.with_listen(text(&mut parser)?),
                "smtp" => builder.with_smtp(text(&mut parser)?),
                "host" => builder.with_host(text(&mut parser)?),
                "mails" => builder.with_bucket_folder(PathBuf::from(parser.value()?)),
                "data" => with_data(builder, PathBuf::from(parser.value()?))?,
                "max" => builder.with_max_messages(number(&mut parser, &name)?),
                "max-pending" => builder.with_max_pending(number(&mut parser, &name)?),
                "max-age" => builder.with_max_age(time(&mut parser, &name)?),
                "loopback-only" => builder.with_loopback_only(true),
                _ => {
                    retry = with_retry(retry, &mut parser, &name)?;
                    builder
                }
            };
        }
        if agents.is_empty() {
            agents.push(("my-agent".to_owned(), None));
        }
        if let Some(token) = operator {
            let token = token.into_string();
            let token = token.map_err(|_| "AGENTMAIL_OPERATOR_TOKEN: not UTF-8")?;
            if token.trim().is_empty() {
                return Err("AGENTMAIL_OPERATOR_TOKEN: the variable is empty".into());
            }
            builder = builder.with_operator_token(token);
        }
        let agent_ids = agents.iter().map(|(agent_id, _)| agent_id.clone()).collect();
        for (agent_id, token) in agents {
            builder = builder.with_agent(agent_id, token);
        }
        Ok(Self::Run(Box::new(Arguments { builder: builder.with_retry(retry), agent_ids })))
    }
}

impl Arguments {
    pub(crate) fn agent_ids(&self) -> &[String] {
        &self.agent_ids
    }

    pub(crate) fn builder(self) -> SimulatorBuilder {
        self.builder
    }
}

fn with_retry(retry: Retry, parser: &mut Parser, name: &str) -> Result<Retry, Box<dyn Error>> {
    Ok(match name {
        "attempts" => match number(parser, name)? {
            0 => return Err("--attempts: not a number from 1".into()),
            attempts => retry.with_attempts(attempts),
        },
        "first-pause" => retry.with_first_pause(time(parser, name)?),
        "longest-pause" => retry.with_longest_pause(time(parser, name)?),
        "timeout" => retry.with_timeout(time(parser, name)?),
        "keep-timestamp" => retry.with_keep_timestamp(true),
        _ => return Err(Arg::Long(name).unexpected().into()),
    })
}

#[cfg(feature = "data")]
fn with_data(builder: SimulatorBuilder, file: PathBuf) -> Result<SimulatorBuilder, &'static str> {
    Ok(builder.with_data(file))
}

#[cfg(not(feature = "data"))]
fn with_data(_: SimulatorBuilder, _: PathBuf) -> Result<SimulatorBuilder, &'static str> {
    Err("--data: this program was built without the feature `data`")
}

fn text(parser: &mut Parser) -> Result<String, lexopt::Error> {
    parser.value()?.string()
}

fn number<T: FromStr>(parser: &mut Parser, name: &str) -> Result<T, Box<dyn Error>> {
    let text = text(parser)?;
    text.parse().map_err(|_| format!("--{name}: {text:?} is not a number that fits").into())
}

/// Reads a time: a whole number, and `ms`, `s`, `m`, `h` or `d`.
fn time(parser: &mut Parser, name: &str) -> Result<Duration, Box<dyn Error>> {
    let text = text(parser)?;
    let wrong = || format!("--{name}: {text:?} is not a time such as 500ms, 10s, 5m, 12h or 7d");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong().into()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let time = number.checked_mul(milliseconds).map(Duration::from_millis);
    time.ok_or_else(|| wrong().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        let parser = Parser::from_args(arguments);
        Command::parse(parser, None).map_err(|error| error.to_string())
    }

    #[test]
    fn wrong_arguments_are_refused_with_their_names() {
        for (arguments, named) in [
            (&["--nothing"][..], "--nothing"),
            (&["positional"], "positional"),
            (&["--max", "many"], "--max"),
            (&["--attempts", "0"], "--attempts"),
            (&["--timeout", "10"], "--timeout"),
            (&["--max-age"], "--max-age"),
        ] {
            let error = parse(arguments).err().expect("it is refused");
            assert!(error.contains(named), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn each_option_of_the_help_is_read() {
        let all = [
            "--agent=a=token",
            "--agent=b",
            "--listen=127.0.0.1:0",
            "--smtp=127.0.0.1:0",
            "--host=name",
            "--mails=folder",
            "--max=10",
            "--max-age=7d",
            "--max-pending=5",
            "--attempts=3",
            "--first-pause=10ms",
            "--longest-pause=1m",
            "--timeout=2s",
            "--keep-timestamp",
            "--loopback-only",
        ];
        let Ok(Command::Run(arguments)) = parse(&all) else { panic!("all are valid") };
        assert_eq!(arguments.agent_ids(), ["a", "b"]);
        for option in all.iter().map(|option| option.split('=').next().unwrap()) {
            assert!(HELP.contains(option), "{option}");
        }
    }
}
