use super::*;
use forebay_net::Clock;

#[test]
fn callers_contexts_are_read_by_gos_rules() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert!(read(good.as_bytes()).is_some());
    for bad in
        [good.to_uppercase(), good.replacen("00", "ff", 1), good.replace("0319c", "0319"), String::new()]
    {
        assert!(read(bad.as_bytes()).is_none(), "{bad}");
    }
}

fn tracer(changes: &[(&str, &str)]) -> Tracer {
    let get = |name: &str| {
        let changed = changes.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        changed.or(match name {
            "CONTAINER_CONCURRENCY" | "REVISION_TIMEOUT_SECONDS" => Some("1".to_owned()),
            name if name.ends_with("_PORT") => Some("8012".to_owned()),
            name if name.starts_with("SERVING_") && !name.ends_with("PROBE") => Some(name.to_lowercase()),
            _ => None,
        })
    };
    let config = Config::from_env(get).unwrap();
    Tracer::new(config.traces.as_ref().unwrap(), &config)
}

const ALL: &str =
    r#"{"tracing":{"protocol":"http/protobuf","endpoint":"http://127.0.0.1:1","samplingRate":1}}"#;
const NONE: &str = r#"{"tracing":{"protocol":"http/protobuf","endpoint":"http://127.0.0.1:1"}}"#;

fn peer() -> crate::conn::Peer {
    let remote = "127.0.0.1:4000".parse().unwrap();
    crate::conn::Peer { from: crate::request_log::From { remote, secure: None }, text: "127.0.0.1".into() }
}

#[test]
fn a_trace_that_is_not_kept_still_goes_on_in_the_app() {
    let tracer = tracer(&[("OBSERVABILITY_CONFIG", NONE)]);
    let mut req = Head::default();
    req.set_request(b"GET", b"/", b"h");
    req.push(b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let mut traced = Traced::new(&tracer, &req, &peer(), 5);
    traced.proxying(&tracer, true, 6);
    traced.forwarding(&tracer, &mut req, 7);
    let sent = req.get(b"traceparent").map(<[u8]>::to_vec).unwrap_or_default();
    assert!(sent.starts_with(b"00-0af7651916cd43dd8448eb211c80319c-") && sent.ends_with(b"-00"));
    assert!(!sent.windows(16).any(|w| w == b"b7ad6b7169203331"), "it is another who calls");
    traced.end(&tracer, 200, 0, 0, 9);
    assert!(tracer.waiting.borrow().is_empty());
}

#[test]
fn spans_that_find_no_room_are_counted() {
    let tracer = tracer(&[("OBSERVABILITY_CONFIG", ALL)]);
    let now = Clock::new().now().0;
    for _ in 0..MOST {
        let mut req = Head::default();
        req.set_request(b"GET", b"/", b"h");
        let mut traced = Traced::new(&tracer, &req, &peer(), now);
        traced.proxying(&tracer, true, now);
        traced.forwarding(&tracer, &mut req, now);
        traced.end(&tracer, 200, 0, 0, now);
    }
    assert_eq!(tracer.waiting.borrow().len(), MOST);
    assert_eq!(tracer.lost.get(), 3 * MOST as u64, "four spans of each request, and room for a quarter");
}
