use std::{path::PathBuf, sync::LazyLock};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::PossibleValue, value_parser};

#[cfg(feature = "inbox")]
use super::inbox::InboxArgs;
use super::secret_args::{OtherSecret, SecretArgs};
use crate::sender::Fault;

pub(super) const NAME: &str = "agentmail-webhook";

const AFTER: &str = "\
Exit codes:
  0  as expected
  1  the receiver refuses, or the signature does not verify
  2  the command line is wrong, or `explain` has no secret
  3  the receiver cannot be reached, or does not respond
  4  a file or another input cannot be used

The signing secret is the value of WEBHOOK_SIGNING_SECRET, or the content of --secret-file.
Data is written to stdout, and messages are written to stderr.";

/// Sends, explains and receives the webhooks of AgentMail by Assmbl.
#[derive(Debug, Parser)]
#[command(name = NAME, version, after_help = AFTER, disable_help_subcommand = true)]
pub(super) struct Arguments {
    /// Write data as JSON, one object in each line
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Sign a delivery, send it, and print the response
    #[command(after_help = SEND)]
    Send(SendArgs),

    /// Say whether a captured request verifies, and why not
    #[command(after_help = EXPLAIN)]
    Explain(ExplainArgs),

    /// Check a receiver, or without a URL the secret
    #[command(after_help = DOCTOR)]
    Doctor(DoctorArgs),

    /// Receive deliveries on this machine, verify them, and keep or forward them
    #[command(after_help = LISTEN)]
    Listen(ListenArgs),

    /// List, show and redrive the messages of an inbox on SQLite
    #[cfg(feature = "inbox")]
    #[command(after_help = INBOX)]
    Inbox(InboxArgs),

    /// Write the completions of a shell to stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },

    /// Write the man page to stdout
    Man,
}

#[cfg(feature = "inbox")]
const INBOX: &str = "\
The receiver may use the inbox at the same time. It takes redriven messages without a restart.
The exit code of reconcile is 1 if a message is missing or a line cannot be read.

Examples:
  agentmail-webhook inbox stats
  agentmail-webhook inbox list --state dead
  agentmail-webhook inbox redrive --agent my-agent --by alice";

const SEND: &str = "\
Examples:
  agentmail-webhook send http://127.0.0.1:8080/agentmail/webhook
  agentmail-webhook send http://127.0.0.1:8080/agentmail/webhook --set subject='My own mail' \\
    --set sender=me@example.com --set message_id=msg-1
  agentmail-webhook send http://127.0.0.1:8080/agentmail/webhook --body mail.json
  agentmail-webhook send http://127.0.0.1:8080/agentmail/webhook --fault forged
  agentmail-webhook send http://127.0.0.1:8080/agentmail/webhook --capture 1.json --resign
  agentmail-webhook send http://127.0.0.1:8080/agentmail/webhook --print curl";

#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// The URL of the receiver
    pub(super) url: String,

    /// Send the content of this file, or of the standard input if it is `-`
    #[arg(long, value_name = "FILE", conflicts_with = "capture")]
    pub(super) body: Option<PathBuf>,

    /// Send the delivery in a file of `listen --dir`
    #[arg(long, value_name = "FILE")]
    pub(super) capture: Option<PathBuf>,

    /// Sign the capture again, with the time of now (the default if you give neither)
    #[arg(long, requires = "capture", conflicts_with = "as_is")]
    pub(super) resign: bool,

    /// Send the capture with its old timestamp and signature
    #[arg(long, requires = "capture", conflicts_with_all = ["fault", "set"])]
    pub(super) as_is: bool,

    /// Set a field of the payload; may be repeated. The fields are those of the vendor's guide:
    /// `agent_id`, `message_id`, `sender`, `subject`, `sender_verified`, ...
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field)]
    pub(super) set: Vec<(String, String)>,

    /// Send a delivery with this fault; it is as expected if the receiver refuses it
    #[arg(long, value_enum, value_name = "FAULT")]
    fault: Option<FaultValue>,

    /// Send it this often
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    pub(super) count: u32,

    /// Give each delivery a message id of its own, so that none is a copy
    #[arg(long)]
    pub(super) unique: bool,

    /// Send this many at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u16).range(1..=256))]
    pub(super) concurrency: u16,

    /// Print the delivery instead of sending it
    #[arg(long, value_enum, value_name = "FORM")]
    pub(super) print: Option<Print>,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,

    #[command(flatten)]
    pub(super) secret: SecretArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ConnectArgs {
    /// Wait this long for a response
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = value_parser!(u16).range(1..))]
    pub(super) timeout: u16,

    /// Trust the certificates in this PEM file, instead of the public authorities
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Print {
    /// A curl command
    Curl,
    /// The headers alone
    Headers,
    /// An object with URL, headers and body
    Json,
}

