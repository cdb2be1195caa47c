//! Over real sockets, with a client that writes and reads bytes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;

use forebay_telemetry::{Cluster, Registry};
use serde_json::json;

use super::*;

/// A data plane of cardboard.
struct Cardboard {
    registry: Registry,
    state: Mutex<State>,
    done: Mutex<Vec<String>>,
    quit: Arc<tokio::sync::Notify>,
}

impl Cardboard {
    fn note(&self, what: impl Into<String>) {
        self.done.lock().unwrap().push(what.into());
    }
}

impl Provider for Cardboard {
    fn state(&self) -> State {
        *self.state.lock().unwrap()
    }

    fn stats(&self) -> Snapshot {
        self.registry.snapshot()
    }

    fn config_dump(&self, endpoints: bool) -> Vec<Value> {
        let mut sections = vec![
            json!({
                "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
                "dynamic_active_clusters": [
                    { "version_info": "1", "cluster": { "name": "default/a" } },
                    { "version_info": "2", "cluster": { "name": "default/b" } },
                ],
            }),
            json!({
                "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
                "dynamic_listeners": [{ "name": "gateway" }],
            }),
        ];
        if endpoints {
            sections.push(json!({
                "@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump",
                "dynamic_endpoint_configs": [{ "endpoint_config": { "cluster_name": "default/a" } }],
            }));
        }
        sections
    }

    fn clusters(&self) -> Vec<ClusterView> {
        vec![ClusterView {
            name: "default/a".into(),
            added_via_api: true,
            limits: Some(Limits {
                max_connections: 1,
                max_pending_requests: 2,
                max_requests: 3,
                max_retries: 4,
            }),
            high: None,
            facts: vec![("forebay_waiting", "5".into())],
            endpoints: vec![EndpointView {
                address: "127.0.0.1:4000".parse().unwrap(),
                hostname: String::new(),
                numbers: vec![("rq_active", 2, true), ("cx_active", 1, true), ("rq_total", 9, false)],
                health: Health::Draining,
                weight: 1,
                priority: 0,
                locality: <(String, String, String)>::default(),
            }],
        }]
    }

    fn reset_counters(&self) {
        self.registry.reset_counters();
    }

    fn certificates(&self) -> Vec<Certificate> {
        let own = CertificateDetails {
            path: "<inline>".into(),
            serial: "37".into(),
            dns: vec!["a.example".into()],
            days_left: 29,
            valid_from: "2026-01-01T00:00:00Z".into(),
            expires: "2026-01-31T00:00:00Z".into(),
            ..CertificateDetails::default()
        };
        vec![Certificate { authorities: Vec::new(), chain: vec![own] }]
    }

    fn unready(&self) -> Vec<Unready> {
        let waits_for = vec!["routes".to_owned()];
        vec![Unready { component: "listener", name: "gateway".into(), waits_for }]
    }

    fn memory(&self) -> Memory {
        Memory { allocated: 1, heap: 3, resident: 5 }
    }

    fn listeners(&self) -> Vec<(String, Vec<SocketAddr>)> {
        vec![("gateway".into(), vec!["0.0.0.0:8080".parse().unwrap(), "[::]:8080".parse().unwrap()])]
    }

    fn server_info(&self) -> ServerInfo {
        let node = json!({ "id": "n", "cluster": "c" });
        let options = json!({ "concurrency": 2 });
        ServerInfo { version: "forebay/0.1.0".into(), uptime: Duration::from_secs(61), options, node }
    }

    fn explain(&self, request: &Asked) -> Explanation {
        let lines = vec!["listener gateway".into(), format!("{request:?}")];
        Explanation { lines, json: json!({ "url": request.url }) }
    }

    fn drain_listeners(&self, how: DrainListeners) {
        self.note(format!("{how:?}"));
    }

    fn fail_healthcheck(&self, fail: bool) {
        *self.state.lock().unwrap() = if fail { State::Draining } else { State::Live };
    }

