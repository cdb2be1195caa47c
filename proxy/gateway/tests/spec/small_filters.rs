//! The smaller filters: cors, buffer, fault, local_ratelimit and header_mutation, as Envoy 1.40 answers the same requests.

use forebay_proto::envoy::config::common::mutation_rules::v3 as rules;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::route::v3 as r;
use forebay_proto::envoy::extensions::filters::common::fault::v3 as common;
use forebay_proto::envoy::extensions::filters::http::{
    buffer::v3 as buffer, cors::v3 as cors, fault::v3 as fault, header_mutation::v3 as mutation,
    local_ratelimit::v3 as limit,
};
use forebay_proto::envoy::r#type::matcher::v3 as matcher;
use forebay_proto::envoy::r#type::v3::{FractionalPercent, TokenBucket};
use forebay_proto::google::protobuf::{BoolValue, Duration, UInt32Value};

use super::backend::Backend;
use super::resources::{any, forward, route, set_header};
use super::world::{Setup, to};

fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

fn always() -> Option<FractionalPercent> {
    Some(FractionalPercent { numerator: 100, denominator: 0 })
}

/// A gateway whose only route tells the filter `f` this.
fn told<M: prost::Message + prost::Name>(setup: Setup, message: &M) -> Setup {
    let mut all = route("/", forward("backend"));
    all.typed_per_filter_config.insert("f".to_owned(), any(message));
    setup.host("*", vec![all])
}

#[test]
fn origins_that_may_are_told_so_and_preflights_are_answered_here() {
    let backend = Backend::echoing_path();
    let policy = cors::CorsPolicy {
        allow_origin_string_match: vec![matcher::StringMatcher {
            match_pattern: Some(matcher::string_matcher::MatchPattern::Suffix(".ok.test".to_owned())),
            ..Default::default()
        }],
        allow_methods: "GET,PUT".to_owned(),
        max_age: "60".to_owned(),
        expose_headers: "x-e".to_owned(),
        allow_credentials: Some(BoolValue { value: true }),
        ..Default::default()
    };
    let world = told(to(&[backend.address]).filter("f", &cors::Cors {}), &policy).start();
    let mut client = world.connect();
    let mut ask = |method: &str, origin: &str, more: &str| {
        client.send(format!("{method} /x HTTP/1.1\r\nhost: a\r\norigin: {origin}\r\n{more}\r\n"));
        client.response()
    };
    let wants = "access-control-request-method: PUT\r\n";
    let preflight = ask("OPTIONS", "http://a.ok.test", wants);
    assert_eq!((preflight.status, preflight.body.len()), (200, 0));
    assert_eq!(preflight.header("access-control-allow-origin"), Some("http://a.ok.test"));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET,PUT"));
    assert_eq!(preflight.header("access-control-max-age"), Some("60"));
    assert_eq!(preflight.header("access-control-allow-headers"), None);
    assert!(backend.requests().is_empty());
    let response = ask("GET", "http://a.ok.test", "");
    assert_eq!(response.header("access-control-allow-origin"), Some("http://a.ok.test"));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(response.header("access-control-expose-headers"), Some("x-e"));
    let refused = ask("OPTIONS", "http://bad.test", wants);
    assert_eq!(
        (refused.body, refused.headers.iter().any(|(n, _)| n.starts_with("access-"))),
        (b"/x".to_vec(), false)
    );
    assert_eq!(backend.requests().len(), 2);
}

