use crate::{
    settings::Settings,
    smtp::{
        command::{Auth, Command},
        reply::Reply,
    },
};

/// How many recipients a mail has at most.
const RECIPIENTS: usize = 100;
/// After how many errors a connection is closed.
const ERRORS: u32 = 10;
/// After how many commands a connection is closed.
const COMMANDS: u32 = 10_000;

/// What a client has said so far.
#[derive(Debug, Default)]
pub(super) struct Session {
    is_greeted: bool,
    /// The recipients of the mail, after MAIL.
    recipients: Option<Vec<String>>,
    /// How many lines of a login follow.
    login: u8,
    commands: u32,
    errors: u32,
}

/// What happens after a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Command,
    /// The content of a mail for these agents.
    Content(Vec<String>),
    Close,
}

impl Session {
    /// The first reply of a connection.
    pub(super) fn greeting() -> Reply {
        Reply::new(220, "agentmail-simulator ESMTP: mail for AGENT@anything")
    }

    /// Takes a line. `is_agent` says whether there is an agent of this id.
    pub(super) fn line(&mut self, line: &[u8], is_agent: impl Fn(&str) -> bool) -> (Reply, Next) {
        self.commands = self.commands.saturating_add(1);
        let (reply, next) = match self.login {
            0 => match Command::parse(line) {
                Ok(command) => self.command(command, is_agent),
                Err(reply) => (reply, Next::Command),
            },
            _ => (self.continue_login(line), Next::Command),
        };
        self.limited(reply, next)
    }

    /// Counts a line that could not be read.
    pub(super) fn bare_line_end(&mut self) -> (Reply, Next) {
        self.limited(Reply::new(500, "a line must end with CR and LF"), Next::Command)
    }

    /// Closes the connection of a client that makes too many errors.
    fn limited(&mut self, reply: Reply, next: Next) -> (Reply, Next) {
        self.errors = self.errors.saturating_add(u32::from(reply.is_error()));
        if self.errors >= ERRORS || self.commands >= COMMANDS {
            return (Reply::new(421, "too many errors or commands"), Next::Close);
        }
        (reply, next)
    }

    fn command(&mut self, command: Command, is_agent: impl Fn(&str) -> bool) -> (Reply, Next) {
        let reply = match command {
            Command::Ehlo => self.greet(true),
            Command::Helo => self.greet(false),
            Command::Mail { size } => self.mail(size),
            Command::Rcpt { local_part } => self.recipient(local_part, is_agent),
            Command::Data => match self.recipients.take_if(|it| !it.is_empty()) {
                Some(agents) => {
                    let reply = Reply::new(354, "end with a dot in a line of its own");
                    return (reply, Next::Content(agents));
                }
                None => Reply::new(503, "RCPT comes first"),
            },
            Command::Rset => {
                self.recipients = None;
                Reply::new(250, "done")
            }
            Command::Noop => Reply::new(250, "done"),
            Command::Vrfy => Reply::new(252, "RCPT says whether there is such an agent"),
            Command::Auth(auth) => self.auth(&auth),
            Command::Quit => return (Reply::new(221, "closing"), Next::Close),
            Command::Foreign => return (Reply::new(421, "this is not HTTP"), Next::Close),
        };
        (reply, Next::Command)
    }

    fn greet(&mut self, is_extended: bool) -> Reply {
        self.is_greeted = true;
        self.recipients = None;
        if !is_extended {
            return Reply::new(250, "agentmail-simulator");
        }
        let size = format!("SIZE {}", Settings::MAIL_BYTES);
        let others = ["8BITMIME", "SMTPUTF8", "PIPELINING", "AUTH PLAIN LOGIN"];
        let first = ["agentmail-simulator".to_owned(), size];
        Reply::lines(250, first.into_iter().chain(others.map(str::to_owned)))
    }

    fn mail(&mut self, size: Option<u64>) -> Reply {
        if !self.is_greeted || self.recipients.is_some() {
            return Reply::new(503, "EHLO comes first, and one MAIL for each mail");
        }
        let limit = u64::try_from(Settings::MAIL_BYTES).unwrap_or(u64::MAX);
        if size.is_some_and(|size| size > limit) {
            return Reply::new(552, format!("the mail is longer than {limit} bytes"));
        }
        self.recipients = Some(Vec::new());
        Reply::new(250, "done")
    }

