//! Headers on the way: what is dropped, what is added, in which order operations apply.

use super::backend::Backend;
use super::resources::{forward, route, set_header};
use super::world::to;

#[test]
fn hop_by_hop_fields_stay_on_their_hop() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-theirs\r\nkeep-alive: timeout=5\r\nx-theirs: 1\r\nx-kept: 2\r\ncontent-length: 0\r\n\r\n",
    );
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, x-mine\r\nkeep-alive: 1\r\nproxy-connection: x\r\nte: trailers, gzip\r\ntrailer: x\r\nupgrade: h2c\r\nhttp2-settings: x\r\nx-mine: 1\r\nx-kept: 2\r\n\r\n",
    );
    let response = client.response();
    assert_eq!((response.header("x-theirs"), response.header("x-kept")), (None, Some("2")));
    assert_eq!((response.header("keep-alive"), response.header("connection")), (None, None));
    let request = backend.request();
    for name in
        ["connection", "keep-alive", "proxy-connection", "trailer", "upgrade", "http2-settings", "x-mine"]
    {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert_eq!((request.header("te"), request.header("x-kept")), (Some("trailers"), Some("2")));
}

#[test]
fn a_client_cannot_have_the_host_or_the_length_removed() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send(
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: host, content-length\r\ncontent-length: 2\r\n\r\nhi",
    );
    assert_eq!(client.response().status, 200);
    let request = backend.request();
    assert_eq!((request.header("host"), request.header("content-length")), (Some("a"), Some("2")));
}

#[test]
fn forwarding_headers_tell_where_the_request_came_from() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address])
        .manager(|m| m.generate_request_id = Some(forebay_proto::google::protobuf::BoolValue { value: true }))
        .start();
    let mut client = world.connect();
    client.send("GET /1 HTTP/1.1\r\nhost: a:8080\r\nx-forwarded-proto: https\r\n\r\n");
    client.response();
    client.send("GET /2 HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 10.0.0.1\r\nx-forwarded-for: 10.0.0.2\r\nx-request-id: mine\r\n\r\n");
    client.response();
    let [first, second] = &backend.requests()[..] else { panic!() };
    assert_eq!(first.header("host"), Some("a:8080"));
    // A client on this machine is told by the machine's own address.
    let own = forebay_net::local_address();
    assert_eq!(first.header("x-forwarded-for"), Some(own));
    assert_eq!(first.header("x-forwarded-proto"), Some("http"), "an edge does not believe its clients");
    let id = first.header("x-request-id").unwrap();
    assert_eq!((id.len(), &id[14..15]), (36, "4"));
    assert_eq!(second.header("x-forwarded-for"), Some(&*format!("10.0.0.1,10.0.0.2,{own}")));
    assert_ne!(second.header("x-request-id"), Some("mine"), "an edge gives ids itself");
}

#[test]
fn operations_go_from_the_route_outwards_so_that_the_host_has_the_last_word() {
    let backend =
        Backend::answering("HTTP/1.1 200 OK\r\nx-both: endpoint\r\nserver: own\r\ncontent-length: 0\r\n\r\n");
    let mut all = route("/", forward("backend"));
    all.request_headers_to_add = vec![set_header("x-both", "route"), set_header("x-route", "1")];
    all.response_headers_to_add = vec![set_header("x-both", "route")];
    all.request_headers_to_remove = vec!["x-secret".to_owned()];
    let world = to(&[backend.address])
        .host_with("*", vec![all], |host| {
            host.request_headers_to_add = vec![set_header("x-both", "host")];
            host.response_headers_to_add = vec![set_header("x-host", "1")];
        })
        .start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-both: client\r\nx-secret: s\r\n\r\n");
    let response = client.response();
    assert_eq!((response.header("x-both"), response.header("x-host")), (Some("route"), Some("1")));
    let request = backend.request();
    assert_eq!((request.header("x-both"), request.header("x-route")), (Some("host"), Some("1")));
    assert_eq!(request.header("x-secret"), None);
}

#[test]
fn a_date_is_added_where_the_endpoint_gave_none() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let world = to(&[backend.address]).start();
    let response = world.connect().get("/");
    assert!(response.header("date").unwrap().ends_with(" GMT"));
}
