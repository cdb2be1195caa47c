//! Another try because the route asks for it: when, how often, with what body, and what is said of it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use forebay_proto::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use forebay_proto::envoy::config::cluster::v3::{CircuitBreakers, Cluster};
use forebay_proto::envoy::config::route::v3::RetryPolicy;
use forebay_proto::google::protobuf::{Duration, UInt32Value};

use super::backend::Backend;
use super::resources::{self, access_log, forward_with};
use super::world::{Setup, to, until};

fn policy(on: &str, tries: u32) -> RetryPolicy {
    RetryPolicy {
        retry_on: on.to_owned(),
        num_retries: Some(UInt32Value { value: tries }),
        ..Default::default()
    }
}

fn millis(n: i32) -> Option<Duration> {
    Some(Duration { seconds: 0, nanos: n * 1_000_000 })
}

/// A gateway whose only route tries by this policy.
fn trying(backend: &Backend, policy: RetryPolicy) -> Setup {
    let action = forward_with("backend", |action| action.retry_policy = Some(policy));
    to(&[backend.address]).host("*", vec![resources::route("/", action)])
}

/// Says no so often, then yes.
fn no_then_yes(no: usize, how: &'static str) -> Backend {
    let said = AtomicUsize::new(0);
    Backend::start(move |mut conn| {
        while let Some(request) = conn.request() {
            if said.fetch_add(1, Ordering::SeqCst) < no {
                conn.send(how);
                if how.is_empty() {
                    return;
                }
            } else {
                conn.answer(request.path());
            }
        }
    })
}

const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

fn logged(setup: Setup, path: &Path) -> Setup {
    let format =
        "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_REQUEST_ATTEMPT_COUNT%\n";
    let path = path.to_owned();
    setup.manager(move |m| m.access_log = vec![access_log(&path, Some(format))])
}

