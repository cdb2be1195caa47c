//! How a gateway ends: told to drain, by signals, and what its clients see of it.

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use forebay_proto::envoy::config::cluster::v3::Cluster;

use crate::plane::Plane;
use crate::resources::{self, forward, host, routes};
use crate::streams::{answering, listener, settle};
use crate::support::{h1::Connection, soon, until};
use crate::world::{Gateway, ask, bootstrap};

#[tokio::test]
async fn a_graceful_drain_serves_everybody_tells_them_to_go_and_then_closes() {
    let mut plane = Plane::start().await;
    let words = ["--drain-time-s", "3", "--drain-strategy", "immediate"];
    let mut gateway = Gateway::start(&bootstrap(plane.address), &words).await;
    let mut stream = plane.stream().await;
    settle(&mut stream, vec![answering("a")]).await;
    let at = gateway.listener("gateway").await;
    let mut idle = Connection::open(at).await.unwrap();
    let before = idle.get("a.test", "/").await.unwrap();
    assert!(!before.closes());

    assert_eq!(gateway.admin("POST", "/drain_listeners?graceful").await.text(), "OK\n");
    let told = async || ask(at, "GET", "a.test", "/").await.header("connection") == Some("close");
    until("the worker knows of the drain", told).await;
    // The one that idled is answered and told to go; so is a new one; configuration goes on.
    let last = idle.get("a.test", "/").await.unwrap();
    assert_eq!((last.text(), last.header("connection")), ("a", Some("close")));
    assert!(idle.is_closed().await);
    let nonce = stream.send("2", &[routes(vec![answering("a"), answering("b")])]);
    assert_eq!(stream.answer(&nonce).await.1, None);
    assert_eq!(ask(at, "GET", "b.test", "/").await.header("connection"), Some("close"));
    assert_eq!(gateway.admin("GET", "/ready").await.text(), "LIVE\n", "a drain is no failure");

    until("the listener closes", async || tokio::net::TcpStream::connect(at).await.is_err()).await;
    assert!(gateway.is_alive(), "the process stays until it is told to end");
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn failing_health_checks_is_said_and_taken_back() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    settle(&mut stream, vec![answering("a")]).await;
    gateway.listener("gateway").await;
    assert_eq!(gateway.admin("POST", "/healthcheck/fail").await.status, 200);
    let ready = gateway.admin("GET", "/ready").await;
    assert_eq!((ready.status, ready.text()), (503, "DRAINING\n"));
    gateway.admin("POST", "/healthcheck/ok").await;
    assert_eq!(gateway.admin("GET", "/ready").await.text(), "LIVE\n");
}

#[tokio::test]
async fn either_signal_ends_it_at_once_and_a_request_in_flight_sees_a_clean_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let backend = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut plane = Plane::start().await;
        let mut gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
        let mut stream = plane.stream().await;
        stream.request().await;
        let mut cluster = Cluster { name: "slow".to_owned(), ..Cluster::default() };
        cluster.load_assignment = Some(resources::endpoints("slow", &[backend.local_addr().unwrap()]));
        let nonce = stream.send("1", &[cluster]);
        stream.answer(&nonce).await;
        stream.asked(forebay_proto::type_url::LISTENER).await;
        let nonce = stream.send("1", &[listener()]);
        stream.answer(&nonce).await;
        stream.asked(forebay_proto::type_url::ROUTE).await;
        let nonce =
            stream.send("1", &[routes(vec![host("s", "*", vec![resources::route("/", forward("slow"))])])]);
        stream.answer(&nonce).await;
        let at = gateway.listener("gateway").await;

        let mut client = tokio::net::TcpStream::connect(at).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: s\r\n\r\n").await.unwrap();
        let (mut asked, _) = soon("the request", backend.accept()).await.unwrap();
        asked.read_u8().await.unwrap();
        gateway.signal(signal);
        assert!(gateway.ended().await.success());
        let mut rest = Vec::new();
        let end = soon("its end", client.read_to_end(&mut rest)).await;
        assert_eq!((end.unwrap(), rest.as_slice()), (0, &b""[..]), "neither a reset nor half an answer");
    }
}

/// A listener of the bootstrap's own that answers, and writes `line` for each request to a file.
fn logging(file: &std::path::Path, line: &str) -> String {
    const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";
    format!(
        r#"
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
static_resources:
  listeners:
  - name: own
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": {EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: own
          access_log:
          - name: file
            typed_config:
              "@type": {EXTENSIONS}.access_loggers.file.v3.FileAccessLog
              path: {}
              log_format: {{text_format_source: {{inline_string: "{line}\n"}}}}
          http_filters:
          - {{name: router, typed_config: {{"@type": {EXTENSIONS}.filters.http.router.v3.Router}}}}
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, direct_response: {{status: 200}}}}]}}
"#,
        file.display()
    )
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_what_is_stuck() {
    let home = tempfile::tempdir().unwrap();
    let pipe = home.path().join("log");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Somebody who opens the pipe and never reads: more than it holds is never written.
    let _silent = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let mut gateway = Gateway::start(&logging(&pipe, &"x".repeat(200_000)), &[]).await;
    let at = gateway.listener("own").await;
    assert_eq!(ask(at, "GET", "a", "/").await.status, 200);
    gateway.signal(Signal::TERM);
    gateway.signal(Signal::INT);
    let code = gateway.ended().await.code();
    assert!([Some(128 + 15), Some(128 + 2)].contains(&code), "{code:?}");
}

#[tokio::test]
async fn a_removed_listener_closes_and_its_requests_end_well() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    settle(&mut stream, vec![answering("a")]).await;
    let at = gateway.listener("gateway").await;
    let nonce = stream.send::<forebay_proto::envoy::config::listener::v3::Listener>("2", &[]);
    assert_eq!(stream.answer(&nonce).await, ("2".to_owned(), None));
    until("the listener closes", async || tokio::net::TcpStream::connect(at).await.is_err()).await;
}
