//! Tracing: who is told of a trace, what a collector gets, and that nobody waits for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::trace::v3::{
    OpenTelemetryConfig, tracing::Http, tracing::http::ConfigType,
};
use forebay_proto::envoy::r#type::tracing::v3::{CustomTag, custom_tag};
use forebay_proto::envoy::r#type::v3::Percent;
use forebay_proto::google::protobuf::{BoolValue, Duration};
use forebay_report::otlp;
use prost::Message;

use super::backend::Backend;
use super::background::Background;
use super::resources::{Manager, access_log, any};
use super::world::{Setup, to, until};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn http() -> OpenTelemetryConfig {
    let uri = core::HttpUri {
        uri: "http://collector.test/v1/traces".into(),
        timeout: Some(Duration { seconds: 5, nanos: 0 }),
        http_upstream_type: Some(core::http_uri::HttpUpstreamType::Cluster("collector".into())),
    };
    let service = core::HttpService { http_uri: Some(uri), ..Default::default() };
    OpenTelemetryConfig {
        http_service: Some(service),
        service_name: "kourier-knative".into(),
        ..Default::default()
    }
}

fn grpc() -> OpenTelemetryConfig {
    let target = core::grpc_service::EnvoyGrpc { cluster_name: "collector".into(), ..Default::default() };
    OpenTelemetryConfig {
        grpc_service: Some(core::GrpcService {
            timeout: Some(Duration { seconds: 0, nanos: 250_000_000 }),
            target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(target)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

type Tracing = forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::Tracing;

fn tracing(provider: &OpenTelemetryConfig) -> Tracing {
    let provider = Http {
        name: "envoy.tracers.opentelemetry".into(),
        config_type: Some(ConfigType::TypedConfig(any(provider))),
    };
    Tracing { provider: Some(provider), ..Default::default() }
}

fn traced(setup: Setup, tracing: Tracing) -> Setup {
    setup.manager(|manager: &mut Manager| manager.tracing = Some(tracing))
}

/// All spans a collector got, by `(name, attributes)`.
fn spans(bodies: impl IntoIterator<Item = Vec<u8>>) -> Vec<otlp::Span> {
    let requests = bodies.into_iter().map(|body| otlp::ExportRequest::decode(&*body).unwrap());
    let resources = requests.flat_map(|request| request.resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn tags(span: &otlp::Span) -> BTreeMap<&str, &str> {
    span.attributes.iter().map(|kv| (kv.key.as_str(), text(kv))).collect()
}

fn text(kv: &otlp::KeyValue) -> &str {
    kv.value.as_ref().unwrap().string_value.as_deref().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn collector() -> Backend {
    Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
}

fn collected(collector: &Backend) -> Vec<otlp::Span> {
    spans(collector.requests().into_iter().map(|request| request.body))
}

#[test]
fn a_span_is_envoys_and_the_trace_goes_on() {
    let (backend, collector) = (Backend::echoing_path(), collector());
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log");
    let world = traced(to(&[backend.address]), tracing(&http()))
        .another_cluster("collector", &[collector.address], false)
        .manager(|m| m.access_log = vec![access_log(&log, Some("%TRACE_ID% %SPAN_ID%\n"))])
        .start();
    let mut client = world.connect();
    client.send(format!(
        "GET /x?y=1 HTTP/1.1\r\nhost: a\r\nuser-agent: ua\r\ntraceparent: {CALLER}\r\ntracestate: a=b\r\nbaggage: k=v\r\n\r\n"
    ));
    client.response();
    for path in ["/1", "/2", "/3", "/4"] {
        client.get(path);
    }
    // The fifth fills the batch: nobody waits for five seconds.
    until("spans came", || collected(&collector).len() == 5);
    let request = collector.requests().remove(0);
    assert_eq!(request.line(), "POST /v1/traces HTTP/1.1");
    assert_eq!(request.header("host"), Some("collector.test"));
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));

    let all = collected(&collector);
    let span = all.iter().find(|span| hex(&span.trace_id) == TRACE).unwrap();
    assert_eq!((span.name.as_str(), span.kind, span.flags), ("ingress", 2, 769));
    assert_eq!((hex(&span.parent_span_id).as_str(), span.trace_state.as_str()), ("b7ad6b7169203331", "a=b"));
    assert!(span.status.is_none() && span.end_time_unix_nano >= span.start_time_unix_nano);
    let tags = tags(span);
    for (name, value) in [
        ("http.url", "http://a/x?y=1"),
        ("http.method", "GET"),
        ("downstream_cluster", "-"),
        ("user_agent", "ua"),
        ("http.protocol", "HTTP/1.1"),
        ("peer.address", "127.0.0.1"),
        ("request_size", "0"),
        ("component", "proxy"),
        ("upstream_cluster", "backend"),
        ("upstream_cluster.name", "backend"),
        ("http.status_code", "200"),
        ("response_flags", "-"),
        ("zone", ""),
    ] {
        assert_eq!(tags.get(name), Some(&value), "{name}: {tags:?}");
    }
    let sent = backend.requests().remove(0);
    assert_eq!(tags["guid:x-request-id"], sent.header("x-request-id").unwrap());
    assert_eq!(&tags["guid:x-request-id"][14..15], "9", "why it is traced stands in the id");
    assert_eq!(sent.header("traceparent").unwrap(), format!("00-{TRACE}-{}-01", hex(&span.span_id)));
    assert_eq!((sent.header("tracestate"), sent.header("baggage")), (Some("a=b"), Some("k=v")));
    // The next one began a trace of its own.
    let other = backend.requests().remove(1);
    let own = all.iter().find(|span| tags_have(span, "http.url", "http://a/1")).unwrap();
    assert!(other.header("traceparent").unwrap().contains(&hex(&own.trace_id)));
    assert_eq!((own.parent_span_id.len(), own.flags), (0, 257));
    until("lines", || std::fs::read_to_string(&log).unwrap_or_default().lines().count() == 5);
    let line = std::fs::read_to_string(&log).unwrap().lines().next().unwrap().to_owned();
    assert_eq!(line, format!("{TRACE} {}", hex(&span.span_id)));
    assert_eq!(world.stat("http.ingress_http.tracing.random_sampling"), 5);
    until("counted", || world.stat("tracing.opentelemetry.spans_sent") == 5);
}

fn tags_have(span: &otlp::Span, name: &str, value: &str) -> bool {
    tags(span).get(name) == Some(&value)
}

#[test]
fn who_is_not_sampled_says_so_upstream_and_to_no_collector() {
    let (backend, collector) = (Backend::echoing_path(), collector());
    let none = Tracing { overall_sampling: Some(Percent { value: 0.0 }), ..tracing(&http()) };
    let world = traced(to(&[backend.address]), none)
        .another_cluster("collector", &[collector.address], false)
        .start();
    let mut client = world.connect();
    client.get("/fresh");
    client.send(format!("GET /asks HTTP/1.1\r\nhost: a\r\ntraceparent: {CALLER}\r\n\r\n"));
    client.response();
    client.send("GET /bad HTTP/1.1\r\nhost: a\r\ntraceparent: bad\r\n\r\n");
    client.response();
    let told: Vec<String> =
        backend.requests().iter().map(|request| request.header("traceparent").unwrap().to_owned()).collect();
    assert!(told[0].ends_with("-00") && told[0].len() == 55, "{told:?}");
    assert!(told[1].starts_with(&format!("00-{TRACE}-")) && told[1].ends_with("-00"), "{told:?}");
    assert_eq!(told[2], "bad", "what cannot be read is left alone");
    assert_eq!(world.stat("http.ingress_http.tracing.not_traceable"), 3);
    assert!(collector.requests().is_empty());
}

#[test]
fn failures_tags_and_the_call_upstream_as_a_span() {
    let backend = Backend::answering("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    let collector = collector();
    let tag = |name: &str, kind| CustomTag { tag: name.into(), r#type: Some(kind) };
    let tracing = Tracing {
        custom_tags: vec![
            tag("lit", custom_tag::Type::Literal(custom_tag::Literal { value: "v".into() })),
            tag(
                "hdr",
                custom_tag::Type::RequestHeader(custom_tag::Header {
                    name: "X-H".into(),
                    default_value: "d".into(),
                }),
            ),
            tag(
                "gone",
                custom_tag::Type::RequestHeader(custom_tag::Header {
                    name: "x-none".into(),
                    ..Default::default()
                }),
            ),
        ],
        spawn_upstream_span: Some(BoolValue { value: true }),
        verbose: true,
        ..tracing(&http())
    };
    let world = traced(to(&[backend.address]), tracing)
        .another_cluster("collector", &[collector.address], false)
        .start();
    let mut client = world.connect();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\nx-h: hh\r\n\r\n");
        assert_eq!(client.response().status, 503);
    }
    until("spans came", || collected(&collector).len() >= 5);
    let all = collected(&collector);
    let server = all.iter().find(|span| span.kind == otlp::SERVER).unwrap();
    let client_span = all.iter().find(|span| span.parent_span_id == server.span_id).unwrap();
    assert_eq!((client_span.name.as_str(), client_span.kind), ("router backend egress", otlp::CLIENT));
    assert_eq!(tags(client_span)["upstream_address"], backend.address.to_string());
    for span in [server, client_span] {
        let tags = tags(span);
        assert_eq!((tags["error"], tags["http.status_code"]), ("true", "503"));
        assert_eq!((tags["lit"], tags["hdr"], tags.get("gone")), ("v", "hh", None));
        assert_eq!(span.status.as_ref().unwrap().code, otlp::ERROR);
        assert!(!span.events.is_empty());
    }
    let told = backend.requests().remove(0).header("traceparent").unwrap().to_owned();
    assert!(told.contains(&hex(&client_span.span_id)), "upstream's parent is the call: {told}");
}

#[test]
fn an_absent_collector_costs_spans_and_nothing_else() {
    let backend = Backend::echoing_path();
    let nobody: SocketAddr = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let world = traced(to(&[backend.address]), tracing(&http()))
        .another_cluster("collector", &[nobody], false)
        .start();
    let mut client = world.connect();
    for n in 0..20 {
        assert_eq!(client.get(&format!("/{n}")).text(), format!("/{n}"));
    }
    until("they are counted", || world.stat("tracing.opentelemetry.spans_dropped") >= 15);
    assert_eq!(world.stat("tracing.opentelemetry.spans_sent"), 0);
}

#[test]
fn a_collector_may_speak_grpc() {
    let backend = Backend::echoing_path();
    let runtime = Background::start();
    let (got, mut inbox) = tokio::sync::mpsc::unbounded_channel();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let serving = runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let got = got.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let got = got.clone();
                    tokio::spawn(async move {
                        let (head, mut body) = request.into_parts();
                        let mut all = Vec::new();
                        while let Some(Ok(piece)) = body.data().await {
                            body.flow_control().release_capacity(piece.len()).unwrap();
                            all.extend_from_slice(&piece);
                        }
                        let answer = http::Response::builder().header("content-type", "application/grpc");
                        let mut send = respond.send_response(answer.body(()).unwrap(), false).unwrap();
                        let mut trailers = http::HeaderMap::new();
                        trailers.insert("grpc-status", "0".parse().unwrap());
                        send.send_trailers(trailers).unwrap();
                        got.send((head, all)).unwrap();
                    });
                }
            });
        }
    });
    let world = traced(to(&[backend.address]), tracing(&grpc()))
        .another_cluster("collector", &[address], true)
        .start();
    let mut client = world.connect();
    for _ in 0..5 {
        client.get("/");
    }
    let (head, body) = runtime.block_on(async { inbox.recv().await.unwrap() });
    assert_eq!(head.uri.path(), otlp::EXPORT_PATH);
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(head.headers["grpc-timeout"], "250m");
    let (prefix, message) = body.split_at(5);
    assert_eq!(prefix[0], 0);
    assert_eq!(u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize, message.len());
    let request = otlp::ExportRequest::decode(message).unwrap();
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    let name = resource.attributes.iter().find(|kv| kv.key == "service.name").unwrap();
    assert_eq!(name.value.as_ref().unwrap().string_value.as_deref(), Some("unknown_service:envoy"));
    until("it is counted", || world.stat("tracing.opentelemetry.spans_sent") >= 5);
    serving.abort();
}