#[test]
fn a_buffered_request_goes_on_whole_with_its_length_or_not_at_all() {
    let backend = Backend::echoing_path();
    let settings = buffer::Buffer { max_request_bytes: number(5) };
    let world = to(&[backend.address]).filter("f", &settings).start();
    let mut client = world.connect();
    client.send("POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n");
    assert!(client.is_silent());
    assert!(backend.requests().is_empty(), "nothing goes on before the end");
    client.send("3\r\ncde\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let request = backend.request();
    assert_eq!((request.header("content-length"), &*request.body), (Some("5"), &b"abcde"[..]));
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabcdef");
    let response = client.response();
    assert_eq!((response.status, &*response.body), (413, &b"Payload Too Large"[..]));
    let off = buffer::BufferPerRoute { r#override: Some(buffer::buffer_per_route::Override::Disabled(true)) };
    let world = told(to(&[backend.address]).filter("f", &settings), &off).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabcdef");
    assert_eq!(client.response().status, 200);
}

#[test]
fn faults_hit_the_requests_they_are_meant_for() {
    let backend = Backend::echoing_path();
    let delay = common::FaultDelay {
        percentage: always(),
        fault_delay_secifier: Some(common::fault_delay::FaultDelaySecifier::FixedDelay(Duration {
            seconds: 0,
            nanos: 5_000_000,
        })),
    };
    let abort = |error_type| fault::FaultAbort {
        percentage: always(),
        error_type: Some(error_type),
        ..Default::default()
    };
    let present = r::HeaderMatcher {
        name: "x-f".to_owned(),
        header_match_specifier: Some(r::header_matcher::HeaderMatchSpecifier::PresentMatch(true)),
        ..Default::default()
    };
    let settings = fault::HttpFault {
        delay: Some(delay),
        abort: Some(abort(fault::fault_abort::ErrorType::HttpStatus(418))),
        headers: vec![present],
        ..Default::default()
    };
    let world = to(&[backend.address]).filter("f", &settings).start();
    let mut client = world.connect();
    assert_eq!(client.get("/").status, 200);
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-f: 1\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, &*response.body), (418, &b"fault filter abort"[..]));
    let grpc = fault::HttpFault {
        abort: Some(abort(fault::fault_abort::ErrorType::GrpcStatus(5))),
        ..Default::default()
    };
    let world = to(&[backend.address]).filter("f", &grpc).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.header("grpc-status")), (200, Some("5")));
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn a_bucket_is_shared_by_all_workers() {
    let backend = Backend::echoing_path();
    let share =
        || Some(core::RuntimeFractionalPercent { default_value: always(), runtime_key: "k".to_owned() });
    let settings = limit::LocalRateLimit {
        stat_prefix: "l".to_owned(),
        token_bucket: Some(TokenBucket {
            max_tokens: 3,
            tokens_per_fill: number(1),
            fill_interval: Some(Duration { seconds: 3600, nanos: 0 }),
        }),
        filter_enabled: share(),
        filter_enforced: share(),
        response_headers_to_add: vec![set_header("x-limited", "1")],
        ..Default::default()
    };
    let world = to(&[backend.address]).workers(2).filter("f", &settings).start();
    let statuses: Vec<_> = (0..8).map(|_| world.connect().get("/").status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429, 429, 429]);
    let response = world.connect().get("/");
    assert_eq!((response.header("x-limited"), &*response.body), (Some("1"), &b"local_rate_limited"[..]));
    assert_eq!(backend.requests().len(), 3);
}

#[test]
fn mutations_follow_each_other_and_routes_add_theirs() {
    use rules::header_mutation::Action::{Append, Remove, RemoveOnMatch};
    let change = |action| rules::HeaderMutation { action: Some(action) };
    let backend = Backend::answering("HTTP/1.1 200 OK\r\nr-gone: 1\r\ncontent-length: 0\r\n\r\n");
    let prefix = matcher::StringMatcher {
        match_pattern: Some(matcher::string_matcher::MatchPattern::Prefix("x-drop-".to_owned())),
        ..Default::default()
    };
    let settings = mutation::HeaderMutation {
        mutations: Some(mutation::Mutations {
            request_mutations: vec![
                change(Append(set_header("x-1", "a"))),
                change(Append(set_header("x-2", "%REQ(x-1)%"))),
                change(Remove("x-del".to_owned())),
                change(RemoveOnMatch(rules::header_mutation::RemoveOnMatch { key_matcher: Some(prefix) })),
            ],
            response_mutations: vec![
                change(Append(set_header("r-1", "%RESPONSE_CODE%"))),
                change(Remove("r-gone".to_owned())),
            ],
            ..Default::default()
        }),
        ..Default::default()
    };
    let more = mutation::HeaderMutationPerRoute {
        mutations: Some(mutation::Mutations {
            request_mutations: vec![change(Append(set_header("x-1", "route")))],
            ..Default::default()
        }),
    };
    let world = told(to(&[backend.address]).filter("f", &settings), &more).start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-del: 1\r\nx-drop-a: 1\r\nx-drop-b: 1\r\n\r\n");
    let response = client.response();
    assert_eq!((response.header("r-1"), response.header("r-gone")), (Some("200"), None));
    let request = backend.request();
    assert_eq!((request.header("x-1"), request.header("x-2")), (Some("route"), Some("a")));
    for gone in ["x-del", "x-drop-a", "x-drop-b"] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
}
