//! An app: does what its arguments say, in their order. Knows nothing of Forebay.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub(crate) fn main(mut args: impl Iterator<Item = String>) -> ExitCode {
    let mut app = App::default();
    // Signals stay ignored while this lives.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("runtime");
    let _entered = runtime.enter();
    let mut signals = Vec::new();
    while let Some(what) = args.next() {
        let mut value = || args.next().expect("a value");
        match &*what {
            "chat" => chat(value().parse().expect("number of lines")),
            "child" => {
                let words: Vec<String> = value().split(' ').map(str::to_owned).collect();
                let child =
                    Command::new(std::env::current_exe().expect("own file")).arg("app").args(words).spawn();
                println!("child {}", child.expect("child").id());
            }
            "environment" => environment(),
            "exit" => return ExitCode::from(value().parse::<u8>().expect("code")),
            "exit-unless" => {
                if !PathBuf::from(value()).exists() {
                    return ExitCode::from(7);
                }
            }
            "hang" => loop {
                thread::park();
            },
            "health" => app.health = Some(value().into()),
            "ignore-term" => {
                signals.push(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()))
            }
            "log" => println!("{}", value()),
            "log-error" => eprintln!("{}", value()),
            "new-session" => drop(rustix::process::setsid()),
            "on" => app.listen = Some(value()),
            "serve" => Arc::new(app.clone()).serve(),
            "sleep" => thread::sleep(Duration::from_millis(value().parse().expect("milliseconds"))),
            "touch" => std::fs::write(value(), "").expect("file"),
            other => panic!("unknown habit {other}"),
        }
    }
    ExitCode::SUCCESS
}

#[derive(Debug, Default, Clone)]
struct App {
    /// Instead of 127.0.0.1:$PORT.
    listen: Option<String>,
    /// Healthy while this file exists.
    health: Option<PathBuf>,
}

impl App {
    fn serve(self: Arc<Self>) {
        let port = std::env::var("PORT").expect("PORT");
        let address = self.listen.clone().unwrap_or_else(|| format!("127.0.0.1:{port}"));
        let listener = TcpListener::bind(address.replace("PORT", &port)).expect("listen");
        for stream in listener.incoming().flatten() {
            let app = self.clone();
            thread::spawn(move || app.answer(stream));
        }
    }

    /// One request: `/healthz`, or `/N`, which takes N milliseconds.
    fn answer(&self, stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let first = lines.next()?.ok()?;
        let mut probed = false;
        for line in lines.by_ref() {
            let line = line.ok()?;
            probed |= line.eq_ignore_ascii_case("x-probe: yes");
            if line.is_empty() {
                break;
            }
        }
        let path = first.split(' ').nth(1)?;
        let status = match path {
            "/healthz" if !probed => "400 Bad Request",
            "/healthz" if self.health.as_ref().is_some_and(|file| !file.exists()) => {
                "503 Service Unavailable"
            }
            "/healthz" => "204 No Content",
            _ => {
                thread::sleep(Duration::from_millis(path[1..].parse().ok()?));
                "200 OK"
            }
        };
        write!(&stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()
    }
}

fn chat(lines: usize) {
    let mut out = std::io::stdout().lock();
    for n in 0..lines {
        writeln!(out, "line {n} {}", "x".repeat(100)).expect("stdout");
    }
}

/// What it was given, in lines.
fn environment() {
    println!("args {:?}", std::env::args().skip(1).collect::<Vec<_>>());
    println!("dir {}", std::env::current_dir().expect("directory").display());
    let mut vars: Vec<(String, String)> = std::env::vars().collect();
    vars.sort();
    for (name, value) in vars {
        println!("env {name}={value}");
    }
}