    fn recipient(&mut self, agent_id: String, is_agent: impl Fn(&str) -> bool) -> Reply {
        let Some(recipients) = &mut self.recipients else {
            return Reply::new(503, "MAIL comes first");
        };
        if !is_agent(&agent_id) {
            return Reply::new(550, "there is no such agent");
        }
        if recipients.len() >= RECIPIENTS {
            return Reply::new(452, format!("a mail has at most {RECIPIENTS} recipients"));
        }
        if !recipients.contains(&agent_id) {
            recipients.push(agent_id);
        }
        Reply::new(250, "done")
    }

    fn auth(&mut self, auth: &Auth) -> Reply {
        if !self.is_greeted || self.recipients.is_some() {
            return Reply::new(503, "AUTH comes after EHLO and before MAIL");
        }
        self.login = match auth {
            Auth::Plain { complete: true } => 0,
            Auth::Plain { complete: false } | Auth::Login { has_name: true } => 1,
            Auth::Login { has_name: false } => 2,
        };
        match auth {
            Auth::Plain { complete: false } => Reply::new(334, ""),
            _ => self.prompt(),
        }
    }

    fn continue_login(&mut self, line: &[u8]) -> Reply {
        if line == b"*" {
            self.login = 0;
            return Reply::new(501, "the login was cancelled");
        }
        self.login = self.login.saturating_sub(1);
        self.prompt()
    }

    /// Asks for the next line of a login: `Username:` and `Password:` as base64.
    fn prompt(&self) -> Reply {
        match self.login {
            0 => Reply::new(235, "every login is accepted"),
            1 => Reply::new(334, "UGFzc3dvcmQ6"),
            _ => Reply::new(334, "VXNlcm5hbWU6"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends lines, and returns the codes of the replies.
    fn codes(lines: &[&str]) -> Vec<u16> {
        let mut session = Session::default();
        let is_agent = |agent_id: &str| agent_id == "my-agent" || agent_id == "other";
        let codes = lines.iter().map(|line| session.line(line.as_bytes(), is_agent).0.code());
        codes.collect()
    }

    #[test]
    fn commands_have_an_order() {
        for (name, lines, expected) in [
            (
                "a mail",
                &["EHLO c", "MAIL FROM:<a@b>", "RCPT TO:<my-agent@x>", "RCPT TO:<other@y>", "DATA"]
                    [..],
                &[250, 250, 250, 250, 354][..],
            ),
            ("no greeting", &["MAIL FROM:<a@b>", "HELO c", "MAIL FROM:<a@b>"], &[503, 250, 250]),
            ("no sender", &["EHLO c", "RCPT TO:<my-agent@x>", "DATA"], &[250, 503, 503]),
            (
                "an unknown agent",
                &["EHLO c", "MAIL FROM:<>", "RCPT TO:<nobody@x>", "DATA"],
                &[250, 250, 550, 503],
            ),
            ("two senders", &["EHLO c", "MAIL FROM:<>", "MAIL FROM:<>"], &[250, 250, 503]),
            (
                "a reset",
                &["EHLO c", "MAIL FROM:<>", "RCPT TO:<my-agent@x>", "RSET", "DATA"],
                &[250, 250, 250, 250, 503],
            ),
            ("too long", &["EHLO c", "MAIL FROM:<> SIZE=27262977", "DATA"], &[250, 552, 503]),
            ("the longest", &["EHLO c", "MAIL FROM:<> SIZE=27262976"], &[250, 250]),
            ("HTTP", &["GET / HTTP/1.1"], &[421]),
        ] {
            assert_eq!(codes(lines), expected, "{name}");
        }
    }

    #[test]
    fn every_login_is_accepted() {
        for (lines, expected) in [
            (&["EHLO c", "AUTH PLAIN AGEAYg=="][..], &[250, 235][..]),
            (&["EHLO c", "AUTH PLAIN", "AGEAYg==", "NOOP"], &[250, 334, 235, 250]),
            (&["EHLO c", "AUTH LOGIN", "YQ==", "Yg==", "NOOP"], &[250, 334, 334, 235, 250]),
            (&["EHLO c", "AUTH LOGIN YQ==", "Yg=="], &[250, 334, 235]),
            (&["EHLO c", "AUTH LOGIN", "*", "NOOP"], &[250, 334, 501, 250]),
            (&["AUTH PLAIN AGEAYg=="], &[503]),
        ] {
            assert_eq!(codes(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn many_errors_close_the_connection() {
        let lines = ["NOTHING"; 10];
        let mut session = Session::default();
        let results: Vec<_> =
            lines.iter().map(|it| session.line(it.as_bytes(), |_| true)).collect();

        assert!(
            results[..9].iter().all(|(reply, next)| reply.code() == 500 && *next == Next::Command)
        );
        assert_eq!((results[9].0.code(), &results[9].1), (421, &Next::Close));
    }
}
