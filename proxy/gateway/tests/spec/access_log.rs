//! Access logs: a line for each request, in one file for all workers.

use super::backend::Backend;
use super::resources::access_log;
use super::world::{to, until};

fn lines(path: &std::path::Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_line_says_what_happened() {
    let backend = Backend::answering("HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nthere");
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("access.log");
    let format = "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% \
                  %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %REQ(:AUTHORITY)%\n";
    let world =
        to(&[backend.address]).manager(|m| m.access_log = vec![access_log(&path, Some(format))]).start();
    let mut client = world.connect();
    client.send("POST /x?y HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
    client.response();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n");
    client.response();
    until("two lines", || lines(&path).len() == 2);
    let lines = lines(&path);
    assert_eq!(lines[0], format!("POST /x?y HTTP/1.1 201 - via_upstream 2 5 {} backend a", backend.address));
    assert!(lines[1].contains(" 400 DPE "), "{}", lines[1]);
}

#[test]
fn the_last_lines_are_written_before_the_end_and_none_twice() {
    let backend = Backend::echoing_path();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("access.log");
    let world = to(&[backend.address])
        .workers(2)
        .manager(|m| m.access_log = vec![access_log(&path, Some("%REQ(:PATH)%\n"))])
        .start();
    for i in 0..20 {
        world.connect().get(&format!("/{i}"));
    }
    drop(world);
    let mut seen = lines(&path);
    seen.sort();
    let mut sent: Vec<_> = (0..20).map(|i| format!("/{i}")).collect();
    sent.sort();
    assert_eq!(seen, sent);
}

#[test]
fn a_rotated_file_is_left_for_a_new_one() {
    let backend = Backend::echoing_path();
    let home = tempfile::tempdir().unwrap();
    let (path, old) = (home.path().join("access.log"), home.path().join("access.log.1"));
    let world = to(&[backend.address])
        .workers(2)
        .manager(|m| m.access_log = vec![access_log(&path, Some("%REQ(:PATH)%\n"))])
        .start();
    world.connect().get("/before");
    until("it is written", || lines(&path) == ["/before"]);
    std::fs::rename(&path, &old).unwrap();
    world.admin("POST", "/reopen_logs");
    until("a new file", || path.exists());
    world.connect().get("/after");
    until("it is written there", || lines(&path) == ["/after"]);
    assert_eq!(lines(&old), ["/before"]);
}

#[test]
fn filters_pick_the_lines() {
    use forebay_proto::envoy::config::accesslog::v3 as log;
    use forebay_proto::envoy::config::core::v3::RuntimeUInt32;
    use log::access_log_filter::FilterSpecifier;
    let backend = Backend::start(|mut conn| {
        while let Some(request) = conn.request() {
            match request.path() {
                "/500" => conn.send("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"),
                path => conn.answer(path),
            }
        }
    });
    let home = tempfile::tempdir().unwrap();
    let filtered = |name: &str, specifier: FilterSpecifier| {
        let mut log = access_log(&home.path().join(name), Some("%REQ(:PATH)%\n"));
        log.filter = Some(log::AccessLogFilter { filter_specifier: Some(specifier) });
        log
    };
    let status = |op: log::comparison_filter::Op, code| {
        let value = RuntimeUInt32 { default_value: code, runtime_key: "k".into() };
        let comparison = Some(log::ComparisonFilter { op: op as i32, value: Some(value) });
        FilterSpecifier::StatusCodeFilter(log::StatusCodeFilter { comparison })
    };
    let inside = |specifier| log::AccessLogFilter { filter_specifier: Some(specifier) };
    use log::comparison_filter::Op;
    let flags = FilterSpecifier::ResponseFlagFilter(log::ResponseFlagFilter { flags: vec!["NR".into()] });
    let both = vec![inside(status(Op::Ge, 400)), inside(status(Op::Le, 499))];
    let any = vec![inside(status(Op::Eq, 500)), inside(flags.clone())];
    let world = to(&[backend.address])
        .manager(|m| {
            m.access_log = vec![
                filtered("5xx", status(Op::Ge, 500)),
                filtered("and", FilterSpecifier::AndFilter(log::AndFilter { filters: both })),
                filtered("or", FilterSpecifier::OrFilter(log::OrFilter { filters: any })),
                filtered("flags", flags),
                filtered("traced", FilterSpecifier::TraceableFilter(log::TraceableFilter {})),
                filtered("all", FilterSpecifier::NotHealthCheckFilter(log::NotHealthCheckFilter {})),
            ];
        })
        .host("a", vec![super::resources::route("/", super::resources::forward("backend"))])
        .start();
    let mut client = world.connect();
    client.get("/ok");
    client.get("/500");
    client.send("GET /nobody HTTP/1.1\r\nhost: b\r\n\r\n");
    assert_eq!(client.response().status, 404);
    // Each file is written in its own time; after the end all of them are complete.
    drop(world);
    let at = |name: &str| lines(&home.path().join(name));
    assert_eq!(at("all"), ["/ok", "/500", "/nobody"]);
    assert_eq!(at("5xx"), ["/500"]);
    assert_eq!(at("and"), ["/nobody"]);
    assert_eq!(at("or"), ["/500", "/nobody"]);
    assert_eq!(at("flags"), ["/nobody"]);
    assert!(at("traced").is_empty());
}

#[test]
fn json_lines_keep_types_and_sort_their_keys() {
    use forebay_proto::envoy::extensions::access_loggers::file::v3::{FileAccessLog, file_access_log};
    use forebay_proto::google::protobuf::{Struct, Value, value::Kind};
    let backend = Backend::echoing_path();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("json");
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.into())) };
    let inner = Struct { fields: [("path".to_owned(), text("is %REQ(:PATH)%"))].into_iter().collect() };
    let fields = [
        ("status", text("%RESPONSE_CODE%")),
        ("none", text("%REQ(X-NONE)%")),
        ("inner", Value { kind: Some(Kind::StructValue(inner)) }),
        ("one", Value { kind: Some(Kind::NumberValue(1.0)) }),
    ];
    let json = Struct { fields: fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect() };
    let mut log = access_log(&path, None);
    let file = FileAccessLog {
        path: path.display().to_string(),
        access_log_format: Some(file_access_log::AccessLogFormat::TypedJsonFormat(json)),
    };
    let config = super::resources::any(&file);
    log.config_type =
        Some(forebay_proto::envoy::config::accesslog::v3::access_log::ConfigType::TypedConfig(config));
    let world = to(&[backend.address]).manager(|m| m.access_log = vec![log]).start();
    world.connect().get("/x");
    until("a line", || lines(&path).len() == 1);
    assert_eq!(lines(&path)[0], r#"{"inner":{"path":"is /x"},"none":null,"one":1,"status":200}"#);
}
