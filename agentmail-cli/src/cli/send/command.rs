use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use agentmail_verify::{Signer, UnixTime};
use indicatif::{ProgressBar, ProgressDrawTarget};

use super::{
    payload::Payload,
    printed::printed,
    report::{Sent, Summary},
};
use crate::{
    cli::{
        args::{ConnectArgs, SendArgs},
        capture::Capture,
        exit::Exit,
        failure::Failure,
        input,
        output::Output,
    },
    sender::{Fault, Request, SAMPLE, SendError, Sender, Target, Trust},
};

pub(in crate::cli) fn run(arguments: &SendArgs, output: &Output) -> Result<Exit, Failure> {
    Target::parse(&arguments.url)?;
    let message = Message::read(arguments, output)?;
    if let Some(form) = arguments.print {
        let request = message.request(arguments.fault(), 1)?;
        output.line(&printed(form, &arguments.url, &request)?);
        return Ok(Exit::AsExpected);
    }
    let sender = sender(message.signer.clone(), &arguments.connect)?;
    if arguments.count == 1 {
        let sent = message.send(&sender, arguments, 1)?;
        sent.print(output);
        return Ok(sent.exit());
    }
    let summary = send_many(&message, &sender, arguments)?;
    summary.print(output);
    Ok(summary.exit())
}

/// Creates a sender with the options that all commands share.
pub(in crate::cli) fn sender(
    signer: Option<Signer>,
    connect: &ConnectArgs,
) -> Result<Sender, Failure> {
    let trust = trust(connect)?;
    let timeout = Duration::from_secs(connect.timeout.into());
    Ok(Sender::with_signer(signer, trust).with_timeout(timeout))
}

/// Returns which certificates are trusted.
pub(in crate::cli) fn trust(connect: &ConnectArgs) -> Result<Trust, Failure> {
    match &connect.ca {
        None => Ok(Trust::default()),
        Some(path) => Trust::of_pem(&input::read(path)?)
            .map_err(|error| Failure::input(format!("{}: {error}", path.display()))),
    }
}

/// What is sent.
struct Message {
    body: Vec<u8>,
    signer: Option<Signer>,
    /// The headers of a capture that is sent as it is.
    headers: Option<Vec<(String, String)>>,
    unique: bool,
}

impl Message {
    fn read(arguments: &SendArgs, output: &Output) -> Result<Self, Failure> {
        let capture = arguments.capture.as_deref().map(input::read).transpose()?;
        let capture = capture.map(|content| Capture::read(&content)).transpose()?;
        let mut body = match (&capture, arguments.body.as_deref()) {
            (Some(capture), _) => capture.body()?,
            (None, Some(path)) => input::read(path)?,
            (None, None) => SAMPLE.trim_end().as_bytes().to_vec(),
        };
        if !arguments.set.is_empty() {
            let mut payload = Payload::read(&body)?;
            for (name, value) in &arguments.set {
                payload.set(name, value)?;
            }
            body = payload.to_bytes()?;
        }
        if let Some(capture) = capture.filter(|_| arguments.as_is) {
            let kept = |(name, _): &(String, String)| !is_of_connection(name);
            let headers = capture.headers.into_iter().filter(kept).collect();
            return Ok(Self { body, signer: None, headers: Some(headers), unique: false });
        }
        if arguments.capture.is_some() && !arguments.resign {
            output.note("the capture is signed again, with the time of now; see --as-is");
        }
        let needs_secret = !matches!(arguments.fault(), Some(Fault::Unsigned | Fault::Forged));
        let secret = match needs_secret {
            true => Some(arguments.secret.required()?),
            false => None,
        };
        let signer = secret.map(Signer::new);
        Ok(Self { body, signer, headers: None, unique: arguments.unique })
    }

    /// Creates the delivery with this number. The first one is 1.
    fn request(&self, fault: Option<Fault>, number: u32) -> Result<Request, Failure> {
        if let Some(headers) = &self.headers {
            return Ok(Request { headers: headers.clone(), body: self.body.clone() });
        }
        let mut body = self.body.clone();
        if self.unique {
            let mut payload = Payload::read(&body)?;
            let id = payload.text("message_id").unwrap_or_default();
            let now = UnixTime::now().as_secs();
            payload.set("message_id", &format!("{id}-{now}-{number}"))?;
            body = payload.to_bytes()?;
        }
        Ok(Request::signed(self.signer.as_ref(), &body, fault, UnixTime::now()))
    }

    fn send(&self, sender: &Sender, arguments: &SendArgs, number: u32) -> Result<Sent, Failure> {
        let request = self.request(arguments.fault(), number)?;
        let start = Instant::now();
        let response = sender.send_request(&arguments.url, &request, arguments.fault());
        let response = response.map_err(|error: SendError| Failure::from(error))?;
        let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Sent::new(arguments.fault(), response, milliseconds))
    }
}

/// Headers that describe the connection on which a capture arrived.
fn is_of_connection(name: &str) -> bool {
    let names =
        ["host", "connection", "content-length", "transfer-encoding", "expect", "keep-alive"];
    names.iter().any(|other| name.eq_ignore_ascii_case(other))
}

fn send_many(message: &Message, sender: &Sender, arguments: &SendArgs) -> Result<Summary, Failure> {
    let progress =
        ProgressBar::with_draw_target(Some(arguments.count.into()), ProgressDrawTarget::stderr());
    let summary = Mutex::new((Summary::default(), None));
    let next = AtomicU32::new(1);
    let send_some = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > arguments.count || number == 0 {
                return;
            }
            let sent = message.send(sender, arguments, number);
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.0.add(sent.as_ref().ok());
            if let Err(failure) = sent {
                summary.1.get_or_insert(failure);
            }
            progress.inc(1);
        }
    };
    thread::scope(|scope| {
        for _ in 0..arguments.concurrency {
            scope.spawn(send_some);
        }
    });
    progress.finish_and_clear();
    let (summary, failure) = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failure {
        // Nothing has worked, so the reason says more than the count.
        Some(failure) if summary.without_response == summary.sent => Err(failure),
        _ => Ok(summary),
    }
}
