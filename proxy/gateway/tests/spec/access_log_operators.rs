//! Operators of the log format, with what Envoy 1.40 wrote for the same three requests: one that is answered, one to a
//! cluster without endpoints, one to an endpoint that is not there.

use std::net::SocketAddr;

use super::backend::Backend;
use super::resources::{access_log, forward, route};
use super::world::{to, until};

/// The operator, and what it is for each request. `@up` and `@us` are the addresses of endpoint and listener, `*` is
/// anything but `-`.
const TABLE: &[(&str, [&str; 3])] = &[
    ("REQ(:METHOD)", ["POST", "GET", "GET"]),
    ("REQ(X-ENVOY-ORIGINAL-PATH?:PATH)", ["/x/y?y=1&b=%20c", "/none", "/gone"]),
    ("REQ(:PATH):5", ["/x/y?", "/none", "/gone"]),
    ("PROTOCOL", ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1"]),
    ("UPSTREAM_PROTOCOL", ["HTTP/1.1", "-", "-"]),
    ("RESPONSE_CODE", ["200", "503", "503"]),
    ("RESPONSE_FLAGS", ["-", "UH", "UF"]),
    ("RESPONSE_FLAGS_LONG", ["-", "NoHealthyUpstream", "UpstreamConnectionFailure"]),
    ("CONNECTION_TERMINATION_DETAILS", ["-", "-", "-"]),
    ("BYTES_RECEIVED", ["3", "0", "0"]),
    ("BYTES_RETRANSMITTED", ["0", "0", "0"]),
    ("DURATION", ["*", "*", "*"]),
    ("REQUEST_TX_DURATION", ["*", "-", "-"]),
    ("RESPONSE_DURATION", ["*", "-", "-"]),
    ("RESPONSE_TX_DURATION", ["*", "-", "-"]),
    ("DOWNSTREAM_HANDSHAKE_DURATION", ["-", "-", "-"]),
    ("COMMON_DURATION(DS_RX_BEG:DS_TX_END:ms)", ["*", "*", "*"]),
    ("COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)", ["*", "-", "-"]),
    ("UPSTREAM_HOST", ["@up", "-", "127.0.0.1:1"]),
    ("UPSTREAM_HOST_NAME_WITHOUT_PORT", ["127.0.0.1", "-", "127.0.0.1"]),
    ("UPSTREAM_CLUSTER", ["backend", "none", "gone"]),
    ("UPSTREAM_REMOTE_ADDRESS", ["@up", "-", "-"]),
    ("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", ["127.0.0.1", "-", "-"]),
    ("DOWNSTREAM_DETECTED_CLOSE_TYPE", ["Normal", "Normal", "Normal"]),
    ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", ["127.0.0.1", "127.0.0.1", "127.0.0.1"]),
    ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)", ["127.0.0.0/16", "127.0.0.0/16", "127.0.0.0/16"]),
    ("DOWNSTREAM_LOCAL_ADDRESS", ["@us", "@us", "@us"]),
    ("DOWNSTREAM_TLS_VERSION", ["-", "-", "-"]),
    ("DOWNSTREAM_PEER_SERIAL", ["-", "-", "-"]),
    ("TLS_JA3_FINGERPRINT", ["-", "-", "-"]),
    ("REQUESTED_SERVER_NAME", ["-", "-", "-"]),
    ("ROUTE_NAME", ["-", "-", "-"]),
    ("DYNAMIC_METADATA(a:b)", ["-", "-", "-"]),
    ("FILTER_STATE(a)", ["-", "-", "-"]),
    ("ACCESS_LOG_TYPE", ["DownstreamEnd", "DownstreamEnd", "DownstreamEnd"]),
    ("TRACE_ID", ["-", "-", "-"]),
    ("SPAN_ID", ["-", "-", "-"]),
    ("STREAM_ID", ["*", "*", "*"]),
    ("REQ(USER-AGENT)", ["ua", "-", "-"]),
    ("TRAILER(X)", ["-", "-", "-"]),
    ("GRPC_STATUS", ["-", "-", "-"]),
    ("CUSTOM_FLAGS", ["", "", ""]),
    ("QUERY_PARAM(y)", ["1", "-", "-"]),
    ("PATH", ["/x/y?y=1&b=%20c", "/none", "/gone"]),
    ("PATH(NQ)", ["/x/y", "/none", "/gone"]),
];

/// Values of Envoy's that are not known here.
const UNWRITTEN: [&str; 3] =
    ["UNIQUE_ID", "COALESCE({\"operators\":[\"TRACE_ID\"]})", "UPSTREAM_HOSTS_ATTEMPTED"];

#[test]
fn operators_are_what_envoy_wrote() {
    let backend = Backend::echoing_path();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let format: String = TABLE.iter().map(|(operator, _)| format!("%{operator}%\t")).collect();
    let gone: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let world = to(&[backend.address])
        .another_cluster("none", &[], false)
        .another_cluster("gone", &[gone], false)
        .manager(|m| m.access_log = vec![access_log(&path, Some(&format!("{format}\n")))])
        .host(
            "a",
            vec![
                route("/none", forward("none")),
                route("/gone", forward("gone")),
                route("/", forward("backend")),
            ],
        )
        .start();
    let mut client = world.connect();
    client.send("POST /x/y?y=1&b=%20c HTTP/1.1\r\nhost: a\r\nuser-agent: ua\r\ncontent-length: 3\r\n\r\nabc");
    assert_eq!(client.response().status, 200);
    for path in ["/none", "/gone"] {
        assert_eq!(client.get(path).status, 503);
    }
    let lines = || -> Vec<String> {
        std::fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    until("three lines", || lines().len() == 3);
    let wrong: Vec<String> = lines()
        .iter()
        .enumerate()
        .flat_map(|(request, line)| {
            let values: Vec<String> = line.split('\t').map(str::to_owned).collect();
            TABLE.iter().zip(values).map(move |((operator, wanted), value)| {
                (operator, wanted[request].to_owned(), value, request)
            })
        })
        .filter_map(|(operator, wanted, value, request)| {
            let wanted = wanted
                .replace("@up", &backend.address.to_string())
                .replace("@us", &world.address.to_string());
            let good = if wanted == "*" { value != "-" } else { value == wanted };
            (!good).then(|| format!("{operator} of request {request}: {value:?}, Envoy's {wanted:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_known_here_is_written_as_a_dash() {
    let backend = Backend::echoing_path();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let format = UNWRITTEN.map(|operator| format!("%{operator}%")).join(" ");
    let world = to(&[backend.address])
        .manager(|m| m.access_log = vec![access_log(&path, Some(&format!("{format}\n")))])
        .start();
    assert_eq!(world.connect().get("/").status, 200);
    until("a line", || std::fs::read_to_string(&path).is_ok_and(|text| text == "- - -\n"));
}

#[test]
fn what_envoy_does_not_know_is_refused_by_name() {
    let error = forebay_telemetry::log::Format::parse("a %NO_SUCH_OPERATOR% b").unwrap_err();
    assert!(error.token.contains("NO_SUCH_OPERATOR") && error.at == 2, "{error}");
}
