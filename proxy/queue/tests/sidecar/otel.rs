//! OpenTelemetry: what a collector is sent, over HTTP and gRPC, and what the app is told of the trace.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use forebay_report::otlp as pb;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use crate::support::{Act, App, OK, ask, run, start, talk, until};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Messages by what they were sent to.
type Sent = Rc<RefCell<Vec<(String, Vec<u8>)>>>;

/// Takes everything by HTTP/1.1, or by gRPC.
async fn collector(grpc: bool) -> (String, Sent) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Sent::default();
    let to = sent.clone();
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let to = to.clone();
            if grpc {
                spawn_local(async move { take_grpc(stream, to).await });
            } else {
                spawn_local(async move { take_http(stream, to).await });
            }
        }
    });
    (format!("http://{address}"), sent)
}

async fn take_http(mut stream: tokio::net::TcpStream, to: Sent) {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    let (head, length) = loop {
        let n = stream.read(&mut buffer).await.unwrap_or_default();
        seen.extend_from_slice(&buffer[..n]);
        if let Some(at) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..at]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            seen.drain(..at + 4);
            break (head, length.unwrap_or(0usize));
        }
        assert!(n > 0, "a collector hears a whole head");
    };
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    while seen.len() < length {
        let n = stream.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..n]);
    }
    let path = head.split(' ').nth(1).unwrap().to_owned();
    to.borrow_mut().push((path, seen));
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
}

async fn take_grpc(stream: tokio::net::TcpStream, to: Sent) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let to = to.clone();
        spawn_local(async move {
            let path = request.uri().path().to_owned();
            let mut body = request.into_body();
            let mut message = Vec::new();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                message.extend_from_slice(&data);
            }
            assert_eq!(message.first(), Some(&0), "it is not compressed");
            let head = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let mut out = respond.send_response(head, false).unwrap();
            out.send_data(Bytes::from_static(b"\0\0\0\0\0"), false).unwrap();
            let status = http::HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                http::HeaderValue::from_static("0"),
            )]);
            out.send_trailers(status).unwrap();
            to.borrow_mut().push((path, message.split_off(5)));
        });
    }
}

