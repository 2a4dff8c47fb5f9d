use std::{fs, path::Path};

use super::{ansi_c, request::ParsedRequest};
use crate::cli::failure::Failure;

/// Options of curl that take a value and say nothing about the request.
const WITH_VALUE: [&str; 22] = [
    "-A",
    "--user-agent",
    "-b",
    "--cookie",
    "-e",
    "--referer",
    "-u",
    "--user",
    "-X",
    "--request",
    "--url",
    "-o",
    "--output",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--cacert",
    "--resolve",
    "-w",
    "--write-out",
    "-x",
    "--proxy",
];

/// Reads a curl command as shells and browsers write it.
pub(super) fn read(command: &[u8]) -> Result<ParsedRequest, Failure> {
    if command.windows(2).any(|pair| pair == b"^\"") {
        let reason = "the command is for Windows' cmd: copy it as cURL (bash)";
        return Err(Failure::input(reason));
    }
    let unclosed = || Failure::input("the curl command has a quote without an end");
    let plain = ansi_c::unquote(command).ok_or_else(unclosed)?;
    let words = shlex::bytes::split(&plain).ok_or_else(unclosed)?;
    let mut words = words.into_iter().skip(1);
    let mut request = Request::default();
    while let Some(word) = words.next() {
        let text = String::from_utf8_lossy(&word).into_owned();
        let (option, attached) = split(&text, &word);
        let mut value = || attached.clone().or_else(|| words.next());
        match option {
            "-H" | "--header" => request.header(&value().unwrap_or_default()),
            "-d" | "--data" | "--data-ascii" => request.data(&value().unwrap_or_default(), true)?,
            "--data-binary" => request.data(&value().unwrap_or_default(), false)?,
            "--data-raw" => request.body(value().unwrap_or_default()),
            "--json" => request.data(&value().unwrap_or_default(), false)?,
            other if WITH_VALUE.contains(&other) => _ = value(),
            _ => {}
        }
    }
    Ok(ParsedRequest::new(request.headers, request.body.unwrap_or_default()))
}

/// Splits `--option=value` and `-Hvalue`.
fn split<'a>(text: &'a str, word: &[u8]) -> (&'a str, Option<Vec<u8>>) {
    if text.starts_with("--") {
        return match text.split_once('=') {
            Some((option, _)) => {
                (option, word.get(option.len().saturating_add(1)..).map(Into::into))
            }
            None => (text, None),
        };
    }
    match text.get(..2) {
        Some(option @ ("-H" | "-d" | "-X")) if text.len() > 2 => {
            (option, word.get(2..).map(Into::into))
        }
        _ => (text, None),
    }
}

#[derive(Default)]
struct Request {
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Request {
    fn header(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        if let Some((name, value)) = colon.and_then(|at| line.split_at_checked(at)) {
            let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
            self.headers.push((String::from_utf8_lossy(name).trim().to_owned(), value.to_vec()));
        }
    }

    /// Adds a value, or the content of `@file`. `-d` removes line ends from a file.
    fn data(&mut self, value: &[u8], strips: bool) -> Result<(), Failure> {
        let Some(name) = value.strip_prefix(b"@") else {
            self.body(value.to_vec());
            return Ok(());
        };
        let name = String::from_utf8_lossy(name).into_owned();
        if name == "-" {
            return Err(Failure::input("curl reads the body from its standard input (`@-`)"));
        }
        let content = fs::read(&name).map_err(|error| Failure::file(Path::new(&name), &error))?;
        let line_end = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        let kept = content.into_iter().filter(|byte| !(strips && line_end(byte)));
        self.body(kept.collect());
        Ok(())
    }

    /// Adds a value. curl joins several with `&`.
    fn body(&mut self, value: Vec<u8>) {
        self.body = Some(match self.body.take() {
            Some(before) => [&before[..], b"&", &value].concat(),
            None => value,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Chrome and Firefox write for the same request.
    const BROWSERS: [&str; 2] = [
        r#"curl 'http://localhost:8080/agentmail/webhook' \
  -H 'Accept: */*' \
  -H 'X-AgentMail-Timestamp: 1700000000' \
  -H 'content-type: application/json' \
  --data-raw $'{"subject":"it\'s \u0021 Gr\u00f6\u00dfe"}' \
  --compressed"#,
        concat!(
            r#"curl 'http://localhost:8080/agentmail/webhook' --compressed -X POST "#,
            r#"-H 'User-Agent: Mozilla/5.0' -H 'X-AgentMail-Timestamp: 1700000000' "#,
            r#"--data-raw $'{"subject":"it\'s \u0021 Größe"}'"#
        ),
    ];

    #[test]
    fn reads_what_browsers_write() {
        for command in BROWSERS {
            let request = read(command.as_bytes()).unwrap();
            assert_eq!(request.body, r#"{"subject":"it's ! Größe"}"#.as_bytes(), "{command}");
            let timestamp = ("X-AgentMail-Timestamp".to_owned(), b"1700000000".to_vec());
            assert!(request.headers.contains(&timestamp), "{command}");
        }
    }

    #[test]
    fn reads_what_shells_write() {
        for (command, body) in [
            (r#"curl http://a -d '{"a":1}'"#, r#"{"a":1}"#),
            (r#"curl http://a --data "{\"a\":1}""#, r#"{"a":1}"#),
            ("curl -i -X POST --data-binary={} http://a", "{}"),
            ("curl http://a -d a -d b", "a&b"),
            ("curl -s -o /dev/null -A agent -d x http://a", "x"),
            ("curl http://a -dx", "x"),
            ("curl http://a", ""),
        ] {
            assert_eq!(read(command.as_bytes()).unwrap().body, body.as_bytes(), "{command}");
        }
        for command in ["curl 'open", "curl $'open", "curl -d @- http://a", "curl ^\"http://a^\""] {
            assert!(read(command.as_bytes()).is_err(), "{command}");
        }
    }

    #[test]
    fn a_file_loses_its_line_ends_with_d_and_not_with_data_binary() {
        let file = std::env::temp_dir().join(format!("agentmail-curl-{}", std::process::id()));
        fs::write(&file, "{\n}\r\n").unwrap();
        let read = |option| read(format!("curl {option} @{} http://a", file.display()).as_bytes());

        assert_eq!(read("-d").unwrap().body, b"{}");
        assert_eq!(read("--data-binary").unwrap().body, b"{\n}\r\n");
        fs::remove_file(&file).unwrap();
        assert!(read("-d").is_err());
    }
}
