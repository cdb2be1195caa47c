use serde_json::json;

use super::*;
use crate::flags::{Flag, Flags};
use crate::record::Bytes;

/// A request as the engine would tell it.
#[derive(Default)]
struct Seen {
    status: u16,
    flags: Flags,
    request: Vec<(&'static str, &'static [u8])>,
    response: Vec<(&'static str, &'static [u8])>,
    trailers: Vec<(&'static str, &'static [u8])>,
    upstream: Option<SocketAddr>,
    client: Option<SocketAddr>,
    details: Option<&'static str>,
    ends: Option<u64>,
}

impl Record for Seen {
    fn started(&self) -> u64 {
        1_522_799_169_123_000
    }

    fn at(&self, point: Point) -> Option<u64> {
        match point {
            Point::ResponseEnd => self.ends,
            Point::RequestEnd => Some(1_999),
            Point::UpstreamResponseStart => self.ends.map(|end| end / 2),
            _ => None,
        }
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn flags(&self) -> Flags {
        self.flags
    }

    fn bytes(&self, of: Bytes) -> u64 {
        match of {
            Bytes::Received => 154,
            Bytes::Sent => 0,
            _ => 7,
        }
    }

    fn address(&self, of: Address) -> Option<SocketAddr> {
        match of {
            Address::UpstreamHost | Address::UpstreamRemote => self.upstream,
            Address::DownstreamDirectRemote => self.client,
            _ => None,
        }
    }

    fn text(&self, of: Text) -> Option<&str> {
        match of {
            Text::Protocol => Some("HTTP/2"),
            Text::ResponseCodeDetails => self.details,
            Text::RouteName => Some(""),
            _ => None,
        }
    }

    fn request_header(&self, name: &str) -> Option<&[u8]> {
        self.request.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn response_header(&self, name: &str) -> Option<&[u8]> {
        self.response.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn response_trailer(&self, name: &str) -> Option<&[u8]> {
        self.trailers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// The request of the example in Envoy's documentation of its default format.
fn documented() -> Seen {
    Seen {
        status: 204,
        request: vec![
            (":method", b"POST"),
            (":path", b"/api/v1/locations?q=a&empty&lang=en"),
            ("x-forwarded-for", b"10.0.35.28"),
            ("user-agent", b"nsq2http"),
            ("x-request-id", b"cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2"),
            (":authority", b"locations"),
        ],
        response: vec![("x-envoy-upstream-service-time", b"226")],
        upstream: Some("10.0.0.1:80".parse().unwrap()),
        client: Some("10.1.10.23:4711".parse().unwrap()),
        details: Some("via upstream"),
        ends: Some(226_900),
        ..Seen::default()
    }
}

fn line(format: &str, record: &Seen) -> String {
    let mut out = Vec::new();
    Formatter::new(Arc::new(Format::parse(format).unwrap())).write(record, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_default_line_is_envoys() {
    let mut out = Vec::new();
    Formatter::new(Arc::default()).write(&documented(), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "[2018-04-03T23:46:09.123Z] \"POST /api/v1/locations?q=a&empty&lang=en HTTP/2\" 204 - 154 0 226 226 \
         \"10.0.35.28\" \"nsq2http\" \"cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2\" \"locations\" \"10.0.0.1:80\"\n"
    );
}

#[test]
fn a_request_that_came_to_nothing_prints_dashes() {
    let mut out = Vec::new();
    let record = Seen { flags: Flags::from(Flag::DownstreamConnectionTermination), ..Seen::default() };
    Formatter::new(Arc::default()).write(&record, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "[2018-04-03T23:46:09.123Z] \"- - HTTP/2\" 0 DC 154 0 - - \"-\" \"-\" \"-\" \"-\" \"-\"\n"
    );
    let silent = Format::parse("[%REQ(X)%|%DURATION%]").unwrap().omit_empty();
    let mut out = Vec::new();
    Formatter::new(Arc::new(silent)).write(&record, &mut out);
    assert_eq!(out, b"[|]");
}

#[test]
fn operators() {
    let record = Seen {
        flags: Flags::from(Flag::UpstreamRetryLimitExceeded).with(Flag::UpstreamConnectionFailure),
        ..documented()
    };
    for (format, text) in [
        ("%REQ(x-none?USER-AGENT):3%", "nsq"),
        ("%REQ(USER-AGENT?:PATH)%", "nsq2http"),
        ("%REQ(USER-AGENT):100%", "nsq2http"),
        ("%REQ(USER-AGENT):0%", ""),
        (
            "%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%",
            "URX,UF UpstreamRetryLimitExceeded,UpstreamConnectionFailure",
        ),
        ("%RESPONSE_CODE_DETAILS%", "via_upstream"),
        ("%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "via upstream"),
        ("%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "1 113 113"),
        ("%COMMON_DURATION(DS_RX_END:DS_TX_END:us)%", "224901"),
        ("%COMMON_DURATION(DS_TX_END:DS_RX_END:ns)%", "-224901000"),
        ("%COMMON_DURATION(US_CX_BEG:US_CX_END:us)%", "-"),
        ("%UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT%", "10.0.0.1:80 80"),
        ("%UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%", "10.0.0.1:80 10.0.0.1"),
        (
            "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
            "10.1.10.23:4711 10.1.10.23",
        ),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)%", "10.1.0.0/16"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(0)%", "0.0.0.0/0"),
        ("%DOWNSTREAM_LOCAL_ADDRESS%", "-"),
        ("%PATH(NQ)% %PATH(WQ):4% %PATH(NQ:ORIG)%", "/api/v1/locations /api -"),
        ("%QUERY_PARAM(q)%|%QUERY_PARAM(lang):1%|%QUERY_PARAM(empty)%|%QUERY_PARAM(la)%", "a|e||-"),
        ("%ROUTE_NAME% %DYNAMIC_METADATA(a)% %GRPC_STATUS%", "- - -"),
        ("%STREAM_ID%", "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2"),
        ("%REQUEST_HEADERS_BYTES% %CONNECTION_ID% %UPSTREAM_CONNECTION_ID%", "7 0 -"),
        ("%START_TIME(%s.%3f)% %EMIT_TIME(%s.%6f)%", "1522799169.123 1522799169.349900"),
    ] {
        assert_eq!(line(format, &record), text, "{format}");
    }
}

#[test]
fn ipv6_has_brackets_only_with_a_port() {
    let record = Seen {
        client: Some("[2001:db8:1234:5678:9abc:def0:1234:5678]:443".parse().unwrap()),
        ..Seen::default()
    };
    assert_eq!(line("%DOWNSTREAM_REMOTE_ADDRESS%", &record), "[2001:db8:1234:5678:9abc:def0:1234:5678]:443");
    assert_eq!(
        line(
            "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(64)%",
            &record
        ),
        "2001:db8:1234:5678:9abc:def0:1234:5678 2001:db8:1234:5678::/64"
    );
}

#[test]
fn grpc_status_comes_from_the_trailers_of_a_grpc_request() {
    let mut record = Seen {
        request: vec![("content-type", b"application/grpc+proto")],
        trailers: vec![("grpc-status", b"3")],
        ..Seen::default()
    };
    let format = "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%";
    assert_eq!(line(format, &record), "InvalidArgument INVALID_ARGUMENT 3 3");
    record.trailers = vec![("grpc-status", b"99")];
    assert_eq!(line("%GRPC_STATUS%", &record), "99");
    record.trailers.clear();
    record.response = vec![("grpc-status", b"0")];
    assert_eq!(line("%GRPC_STATUS%", &record), "OK");
    record.request = vec![("content-type", b"application/grpc-web")];
    assert_eq!(line("%GRPC_STATUS%", &record), "-");
}

#[test]
fn flags_have_envoys_names_in_envoys_order() {
    let mut all = Flags::NONE;
    assert!(all.is_empty());
    all.set(Flag::UnconditionalDropOverload);
    all.set(Flag::FailedLocalHealthCheck);
    all.set(Flag::NoClusterFound);
    let shorts: Vec<&str> = all.iter().map(Flag::short).collect();
    assert_eq!(shorts, ["LH", "NC", "UDO"]);
    assert_eq!(Flag::NoClusterFound.long(), "NoClusterFound");
    assert_eq!(Flag::StreamIdleTimeout.short(), "SI");
    assert!(all.has(Flag::NoClusterFound) && !all.has(Flag::NoRouteFound));
}

#[test]
fn json_keeps_types_and_order() {
    let format = Format::json(&json!({
        "code": "%RESPONSE_CODE%",
        "line": "%REQ(:METHOD)% \"%REQ(X-NONE)%\"",
        "agent": "%REQ(USER-AGENT)%",
        "none": "%REQ(X-NONE)%",
        "nested": { "ms": "%DURATION%", "list": ["%PROTOCOL%", 1, true, "a\"b"] },
        "nothing": {},
        "empty": "",
    }))
    .unwrap();
    let mut out = Vec::new();
    let mut formatter = Formatter::new(Arc::new(format));
    let mut record = documented();
    record.request[3].1 = b"q\"\\\x01\xff\n";
    formatter.write(&record, &mut out);
    assert_eq!(
        String::from_utf8(out.clone()).unwrap(),
        "{\"code\":204,\"line\":\"POST \\\"-\\\"\",\"agent\":\"q\\\"\\\\\\u0001\u{fffd}\\n\",\"none\":null,\
         \"nested\":{\"ms\":226,\"list\":[\"HTTP/2\",1,true,\"a\\\"b\"]},\"nothing\":{},\"empty\":\"\"}\n"
    );
    assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
    assert_eq!(Format::json(&json!({ "x": "%NOPE%" })).unwrap_err().token, "%NOPE%");
}
