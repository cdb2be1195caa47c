//! `Expect: 100-continue`: the gateway's business, said when the body is wanted.

use super::backend::Backend;
use super::resources::Revision;
use super::world::{to, until};

const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";

#[test]
fn the_endpoint_sees_no_expectation_and_the_client_is_told_to_go_on() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send(HEAD);
    assert_eq!(client.response().status, 100);
    client.send("hi");
    assert_eq!(client.response().status, 200);
    let request = backend.request();
    assert_eq!((request.header("expect"), &*request.body), (None, &b"hi"[..]));
}

#[test]
fn the_body_is_wanted_only_once_there_is_somebody_for_it() {
    let backend = Backend::echoing_path();
    let world = to(&[]).revision(Revision::new()).start();
    let mut client = world.connect();
    client.send(HEAD);
    until("the request waits", || world.load().0 == 1);
    assert!(client.is_silent());
    world.set_endpoints(&[backend.address]);
    assert_eq!(client.response().status, 100);
    client.send("hi");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_body_that_came_along_is_taken_all_the_same() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send(format!("{HEAD}hi"));
    assert_eq!((client.response().status, client.response().status), (100, 200));
}

#[test]
fn a_client_of_http2_is_told_to_go_on_as_well() {
    use bytes::Bytes;
    use std::future::poll_fn;
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let whole = world.runtime.block_on(async {
        let mut send = super::h2c::connect(world.address).await;
        let mut request = super::h2c::request("POST", "/expected");
        request.headers_mut().insert("expect", http::HeaderValue::from_static("100-continue"));
        request.headers_mut().insert("content-length", http::HeaderValue::from_static("2"));
        let (mut response, mut body) = send.send_request(request, false).unwrap();
        let interim = poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
        assert_eq!(interim.status(), 100);
        body.send_data(Bytes::from("hi"), true).unwrap();
        super::h2c::whole(response).await.unwrap()
    });
    assert_eq!((whole.status, &*whole.body), (200, &b"/expected"[..]));
    let request = backend.request();
    assert_eq!((request.header("expect"), &*request.body), (None, &b"hi"[..]));
}