    fn reopen_logs(&self) {
        self.note("reopen");
    }

    fn quit(&self) {
        self.note("quit");
        self.quit.notify_one();
    }
}

/// A running admin server; ends with `/quitquitquit`.
struct Running {
    address: SocketAddr,
    provider: Arc<Cardboard>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    fn start(bounds: Bounds) -> Self {
        Self::logged(bounds, AccessLog::default())
    }

    fn logged(bounds: Bounds, log: AccessLog) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let provider = Arc::new(Cardboard {
            registry: Registry::new(),
            state: Mutex::new(State::Live),
            done: Mutex::default(),
            quit: Arc::default(),
        });
        let shared = provider.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let quit = shared.quit.clone();
            runtime
                .block_on(serve(socket, shared, bounds, log, async move { quit.notified().await }))
                .unwrap();
        });
        Self { address, provider, thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    /// One request on a connection of its own: status, headers, body.
    fn ask(&self, method: &str, target: &str) -> (u16, String, String) {
        let mut stream = self.connect();
        write!(stream, "{method} {target} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{all:?}"));
        (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }

    fn get(&self, target: &str) -> (u16, String) {
        let (status, _, body) = self.ask("GET", target);
        (status, body)
    }

    fn json(&self, target: &str) -> Value {
        let (status, head, body) = self.ask("GET", target);
        assert_eq!(status, 200, "{body}");
        assert!(head.contains("content-type: application/json"), "{head}");
        serde_json::from_str(&body).unwrap()
    }

    fn done(&self) -> Vec<String> {
        std::mem::take(&mut *self.provider.done.lock().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.provider.quit.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn ready_says_the_state() {
    let admin = Running::start(Bounds::default());
    assert_eq!(admin.get("/ready"), (200, "LIVE\n".into()));
    for (state, text) in [
        (State::PreInitializing, "PRE_INITIALIZING\n"),
        (State::Initializing, "INITIALIZING\n"),
        (State::Draining, "DRAINING\n"),
    ] {
        *admin.provider.state.lock().unwrap() = state;
        assert_eq!(admin.get("/ready"), (503, text.into()));
    }
}

#[test]
fn health_checks_fail_and_pass_by_request() {
    let admin = Running::start(Bounds::default());
    assert_eq!(admin.ask("POST", "/healthcheck/fail").0, 200);
    assert_eq!(admin.get("/ready").0, 503);
    assert_eq!(admin.ask("POST", "/healthcheck/ok").2, "OK\n");
    assert_eq!(admin.get("/ready").0, 200);
}

#[test]
fn what_changes_something_wants_post_and_nothing_happens_otherwise() {
    let admin = Running::start(Bounds::default());
    for path in [
        "/drain_listeners",
        "/quitquitquit",
        "/healthcheck/fail",
        "/healthcheck/ok",
        "/reopen_logs",
        "/logging",
        "/reset_counters",
        "/cpuprofiler",
    ] {
        let (status, body) = admin.get(path);
        assert_eq!((status, body.as_str()), (405, "Method GET not allowed, POST required."), "{path}");
    }
    assert!(admin.done().is_empty());
    assert_eq!(admin.get("/ready").0, 200);
}

#[test]
fn drain_takes_its_parameters() {
    let admin = Running::start(Bounds::default());
    for (target, how) in [
        ("/drain_listeners", DrainListeners::default()),
        ("/drain_listeners?graceful", DrainListeners { graceful: true, ..Default::default() }),
        ("/drain_listeners?graceful=false", DrainListeners::default()),
        ("/drain_listeners?skip_exit", DrainListeners { skip_exit: true, ..Default::default() }),
        (
            "/drain_listeners?graceful&skip_exit&inboundonly",
            DrainListeners { graceful: true, inbound_only: true, skip_exit: true },
        ),
    ] {
        assert_eq!(admin.ask("POST", target).2, "OK\n");
        assert_eq!(admin.done(), [format!("{how:?}")], "{target}");
    }
}

#[test]
fn quitting_still_answers() {
    let mut admin = Running::start(Bounds::default());
    assert_eq!(admin.ask("POST", "/quitquitquit").2, "OK\n");
    admin.thread.take().unwrap().join().unwrap();
    assert_eq!(admin.done(), ["quit"]);
    assert!(TcpStream::connect(admin.address).is_err());
}

#[test]
fn explain_hands_on_url_method_and_headers() {
    let admin = Running::start(Bounds::default());
    let (status, body) =
        admin.get("/explain?url=http://h.localhost:8080/x%3Fa=%25&method=POST&header=X-Tag:%20v2");
    assert_eq!(status, 200);
    let asked = Asked {
        url: "http://h.localhost:8080/x?a=%".into(),
        method: "POST".into(),
        headers: vec![("x-tag".into(), "v2".into())],
    };
    assert_eq!(body, format!("listener gateway\n{asked:?}\n"));
    assert_eq!(admin.json("/explain?format=json&url=http://h/")["url"], "http://h/");
    assert_eq!(admin.get("/explain").0, 400);
    assert_eq!(admin.get("/explain?url=http://h/&header=x").0, 400);
}

#[test]
fn connections_are_kept_and_pipelined_requests_answered() {
    let admin = Running::start(Bounds::default());
    let mut stream = admin.connect();
    stream.write_all(&b"GET /ready HTTP/1.1\r\nhost: a\r\n\r\n".repeat(3)).unwrap();
    let mut got = String::new();
    while got.matches("LIVE\n").count() < 3 {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).unwrap();
        assert_ne!(n, 0, "{got}");
        got.push_str(str::from_utf8(&piece[..n]).unwrap());
    }
    assert_eq!(got.matches("HTTP/1.1 200 OK").count(), 3);
}

#[test]
fn garbage_and_half_closed_clients_do_no_harm() {
    let admin = Running::start(Bounds::default());
    let mut garbage = admin.connect();
    garbage.write_all(b"\x16\x03\x01 what\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    garbage.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    let mut half = admin.connect();
    half.write_all(b"GET /ready HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("LIVE\n"), "{answer}");
    // A body that nobody asked for.
    let mut body = admin.connect();
    body.write_all(
        b"POST /healthcheck/ok HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
    )
    .unwrap();
    let mut answer = String::new();
    body.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn slow_clients_hold_up_nobody_and_are_cut() {
    let bounds = Bounds { connections: 8, header_read: Duration::from_millis(300), ..Bounds::default() };
    let admin = Running::start(bounds);
    let mut slow: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = admin.connect();
            stream.write_all(b"GET /ready HTTP/1.1\r\nhos").unwrap();
            stream
        })
        .collect();
    // Every place is taken: the next one waits until time ends the first.
    assert_eq!(admin.get("/ready").0, 200);
    for stream in &mut slow {
        assert!(stream.read_to_end(&mut Vec::new()).is_ok());
    }
    // One that idles is closed as well.
    let mut idle = admin.connect();
    assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_client_that_does_not_read_is_cut_after_the_lifetime() {
    let bounds = Bounds { connections: 1, lifetime: Duration::from_millis(200), ..Bounds::default() };
    let admin = Running::start(bounds);
    let registry = &admin.provider.registry;
    let kept: Vec<_> =
        (0..2000).map(|n| registry.source().cluster(&format!("default/c{n}").into())).collect();
    let mut deaf = admin.connect();
    // 16 answers of megabytes each do not fit any socket buffer.
    deaf.write_all(&b"GET /stats/prometheus HTTP/1.1\r\nhost: a\r\n\r\n".repeat(16)).unwrap();
    // Its place is free again before our patience (of `connect`) ends.
    assert_eq!(admin.get("/ready").0, 200);
    drop((deaf, kept));
}

mod shown;
