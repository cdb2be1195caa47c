//! `local_reply_config`: answers of the gateway's own, changed before they leave.

use forebay_proto::envoy::config::accesslog::v3 as log;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use forebay_proto::google::protobuf::{Struct, UInt32Value, Value, value::Kind};

use super::backend::Backend;
use super::resources::{forward, route, set_header};
use super::world::to;

use log::access_log_filter::FilterSpecifier as Filter;

fn text(format: &str) -> Option<core::SubstitutionFormatString> {
    let format = core::substitution_format_string::Format::TextFormatSource(inline(format));
    Some(core::SubstitutionFormatString { format: Some(format), ..Default::default() })
}

fn inline(text: &str) -> core::DataSource {
    core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineString(text.to_owned())),
        ..Default::default()
    }
}

fn filter(specifier: Filter) -> Option<log::AccessLogFilter> {
    Some(log::AccessLogFilter { filter_specifier: Some(specifier) })
}

fn status(op: log::comparison_filter::Op, code: u32) -> Filter {
    let value = core::RuntimeUInt32 { default_value: code, runtime_key: "k".to_owned() };
    let comparison = Some(log::ComparisonFilter { op: op as i32, value: Some(value) });
    Filter::StatusCodeFilter(log::StatusCodeFilter { comparison })
}

fn flags(all: &[&str]) -> Filter {
    let flags = all.iter().map(|flag| (*flag).to_owned()).collect();
    Filter::ResponseFlagFilter(log::ResponseFlagFilter { flags })
}

#[test]
fn the_first_mapper_that_fits_changes_status_headers_and_body() {
    use log::comparison_filter::Op::{Eq, Ge};
    let and =
        log::AndFilter { filters: vec![filter(status(Eq, 503)).unwrap(), filter(flags(&["UH"])).unwrap()] };
    let mut html = text("<%RESPONSE_CODE% %LOCAL_REPLY_BODY%>");
    html.as_mut().unwrap().content_type = "text/html; charset=UTF-8".to_owned();
    let mappers = vec![
        hcm::ResponseMapper {
            filter: filter(Filter::AndFilter(and)),
            status_code: Some(UInt32Value { value: 599 }),
            body: Some(inline("no hosts")),
            body_format_override: html,
            headers_to_add: vec![set_header("x-map", "was %RESPONSE_CODE%")],
        },
        hcm::ResponseMapper {
            filter: filter(flags(&["NR"])),
            status_code: Some(UInt32Value { value: 410 }),
            ..Default::default()
        },
        hcm::ResponseMapper {
            filter: filter(status(Ge, 500)),
            headers_to_add: vec![set_header("x-map", "other")],
            ..Default::default()
        },
    ];
    let string = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let nested = [("flags".to_owned(), string("%RESPONSE_FLAGS%")), ("no".to_owned(), string("%REQ(no)%"))];
    let json = Struct {
        fields: [
            ("z".to_owned(), string("%RESPONSE_CODE%")),
            ("a".to_owned(), string("%LOCAL_REPLY_BODY%")),
            ("n".to_owned(), Value { kind: Some(Kind::StructValue(Struct { fields: nested.into() })) }),
        ]
        .into(),
    };
    let format = core::substitution_format_string::Format::JsonFormat(json);
    let body_format = Some(core::SubstitutionFormatString { format: Some(format), ..Default::default() });
    let world = to(&[])
        .manager(|m| m.local_reply_config = Some(hcm::LocalReplyConfig { mappers, body_format }))
        .host("a", vec![route("/", forward("backend"))])
        .start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, &*response.body), (599, &b"<599 no hosts>"[..]));
    assert_eq!(response.header("x-map"), Some("was 503"));
    assert_eq!(response.header("content-type"), Some("text/html; charset=UTF-8"));
    client.send("GET / HTTP/1.1\r\nhost: unknown\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.header("content-type")), (410, Some("application/json")));
    let body = String::from_utf8(response.body).unwrap();
    assert_eq!(body, "{\"a\":\"\",\"n\":{\"flags\":\"NR\",\"no\":null},\"z\":410}\n");
    assert_eq!(client.get("/").status, 599, "the connection lives on");
}

#[test]
fn an_endpoints_own_answer_is_nobodys_to_change() {
    let backend = Backend::answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\noops");
    let world = to(&[backend.address])
        .manager(|m| {
            m.local_reply_config =
                Some(hcm::LocalReplyConfig { body_format: text("mine"), ..Default::default() });
        })
        .start();
    let response = world.connect().get("/");
    assert_eq!((response.status, &*response.body), (503, &b"oops"[..]));
}

#[test]
fn a_reply_to_a_grpc_client_is_one_of_grpc() {
    let world = to(&[]).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.header("grpc-status")), (200, Some("14")));
    assert_eq!(response.header("grpc-message"), Some("no healthy upstream"));
    assert_eq!(response.header("content-type"), Some("application/grpc"));
}