fn line(path: &Path) -> String {
    until("a line", || std::fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n')));
    std::fs::read_to_string(path).unwrap().trim_end().to_owned()
}

#[test]
fn an_answer_that_the_policy_names_is_not_the_last_word() {
    let backend = no_then_yes(2, UNAVAILABLE);
    let world = trying(&backend, policy("5xx", 3)).start();
    assert_eq!(world.connect().get("/x").text(), "/x");
    assert_eq!(backend.requests().len(), 3);
    assert_eq!(world.stat("cluster.backend.upstream_rq_retry"), 2);
    assert_eq!(world.stat("cluster.backend.upstream_rq_retry_success"), 1);
    assert_eq!(world.stat("cluster.backend.upstream_rq_retry_backoff_exponential"), 2);
    assert_eq!(world.stat("cluster.backend.upstream_rq_active"), 0);
}

#[test]
fn the_last_try_is_the_answer_and_is_marked() {
    let backend = Backend::answering(UNAVAILABLE);
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let world = logged(trying(&backend, policy("5xx", 2)), &path).start();
    assert_eq!(world.connect().get("/").status, 503);
    assert_eq!(line(&path), "503 URX via_upstream 3");
    assert_eq!(backend.requests().len(), 3);
    assert_eq!(world.stat("cluster.backend.upstream_rq_retry_limit_exceeded"), 1);
}

#[test]
fn a_connection_that_breaks_each_time_is_said_to_have_been_tried() {
    let backend = Backend::start(|mut conn| drop(conn.request()));
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let world = logged(trying(&backend, policy("reset", 1)), &path).start();
    let response = world.connect().get("/");
    let words = "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: \
                 connection termination";
    assert_eq!((response.status, response.text()), (503, words));
    let details = "upstream_reset_before_response_started{connection_termination}";
    assert_eq!(line(&path), format!("503 UC,URX {details} 2").replace("UC,URX", &flags(&line(&path))));
    assert_eq!(backend.requests().len(), 2);
}

/// Both flags, in whichever order they are printed.
fn flags(line: &str) -> String {
    let flags = line.split(' ').nth(1).unwrap();
    let mut both: Vec<_> = flags.split(',').collect();
    both.sort_unstable();
    assert_eq!(both, ["UC", "URX"]);
    flags.to_owned()
}

#[test]
fn each_condition_names_its_answers() {
    const NO: bool = false;
    const YES: bool = true;
    let cases = [
        ("5xx", "500 X\r\n", YES),
        ("5xx", "404 X\r\n", NO),
        ("gateway-error", "503 X\r\n", YES),
        ("gateway-error", "500 X\r\n", NO),
        ("retriable-4xx", "409 X\r\n", YES),
        ("retriable-4xx", "404 X\r\n", NO),
        ("retriable-status-codes", "418 X\r\n", YES),
        ("retriable-status-codes", "419 X\r\n", NO),
        ("retriable-headers", "200 X\r\nx-again: 1\r\n", YES),
        ("retriable-headers", "200 X\r\n", NO),
        ("unavailable", "200 X\r\ngrpc-status: 14\r\n", YES),
        ("cancelled", "200 X\r\ngrpc-status: 14\r\n", NO),
        ("5xx", "503 X\r\nx-envoy-ratelimited: true\r\n", NO),
        ("envoy-ratelimited", "429 X\r\nx-envoy-ratelimited: true\r\n", YES),
        ("connect-failure,refused-stream,reset", "503 X\r\n", NO),
    ];
    for (on, answer, again) in cases {
        let how = format!("HTTP/1.1 {answer}content-length: 0\r\n\r\n");
        let backend = no_then_yes(1, how.leak());
        let mut policy = policy(on, 1);
        policy.retriable_status_codes = vec![418];
        policy.retriable_headers = vec![resources::header_is_there("x-again")];
        let world = trying(&backend, policy).start();
        let response = world.connect().get("/");
        assert_eq!(backend.requests().len(), if again { 2 } else { 1 }, "{on}: {answer:?} {response:?}");
    }
}

#[test]
fn a_body_is_kept_and_sent_again() {
    let backend = no_then_yes(1, UNAVAILABLE);
    let world = trying(&backend, policy("5xx", 1)).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    client.send("6\r\n world\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let bodies: Vec<_> = backend.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [b"hello world", b"hello world"]);
}

#[test]
fn a_body_of_which_half_had_gone_is_sent_from_its_beginning() {
    let said = AtomicUsize::new(0);
    let backend = Backend::start(move |mut conn| {
        if said.fetch_add(1, Ordering::SeqCst) == 0 {
            conn.request_head();
            conn.exactly(5);
            conn.send(UNAVAILABLE);
            conn.exactly(1 << 20);
        } else if conn.request().is_some() {
            conn.answer("whole");
        }
    });
    let world = trying(&backend, policy("5xx", 1)).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nfirst");
    until("the first try is over", || world.stat("cluster.backend.upstream_rq_retry") == 1);
    client.send("-then");
    assert_eq!(client.response().text(), "whole");
    assert_eq!(backend.request().body, b"first-then");
}

#[test]
fn a_body_larger_than_may_be_kept_is_sent_once() {
    let backend = Backend::answering(UNAVAILABLE);
    let action = forward_with("backend", |action| action.retry_policy = Some(policy("5xx", 3)));
    let mut route = resources::route("/", action);
    resources::limit_body(&mut route, 8);
    let world = to(&[backend.address]).host("*", vec![route]).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n");
    client.send(vec![b'x'; 100_000]);
    assert_eq!(client.response().status, 503);
    assert_eq!(backend.request().body.len(), 100_000);
    assert_eq!(world.stat("cluster.backend.retry_or_shadow_abandoned"), 1);
}

#[test]
fn a_try_that_takes_too_long_is_followed_by_another() {
    let said = AtomicUsize::new(0);
    let backend = Backend::start(move |mut conn| {
        while let Some(request) = conn.request() {
            if said.fetch_add(1, Ordering::SeqCst) > 0 {
                conn.answer(request.path());
            }
        }
    });
    let retry = RetryPolicy { per_try_timeout: millis(100), ..policy("5xx", 1) };
    let world = trying(&backend, retry).start();
    assert_eq!(world.connect().get("/again").text(), "/again");
    assert_eq!(world.stat("cluster.backend.upstream_rq_per_try_timeout"), 1);
}

#[test]
fn tries_are_counted_for_both_sides_where_the_host_says_so() {
    let backend = no_then_yes(1, UNAVAILABLE);
    let action = forward_with("backend", |action| action.retry_policy = Some(policy("5xx", 1)));
    let routes = vec![resources::route("/", action)];
    let world = to(&[backend.address])
        .host_with("*", routes, |host| {
            host.include_request_attempt_count = true;
            host.include_attempt_count_in_response = true;
        })
        .start();
    assert_eq!(world.connect().get("/").header("x-envoy-attempt-count"), Some("2"));
    let seen: Vec<_> = backend
        .requests()
        .iter()
        .map(|request| request.header("x-envoy-attempt-count").map(str::to_owned))
        .collect();
    assert_eq!(seen, [Some("1".to_owned()), Some("2".to_owned())]);
}

#[test]
fn an_outsider_cannot_ask_for_tries() {
    let backend = Backend::answering(UNAVAILABLE);
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    let asking = "x-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 9\r\nx-envoy-upstream-rq-timeout-ms: 1\r\n";
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{asking}\r\n"));
    assert_eq!(client.response().status, 503);
    let request = backend.request();
    assert!(
        ["retry-on", "max-retries", "upstream-rq-timeout"].iter().all(|name| !request.head.contains(name)),
        "{}",
        request.head
    );
}

#[test]
fn a_route_may_ask_by_headers_that_it_adds() {
    let backend = no_then_yes(2, UNAVAILABLE);
    let mut route = resources::route("/", resources::forward("backend"));
    route.request_headers_to_add = vec![
        resources::set_header("x-envoy-retry-on", "5xx"),
        resources::set_header("x-envoy-max-retries", "2"),
    ];
    let world = to(&[backend.address]).host("*", vec![route]).start();
    assert_eq!(world.connect().get("/").status, 200);
    assert!(backend.requests().iter().all(|request| !request.head.contains("retr")));
}

#[test]
fn the_breaker_for_retries_keeps_them_out() {
    let backend = Backend::answering(UNAVAILABLE);
    let limits = |cluster: &mut Cluster| {
        let none = Thresholds { max_retries: Some(UInt32Value { value: 0 }), ..Default::default() };
        cluster.circuit_breakers = Some(CircuitBreakers { thresholds: vec![none], ..Default::default() });
    };
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let world = logged(trying(&backend, policy("5xx", 2)), &path).cluster(limits).start();
    assert_eq!(world.connect().get("/").status, 503);
    assert_eq!(line(&path), "503 UO via_upstream 1");
    assert_eq!(world.stat("cluster.backend.upstream_rq_retry_overflow"), 1);
}