fn observability(what: &str, protocol: &str, endpoint: &str, more: &str) -> String {
    format!(r#"{{"{what}":{{"protocol":"{protocol}","endpoint":"{endpoint}"{more}}}}}"#)
}

fn texts(all: &[pb::KeyValue]) -> BTreeMap<String, String> {
    let shown = |value: &pb::AnyValue| match (&value.string_value, value.int_value) {
        (Some(text), _) => text.clone(),
        (None, number) => format!("{}", number.unwrap_or_default()),
    };
    all.iter().map(|own| (own.key.clone(), own.value.as_ref().map(shown).unwrap_or_default())).collect()
}

/// All spans so far with the scopes that made them, by name.
fn spans(sent: &Sent) -> BTreeMap<String, (String, pb::Span)> {
    let mut all = BTreeMap::new();
    for (_, message) in sent.borrow().iter() {
        for of in pb::ExportRequest::decode(&**message).unwrap().resource_spans {
            assert_eq!(texts(&of.resource.unwrap().attributes)["service.name"], "hello");
            for scope in of.scope_spans {
                let name = scope.scope.unwrap().name;
                all.extend(scope.spans.into_iter().map(|span| (span.name.clone(), (name.clone(), span))));
            }
        }
    }
    all
}

#[test]
fn a_requests_spans_hang_together_and_the_app_is_told() {
    run(async {
        for grpc in [false, true] {
            let (endpoint, sent) = collector(grpc).await;
            let app = App::start(|_| Act::Say(OK)).await;
            let protocol = if grpc { "grpc" } else { "http/protobuf" };
            let config = observability("tracing", protocol, &endpoint, r#","samplingRate":1"#);
            let changes = [
                ("OBSERVABILITY_CONFIG", &*config),
                ("CONTAINER_CONCURRENCY", "1"),
                ("OTEL_BSP_SCHEDULE_DELAY", "20"),
            ];
            let proxy = start(app.address, &changes);
            let said = format!(
                "GET /a?b HTTP/1.1\r\nhost: h.example.com:8080\r\nuser-agent: test\r\nx-forwarded-for: 192.0.2.1, 192.0.2.2\r\n\
                 traceparent: {CALLER}\r\ntracestate: a=b\r\nconnection: close\r\n\r\n"
            );
            assert!(talk(proxy.addresses().main, &said, |_| false).await.ends_with("ok"));
            until("four spans", || spans(&sent).len() == 4).await;
            let path = if grpc { pb::EXPORT_PATH } else { "/v1/traces" };
            assert!(sent.borrow().iter().all(|(asked, _)| asked.eq_ignore_ascii_case(path)), "{path}");

            let spans = spans(&sent);
            let of = |name: &str| &spans[name].1;
            let (server, client) = (of("GET"), of("HTTP GET"));
            let (proxying, wait) = (of("kn.queueproxy.proxy"), of("kn.queueproxy.wait"));
            assert_eq!(server.parent_span_id, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
            for (child, parent) in [(proxying, server), (wait, proxying), (client, wait)] {
                assert_eq!(child.parent_span_id, parent.span_id, "{}", child.name);
                assert_eq!((&child.trace_id, &*child.trace_state), (&server.trace_id, "a=b"));
            }
            assert_eq!((server.kind, wait.kind, client.kind), (pb::SERVER, pb::INTERNAL, pb::CLIENT));
            assert!(server.start_time_unix_nano <= client.start_time_unix_nano);
            assert!(client.end_time_unix_nano <= server.end_time_unix_nano);
            assert_eq!(spans["kn.queueproxy.proxy"].0, "knative.dev/serving/pkg/queue");
            let told = texts(&server.attributes);
            for (name, value) in [
                ("server.address", "h.example.com"),
                ("server.port", "8080"),
                ("client.address", "192.0.2.1"),
                ("network.peer.address", "127.0.0.1"),
                ("url.path", "/a"),
                ("user_agent.original", "test"),
                ("http.response.status_code", "200"),
                ("http.response.body.size", "2"),
            ] {
                assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
            }
            assert_eq!(texts(&client.attributes)["url.full"], format!("http://{}/a?b", app.address));

            let digits: String = client.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
            let head = app.heads.borrow()[0].clone();
            assert!(
                head.contains(&format!("traceparent: 00-0af7651916cd43dd8448eb211c80319c-{digits}-01")),
                "{head}"
            );
        }
    });
}

#[test]
fn an_app_that_fails_is_an_error_and_probes_are_no_traces() {
    run(async {
        let (endpoint, sent) = collector(false).await;
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let config = observability("tracing", "http/protobuf", &endpoint, r#","samplingRate":1"#);
        let proxy = start(nobody, &[("OBSERVABILITY_CONFIG", &config), ("OTEL_BSP_SCHEDULE_DELAY", "20")]);
        let probe = "GET / HTTP/1.1\r\nhost: h\r\nuser-agent: kube-probe/1\r\nk-network-probe: queue\r\nconnection: close\r\n\r\n";
        talk(proxy.addresses().main, probe, |_| false).await;
        assert!(ask(proxy.addresses().main, "/").await.starts_with("HTTP/1.1 502"));
        until("three spans", || spans(&sent).len() == 3).await;
        let spans = spans(&sent);
        let client = &spans["HTTP GET"].1;
        assert_eq!(texts(&client.attributes)["error.type"], "*net.OpError");
        assert!(client.status.as_ref().unwrap().message.contains("connection refused"), "{client:?}");
        assert_eq!(spans["GET"].1.status.as_ref().unwrap().code, pb::ERROR);
        assert!(spans["GET"].1.parent_span_id.is_empty(), "nobody called with a trace");
    });
}

#[test]
fn metrics_are_exported_again_and_again_and_once_more_at_the_end() {
    run(async {
        for grpc in [false, true] {
            let (endpoint, sent) = collector(grpc).await;
            let app = App::start(|_| Act::Say(OK)).await;
            let protocol = if grpc { "grpc" } else { "http/protobuf" };
            // An hour: what comes is what is sent at the end.
            let config =
                observability("requestMetrics", protocol, &endpoint, r#","exportInterval":3600000000000"#);
            let changes = [
                ("OBSERVABILITY_CONFIG", &*config),
                ("CONTAINER_CONCURRENCY", "2"),
                ("FOREBAY_QUEUE_QUIET", "0s"),
            ];
            let proxy = start(app.address, &changes);
            for _ in 0..3 {
                ask(proxy.addresses().main, "/").await;
            }
            proxy.shutdown().await;
            let all = sent.borrow();
            let [(_, message)] = &**all else { panic!("one export, not {}", all.len()) };
            let export = pb::ExportMetrics::decode(&**message).unwrap();
            let of = &export.resource_metrics[0];
            let resource = texts(&of.resource.as_ref().unwrap().attributes);
            assert_eq!(
                (&*resource["container.name"], &*resource["kn.service.name"]),
                ("queue-proxy", "hello")
            );
            let metrics: BTreeMap<&str, &pb::Metric> =
                of.scope_metrics.iter().flat_map(|scope| &scope.metrics).map(|m| (&*m.name, m)).collect();
            assert_eq!(
                metrics.keys().copied().collect::<Vec<_>>(),
                [
                    "http.client.request.body.size",
                    "http.client.request.duration",
                    "http.server.request.body.size",
                    "http.server.request.duration",
                    "http.server.response.body.size",
                    "kn.serving.invocation.duration",
                    "kn.serving.queue.depth",
                ]
            );
            let sizes = metrics["http.server.response.body.size"];
            let histogram = sizes.histogram.as_ref().unwrap();
            let [point] = &*histogram.data_points else { panic!("{histogram:?}") };
            assert_eq!((point.count, point.sum, point.min, point.max), (3, Some(6.0), Some(2.0), Some(2.0)));
            assert_eq!((&*sizes.unit, histogram.aggregation_temporality), ("By", pb::CUMULATIVE));
            assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
            let told = texts(&point.attributes);
            for (name, value) in [
                ("http.request.method", "GET"),
                ("http.response.status_code", "200"),
                ("kn.route.tag", "kn:disabled"),
                ("network.protocol.version", "1.1"),
                ("server.address", "h"),
                ("url.scheme", "http"),
            ] {
                assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
            }
            assert_eq!(
                metrics["kn.serving.queue.depth"].gauge.as_ref().unwrap().data_points[0].as_int,
                Some(1)
            );
        }
    });
}

#[test]
fn a_collector_that_comes_late_gets_the_spans_that_waited() {
    run(async {
        let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = place.local_addr().unwrap();
        drop(place);
        let app = App::start(|_| Act::Say(OK)).await;
        let config =
            observability("tracing", "http/protobuf", &format!("http://{address}"), r#","samplingRate":1"#);
        let proxy =
            start(app.address, &[("OBSERVABILITY_CONFIG", &config), ("OTEL_BSP_SCHEDULE_DELAY", "20")]);
        ask(proxy.addresses().main, "/").await;
        // Some tries find nobody.
        tokio::time::sleep(Duration::from_millis(60)).await;
        let listener = TcpListener::bind(address).await.unwrap();
        let sent = Sent::default();
        let to = sent.clone();
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let to = to.clone();
                spawn_local(async move { take_http(stream, to).await });
            }
        });
        until("the spans", || spans(&sent).len() == 3).await;
    });
}

#[test]
fn profiling_has_a_port_that_says_what_is_not_there() {
    run(async {
        let app = App::start(|_| Act::Say(OK)).await;
        let config = r#"{"runtime":{"profiling":"enabled"}}"#;
        let proxy = start(app.address, &[("OBSERVABILITY_CONFIG", config), ("PROFILING_PORT", "0")]);
        let port = proxy.addresses().profiling.unwrap();
        assert!(ask(port, "/debug/pprof/heap").await.starts_with("HTTP/1.1 501"));
        assert!(ask(port, "/debug/pprof/cmdline").await.starts_with("HTTP/1.1 200"));
        assert!(ask(port, "/").await.starts_with("HTTP/1.1 404"));
        let without = start(app.address, &[]);
        assert_eq!(without.addresses().profiling, None);
    });
}
