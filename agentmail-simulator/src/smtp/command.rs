use crate::smtp::reply::Reply;

/// A command of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo,
    Helo,
    /// The size that the client declares, in bytes.
    Mail {
        size: Option<u64>,
    },
    /// The part of the recipient's address before `@`.
    Rcpt {
        local_part: String,
    },
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Auth(Auth),
    /// The words of another protocol: a page in a browser may send them to this port.
    Foreign,
}

/// How a client logs in. Every name and every password is accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// The credentials follow, unless they are in the command.
    Plain { complete: bool },
    /// The name follows, unless it is in the command, and then the password.
    Login { has_name: bool },
}

impl Command {
    /// Reads a line without its end. The error is the reply.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Reply> {
        let text = str::from_utf8(line).map_err(|_| Reply::new(500, "the command is not UTF-8"))?;
        if text.chars().any(char::is_control) {
            return Err(Reply::new(500, "the command has a control character"));
        }
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim_matches(' ');
        let none = |command| match rest {
            "" => Ok(command),
            _ => Err(Reply::new(501, "the command has no parameter")),
        };
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" if !rest.is_empty() => Ok(Self::Ehlo),
            "HELO" if !rest.is_empty() => Ok(Self::Helo),
            "EHLO" | "HELO" => Err(Reply::new(501, "the name of the client is missing")),
            "MAIL" => mail(rest),
            "RCPT" => recipient(rest),
            "DATA" => none(Self::Data),
            "RSET" => none(Self::Rset),
            "NOOP" => Ok(Self::Noop),
            "QUIT" => none(Self::Quit),
            "VRFY" => Ok(Self::Vrfy),
            "AUTH" => auth(rest),
            "BDAT" | "EXPN" | "HELP" | "STARTTLS" | "TURN" => {
                Err(Reply::new(502, "the command is not implemented"))
            }
            "CONNECT" | "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT" => {
                Ok(Self::Foreign)
            }
            verb if verb.ends_with(':') => Ok(Self::Foreign),
            _ => Err(Reply::new(500, "the command is unknown")),
        }
    }
}

fn mail(rest: &str) -> Result<Command, Reply> {
    let (_, parameters) = path(rest, "FROM:")?;
    let mut size = None;
    for parameter in parameters.split(' ').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name.to_ascii_uppercase().as_str(), value.to_ascii_uppercase().as_str()) {
            ("SIZE", digits) => {
                let number = digits.parse().map_err(|_| Reply::new(501, "SIZE is no number"))?;
                size = Some(number);
            }
            ("BODY", "7BIT" | "8BITMIME") | ("SMTPUTF8", "") | ("AUTH", _) => {}
            _ => return Err(Reply::new(555, "a parameter of MAIL is unknown")),
        }
    }
    Ok(Command::Mail { size })
}

fn recipient(rest: &str) -> Result<Command, Reply> {
    let (address, parameters) = path(rest, "TO:")?;
    if !parameters.trim().is_empty() {
        return Err(Reply::new(555, "a parameter of RCPT is unknown"));
    }
    // A route before the address, such as `@relay.example:`, is to be ignored (RFC 5321, C).
    let address = match address.strip_prefix('@') {
        Some(route) => route.split_once(':').map_or("", |(_, address)| address),
        None => address,
    };
    let local_part = match address.rsplit_once('@') {
        Some((local_part, domain)) if !local_part.is_empty() && !domain.is_empty() => local_part,
        _ => {
            return Err(Reply::new(501, "the recipient is not an address such as agent@localhost"));
        }
    };
    Ok(Command::Rcpt { local_part: local_part.to_owned() })
}

