//! `forebay queue-proxy` as a program: what it says of a bad environment, and how it ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const GOOD: [(&str, &str); 14] = [
    ("SERVING_NAMESPACE", "default"),
    ("SERVING_CONFIGURATION", "hello"),
    ("SERVING_REVISION", "hello-00001"),
    ("SERVING_POD", "hello-00001-x"),
    ("SERVING_POD_IP", "10.0.0.1"),
    ("QUEUE_SERVING_PORT", "8012"),
    ("QUEUE_SERVING_TLS_PORT", "8112"),
    ("USER_PORT", "8080"),
    ("CONTAINER_CONCURRENCY", "0"),
    ("REVISION_TIMEOUT_SECONDS", "300"),
    ("SERVING_LOGGING_CONFIG", ""),
    ("SERVING_LOGGING_LEVEL", ""),
    ("FOREBAY_QUEUE_ADDRESS", "127.0.0.1"),
    ("FOREBAY_QUEUE_ADMIN_PORT", "0"),
];

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.arg("queue-proxy").env_clear().envs(GOOD).stdin(Stdio::null());
    command
}

fn refused(output: &Output, name: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(name), "{name}: {said}");
}

#[test]
fn a_bad_environment_ends_it_with_1_and_the_variables_name() {
    for (name, _) in GOOD.iter().filter(|(name, _)| !name.starts_with("FOREBAY")) {
        refused(&command().env_remove(name).output().unwrap(), name);
    }
    for (name, value) in [
        ("CONTAINER_CONCURRENCY", "many"),
        ("USER_PORT", "http"),
        ("SERVING_READINESS_PROBE", "{"),
        ("OBSERVABILITY_CONFIG", "["),
        ("ENABLE_MULTI_CONTAINER_PROBES", "maybe"),
    ] {
        refused(&command().env(name, value).output().unwrap(), name);
    }
}

#[test]
fn a_port_in_use_ends_it_with_1_and_the_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in ["QUEUE_SERVING_PORT", "FOREBAY_QUEUE_ADMIN_PORT", "FOREBAY_QUEUE_STATS_PORT"] {
        // The others are any that are free: the first that cannot be had is told.
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let mut command = command();
        command.env("QUEUE_SERVING_PORT", &free).env("FOREBAY_QUEUE_STATS_PORT", "0").env(name, &port);
        refused(&command.output().unwrap(), &port);
    }
}

/// A queue-proxy as a process of its own; killed when dropped.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks again and again until it is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "waited for {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn answer(port: u16, said: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    stream.write_all(said).unwrap();
    let mut heard = Vec::new();
    // Who is cut off has said what it had to say.
    let _ = stream.read_to_end(&mut heard);
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn ten_thousand_connections_that_say_nothing_keep_nobody_from_an_answer() {
    let app = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let user = app.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for stream in app.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 1024];
            while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
        }
    });
    let (main, stats) = (free_port(), free_port());
    let mut command = command();
    command.env("QUEUE_SERVING_PORT", main.to_string()).env("USER_PORT", user);
    command.env("FOREBAY_QUEUE_STATS_PORT", stats.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    let proxy = Running(command.spawn().unwrap());
    until("it listens", || TcpStream::connect(("127.0.0.1", stats)).is_ok());

    // Where the machine's limit of open files is lower, that many.
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let most =
        getrlimit(Resource::Nofile).current.map_or(10_000, |files| (files as usize).saturating_sub(200));
    let silent: Vec<TcpStream> =
        (0..most.min(10_000)).map_while(|_| TcpStream::connect(("127.0.0.1", main)).ok()).collect();
    assert!(silent.len() > 500, "only {} connections were made", silent.len());
    let ask = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    for _ in 0..3 {
        assert!(answer(main, ask).starts_with("HTTP/1.1 200"), "with {} that say nothing", silent.len());
    }
    let files = || std::fs::read_dir(format!("/proc/{}/fd", proxy.0.id())).unwrap().count();
    until("all were accepted", || files() >= silent.len());
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.0.id())).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next()?.parse().ok());
    let each = resident.unwrap_or(0usize) * 1024 / silent.len();
    assert!(each < 8 << 10, "{each} bytes for each that says nothing");
    drop(silent);
    until("they are forgotten", || files() < 100);
    assert!(answer(main, ask).starts_with("HTTP/1.1 200"));
}

#[test]
fn http2_where_http1_is_spoken_is_refused() {
    let (main, stats) = (free_port(), free_port());
    let mut command = command();
    command.env("QUEUE_SERVING_PORT", main.to_string()).env("FOREBAY_QUEUE_STATS_PORT", stats.to_string());
    let _proxy = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    until("it listens", || TcpStream::connect(("127.0.0.1", stats)).is_ok());
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // As Go's server without HTTP/2 has it: a version that it does not speak.
    let heard = answer(stats, preface);
    assert!(heard.starts_with("HTTP/1.1 505 ") || heard.starts_with("HTTP/1.1 400 "), "{heard}");
    assert!(
        answer(stats, b"GET /metrics HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
            .contains("application/protobuf")
    );
}
