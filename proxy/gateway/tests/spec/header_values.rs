//! Values of header operations: variables, what there is no value for, and the order of operations within a level.

use forebay_proto::envoy::config::core::v3::header_value_option::HeaderAppendAction as Action;

use super::backend::Backend;
use super::resources::{HeaderValueOption, forward, route, set_header};
use super::world::to;

fn add(name: &str, value: &str, action: Action, keep_empty_value: bool) -> HeaderValueOption {
    HeaderValueOption { append_action: action as i32, keep_empty_value, ..set_header(name, value) }
}

#[test]
fn variables_are_filled_in_on_both_sides() {
    let backend = Backend::answering("HTTP/1.1 203 Fine\r\nr-own: own\r\ncontent-length: 0\r\n\r\n");
    let mut all = route("/", forward("backend"));
    all.name = "the-route".to_owned();
    all.request_headers_to_add = vec![
        set_header("x-peer", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
        set_header("x-from", "<%REQ(x-in)%|%REQ(:METHOD)% %REQ(:PATH)%> 100%%"),
        set_header("x-proto", "%PROTOCOL%"),
        set_header("x-nothing", "%REQ(x-absent)%"),
        add("x-empty", "%REQ(x-absent)%", Action::OverwriteIfExistsOrAdd, true),
    ];
    all.response_headers_to_add = vec![
        set_header("r-code", "%RESPONSE_CODE%"),
        set_header("r-copy", "%RESP(r-own)% for %REQ(x-in)%"),
        set_header("r-cluster", "%UPSTREAM_CLUSTER%"),
    ];
    let world = to(&[backend.address]).host("*", vec![all]).start();
    let mut client = world.connect();
    client.send("GET /p HTTP/1.1\r\nhost: a\r\nx-in: i\r\nx-nothing: stays\r\n\r\n");
    let response = client.response();
    let request = backend.request();
    assert_eq!(request.header("x-peer"), Some("127.0.0.1"));
    assert_eq!(request.header("x-from"), Some("<i|GET /p> 100%"));
    assert_eq!((request.header("x-proto"), request.header("x-nothing")), (Some("HTTP/1.1"), Some("stays")));
    assert_eq!(request.header("x-empty"), Some(""));
    assert_eq!((response.header("r-code"), response.header("r-copy")), (Some("203"), Some("own for i")));
    assert_eq!(response.header("r-cluster"), Some("backend"));
}

#[test]
fn operations_of_one_level_see_the_message_as_it_was_before_them() {
    let backend = Backend::echoing_path();
    let mut all = route("/", forward("backend"));
    all.request_headers_to_remove = vec!["x-gone".to_owned()];
    all.request_headers_to_add = vec![
        add("x-a", "added", Action::AppendIfExistsOrAdd, false),
        add("x-a", "set", Action::OverwriteIfExistsOrAdd, false),
        add("x-new", "1", Action::AddIfAbsent, false),
        add("x-new", "2", Action::AddIfAbsent, false),
        add("x-old", "no", Action::AddIfAbsent, false),
        add("x-old", "%REQ(x-a)%", Action::OverwriteIfExists, false),
        add("x-none", "no", Action::OverwriteIfExists, false),
        add("x-gone", "%REQ(x-gone)%", Action::OverwriteIfExistsOrAdd, false),
    ];
    let world = to(&[backend.address]).host("*", vec![all]).start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-a: client\r\nx-old: client\r\nx-gone: g\r\n\r\n");
    client.response();
    let request = backend.request();
    let values = |name: &str| {
        let lines = request.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(n, _)| *n == name).map(|(_, v)| v.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(values("x-a"), ["set", "added"]);
    assert_eq!(values("x-new"), ["1", "2"]);
    assert_eq!(values("x-old"), ["client"]);
    assert!(values("x-none").is_empty() && values("x-gone").is_empty());
}