/// Reads `FROM:<address> parameters` or `TO:<address> parameters`.
fn path<'a>(rest: &'a str, keyword: &str) -> Result<(&'a str, &'a str), Reply> {
    let wrong = || Reply::new(501, format!("the command has no {keyword}<address>"));
    let (found, rest) = rest.split_at_checked(keyword.len()).ok_or_else(wrong)?;
    let address = rest.trim_start_matches(' ').strip_prefix('<').ok_or_else(wrong)?;
    let (address, parameters) = address.split_once('>').ok_or_else(wrong)?;
    let is_separate = parameters.is_empty() || parameters.starts_with(' ');
    if found.eq_ignore_ascii_case(keyword) && is_separate && !address.contains(['<', ' ']) {
        Ok((address, parameters))
    } else {
        Err(wrong())
    }
}

fn auth(rest: &str) -> Result<Command, Reply> {
    let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
    match mechanism.to_ascii_uppercase().as_str() {
        "PLAIN" => Ok(Command::Auth(Auth::Plain { complete: !initial.is_empty() })),
        "LOGIN" => Ok(Command::Auth(Auth::Login { has_name: !initial.is_empty() })),
        _ => Err(Reply::new(504, "the mechanisms are PLAIN and LOGIN")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_commands_in_any_case() {
        let rcpt = |local_part: &str| Command::Rcpt { local_part: local_part.to_owned() };
        for (line, expected) in [
            ("EHLO client", Ok(Command::Ehlo)),
            ("ehlo [127.0.0.1]", Ok(Command::Ehlo)),
            ("HELO client", Ok(Command::Helo)),
            ("EHLO", Err(501)),
            ("MAIL FROM:<>", Ok(Command::Mail { size: None })),
            (
                "mail from: <a@b.c> size=5 BODY=8BITMIME SMTPUTF8",
                Ok(Command::Mail { size: Some(5) }),
            ),
            ("MAIL FROM:<a@b.c> SIZE=-1", Err(501)),
            ("MAIL FROM:<a@b.c> SIZE=99999999999999999999", Err(501)),
            ("MAIL FROM:<a@b.c> HOLDFOR=1", Err(555)),
            ("MAIL FROM:a@b.c", Err(501)),
            ("MAIL FROM:<a@b.c>SIZE=1", Err(501)),
            ("MAIL", Err(501)),
            ("RCPT TO:<my-agent@localhost>", Ok(rcpt("my-agent"))),
            ("RCPT TO:<@relay.example,@b:my-agent@localhost>", Ok(rcpt("my-agent"))),
            ("RCPT TO:<\"a@b\"@localhost>", Ok(rcpt("\"a@b\""))),
            ("RCPT TO:<my-agent>", Err(501)),
            ("RCPT TO:<@localhost>", Err(501)),
            ("RCPT TO:<>", Err(501)),
            ("RCPT TO:<a@b> NOTIFY=NEVER", Err(555)),
            ("DATA", Ok(Command::Data)),
            ("DATA now", Err(501)),
            ("RSET", Ok(Command::Rset)),
            ("NOOP anything", Ok(Command::Noop)),
            ("quit", Ok(Command::Quit)),
            ("VRFY a", Ok(Command::Vrfy)),
            ("AUTH PLAIN AGEAYg==", Ok(Command::Auth(Auth::Plain { complete: true }))),
            ("AUTH plain", Ok(Command::Auth(Auth::Plain { complete: false }))),
            ("AUTH LOGIN", Ok(Command::Auth(Auth::Login { has_name: false }))),
            ("AUTH CRAM-MD5", Err(504)),
            ("STARTTLS", Err(502)),
            ("BDAT 5 LAST", Err(502)),
            ("POST / HTTP/1.1", Ok(Command::Foreign)),
            ("Host: 127.0.0.1", Ok(Command::Foreign)),
            ("NOTHING", Err(500)),
            ("", Err(500)),
            ("NOOP\0", Err(500)),
        ] {
            let parsed = Command::parse(line.as_bytes()).map_err(|reply| reply.code());
            assert_eq!(parsed, expected, "{line:?}");
        }
        assert!(Command::parse(b"NOOP \xff").is_err());
    }
}
