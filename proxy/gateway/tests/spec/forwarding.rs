//! Where a request came from, and what of a client's own claims is believed: a table of listeners and clients, as Envoy 1.40
//! answers it. (One cell differs: where Envoy would append its own address for a peer on the loopback, we append the peer's.)

use forebay_proto::envoy::config::core::v3::CidrRange;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager as hcm;
use forebay_proto::google::protobuf::{BoolValue, UInt32Value};

use super::backend::{Backend, Request};
use super::client::Response;
use super::resources::Manager;
use super::world::to;

/// What an outsider may claim, in vain or not.
const CLAIMS: &str = "x-envoy-internal: true\r\nx-envoy-retry-on: 5xx\r\nx-envoy-force-trace: 1\r\nx-envoy-original-path: /z\r\nx-envoy-external-address: 9.9.9.9\r\nx-envoy-attempt-count: 3\r\nx-forwarded-client-cert: z\r\nx-forwarded-port: 77\r\nvia: theirs\r\n";

fn ask(change: impl FnOnce(&mut Manager), xff: &str) -> (Request, Response) {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address])
        .manager(|manager| {
            manager.use_remote_address = None;
            change(manager);
        })
        .start();
    let mut client = world.connect();
    let from = match xff {
        "" => String::new(),
        list => format!("x-forwarded-for: {list}\r\nx-request-id: mine\r\nx-forwarded-proto: https\r\n"),
    };
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{from}{CLAIMS}\r\n"));
    let response = client.response();
    (backend.request(), response)
}

fn on() -> Option<BoolValue> {
    Some(BoolValue { value: true })
}

fn edge(manager: &mut Manager) {
    manager.use_remote_address = on();
}

/// 10.0.0.0/8 and the loopback are ours.
fn internal(manager: &mut Manager) {
    let range = |address: &str| CidrRange {
        address_prefix: address.to_owned(),
        prefix_len: Some(UInt32Value { value: 8 }),
    };
    manager.internal_address_config = Some(hcm::InternalAddressConfig {
        cidr_ranges: vec![range("10.0.0.0"), range("127.0.0.0")],
        ..Default::default()
    });
}

#[test]
fn behind_others_the_list_is_left_alone_and_claims_that_steer_are_dropped() {
    let (request, _) = ask(|_| {}, "1.2.3.4,10.0.0.1");
    assert_eq!(request.header("x-forwarded-for"), Some("1.2.3.4,10.0.0.1"));
    assert_eq!(
        (request.header("x-forwarded-proto"), request.header("x-request-id")),
        (Some("https"), Some("mine"))
    );
    for (kept, value) in [
        ("x-envoy-original-path", "/z"),
        ("x-envoy-external-address", "9.9.9.9"),
        ("x-envoy-attempt-count", "3"),
        ("x-forwarded-port", "77"),
        ("via", "theirs"),
    ] {
        assert_eq!(request.header(kept), Some(value), "{kept}");
    }
    for gone in ["x-envoy-internal", "x-envoy-retry-on", "x-envoy-force-trace", "x-forwarded-client-cert"] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
    let (request, _) = ask(|_| {}, "");
    assert_eq!(
        (request.header("x-forwarded-for"), request.header("x-forwarded-proto")),
        (None, Some("http"))
    );
    assert_eq!(request.header("x-request-id").map(str::len), Some(36));
}

#[test]
fn an_edge_believes_nothing_and_says_who_came() {
    let (request, response) = ask(
        |manager| {
            edge(manager);
            manager.via = "myvia".to_owned();
            manager.append_x_forwarded_port = true;
            manager.always_set_request_id_in_response = true;
        },
        "1.2.3.4",
    );
    assert_eq!(
        request.header("x-forwarded-for"),
        Some(&*format!("1.2.3.4,{}", forebay_net::local_address()))
    );
    assert_eq!(
        (request.header("x-forwarded-proto"), request.header("via")),
        (Some("http"), Some("theirs, myvia"))
    );
    assert_eq!(request.header("x-envoy-external-address"), Some("127.0.0.1"));
    assert_ne!(request.header("x-forwarded-port"), Some("77"));
    let id = request.header("x-request-id").unwrap();
    assert_eq!((id.len(), response.header("x-request-id")), (36, Some(id)));
    assert_eq!((request.header("x-envoy-original-path"), response.header("via")), (None, Some("myvia")));
}

#[test]
fn an_edge_may_keep_the_clients_id_and_leave_the_list_alone() {
    let (request, response) = ask(
        |manager| {
            edge(manager);
            manager.preserve_external_request_id = true;
            manager.skip_xff_append = true;
        },
        "1.2.3.4",
    );
    assert_eq!(
        (request.header("x-forwarded-for"), request.header("x-request-id")),
        (Some("1.2.3.4"), Some("mine"))
    );
    assert_eq!(response.header("x-request-id"), None);
}

#[test]
fn trusted_hops_count_from_the_right() {
    let hops = |manager: &mut Manager| {
        edge(manager);
        internal(manager);
        manager.xff_num_trusted_hops = 1;
    };
    for (xff, who) in [
        ("1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "10.0.0.1"),
        ("1.2.3.4,10.0.0.1", "10.0.0.1"),
        ("junk", "127.0.0.1"),
    ] {
        let (request, _) = ask(hops, xff);
        assert_eq!(request.header("x-envoy-external-address"), Some(who), "{xff}");
        assert_eq!(request.header("x-forwarded-proto"), Some("https"), "{xff}");
        assert_eq!(request.header("x-envoy-internal"), None, "{xff}");
    }
    let (request, _) = ask(hops, "");
    assert_eq!(request.header("x-envoy-internal"), Some("true"), "nobody is between an internal peer and us");
    assert_eq!(request.header("x-envoy-external-address"), Some("9.9.9.9"));
}

#[test]
fn only_one_internal_address_alone_in_the_list_is_internal() {
    for (xff, inside) in
        [("10.0.0.1", true), ("1.2.3.4", false), ("1.2.3.4,10.0.0.1", false), ("junk", false), ("", false)]
    {
        let (request, response) = ask(internal, xff);
        assert_eq!(request.header("x-envoy-internal").is_some(), inside, "{xff}");
        assert_eq!(
            request.header("x-envoy-retry-on"),
            None,
            "{xff}: what asks for tries ends here either way"
        );
        // Whoever may ask for a trace is told its id.
        assert_eq!(response.header("x-request-id").is_some(), inside, "{xff}");
    }
}