const EXPLAIN: &str = "\
A file may contain a raw HTTP request, a HAR log or one entry of it, a curl command as browsers
and shells write it, or a capture of `listen --dir`.

Examples:
  agentmail-webhook explain request.http
  agentmail-webhook explain network.har
  pbpaste | agentmail-webhook explain -
  agentmail-webhook explain -q 1.json && echo verified";

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The file with the request, or `-` for the standard input
    pub(super) file: PathBuf,

    /// When the request arrived, in Unix seconds or as a date; captures and HAR files say it
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<String>,

    /// Explain this entry of a HAR log; the first one is 1
    #[arg(long, value_name = "N")]
    pub(super) entry: Option<usize>,

    /// Print nothing: the exit code is the result
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// Also try this secret, which the receiver does not accept; may be repeated
    #[arg(long, value_name = "LABEL=FILE", help_heading = "Secret")]
    #[arg(value_parser = OtherSecret::parse)]
    pub(super) other_secret_file: Vec<OtherSecret>,

    /// Hash at most this many MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub(super) budget: u32,

    #[command(flatten)]
    pub(super) secret: SecretArgs,
}

const DOCTOR: &str = "\
Without --deliver, no handler of yours runs: everything that is sent is forged, stale or unsigned.
With --deliver, one genuine delivery is sent. Its message id begins with `agentmail-doctor-`.

Examples:
  agentmail-webhook doctor
  agentmail-webhook doctor https://example.com/agentmail/webhook
  agentmail-webhook doctor http://127.0.0.1:8080/agentmail/webhook --deliver";

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The URL of the receiver; without it, the secret is checked
    pub(super) url: Option<String>,

    /// Also send one genuine delivery, which runs your handler
    #[arg(long, requires = "url")]
    pub(super) deliver: bool,

    /// The agent id of that delivery
    #[arg(long, value_name = "ID", default_value = "my-agent", requires = "deliver")]
    pub(super) agent: String,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,

    #[command(flatten)]
    pub(super) secret: SecretArgs,
}

const LISTEN: &str = "\
The listener responds with 200 to what verifies, and with 403 to everything else.
With --forward, it responds as the target does.

Examples:
  agentmail-webhook listen --dir captures
  agentmail-webhook listen --forward http://127.0.0.1:8080/agentmail/webhook
  agentmail-webhook listen --exec 'jq .subject'";

#[derive(Debug, Args)]
pub(super) struct ListenArgs {
    /// Listen on this port of 127.0.0.1; 0 is a free port
    #[arg(long, value_name = "PORT", default_value_t = 8090)]
    pub(super) port: u16,

    /// Forward each delivery, unchanged, to this URL
    #[arg(long, value_name = "URL")]
    pub(super) forward: Option<String>,

    /// Forward only what verifies
    #[arg(long, requires = "forward")]
    pub(super) verified_only: bool,

    /// Write each delivery to a file in this folder
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,

    /// Run this command in a shell for each delivery that verifies, with the body on its stdin
    #[arg(long, value_name = "COMMAND")]
    pub(super) exec: Option<String>,

    /// End after this many deliveries
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,

    #[command(flatten)]
    pub(super) secret: SecretArgs,
}

impl SendArgs {
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.map(|fault| fault.0)
    }
}

/// A fault as an argument. The type of the library does not name a type of clap.
#[derive(Debug, Clone, Copy)]
struct FaultValue(Fault);

impl ValueEnum for FaultValue {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<FaultValue>> =
            LazyLock::new(|| Fault::ALL.iter().copied().map(FaultValue).collect());
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()).help(self.0.description()))
    }
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected FIELD=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
