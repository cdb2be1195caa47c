//! `forebay explain`: puts a question to the admin page of a running `forebay up` and prints the answer. Knows no routes.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::cli::Explain;

/// Exit codes: 0 the URL reaches a cluster, 1 it does not (the answer says why), 2 nobody could be asked.
pub(crate) fn run(question: &Explain) -> ExitCode {
    match ask(question.admin, &target(question)) {
        Ok(answer) => {
            let (text, reached) = answer.read();
            // A reader that stops listening (`| head`) is no failure of ours.
            let _ = writeln!(io::stdout(), "{}", text.trim_end());
            if reached { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!(
                "forebay explain: nothing answers at {}: {error}. Is `forebay up` running? Its admin address is \
                 printed when it starts; pass it with --admin.",
                question.admin
            );
            ExitCode::from(2)
        }
    }
}

struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    /// For people: the steps, one a line; and whether they end at a cluster.
    fn read(&self) -> (String, bool) {
        let json: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let Some(steps) = json["steps"].as_array() else { return (self.body.clone(), false) };
        let lines: Vec<&str> = steps.iter().filter_map(Value::as_str).collect();
        let reached = json["clusters"].as_array().is_some_and(|clusters| !clusters.is_empty());
        (lines.join("\n"), self.status == 200 && reached)
    }
}

/// `/explain?format=json&url=..&header=name:value&header=..`, everything but unreserved characters escaped.
fn target(question: &Explain) -> String {
    let mut target = format!("/explain?format=json&url={}", escaped(&question.url.to_string()));
    for (name, value) in &question.headers {
        let _ = write!(target, "&header={}", escaped(&format!("{name}:{value}")));
    }
    target
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

/// HTTP/1.0, so that the answer ends with the connection and needs no framing.
fn ask(admin: SocketAddr, target: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {admin}\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "what answers there does not speak HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

/// The admin pages are on loopback and answer from memory: five seconds mean that they never will.
const PATIENCE: Duration = Duration::from_secs(5);

/// An explanation is a page of text; a megabyte is a different program's answer.
const MAX_ANSWER: u64 = 1 << 20;

#[cfg(test)]
mod tests;
