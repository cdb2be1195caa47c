//! Interim responses of the endpoint.

use super::backend::Backend;
use super::world::to;

#[test]
fn early_hints_are_passed_on_before_the_answer() {
    let backend = Backend::answering(
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\nconnection: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    );
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let interim = client.response();
        assert_eq!((interim.status, interim.header("link")), (103, Some("</a.css>")));
        assert_eq!(interim.header("connection"), None);
        assert_eq!(client.response().text(), "hi");
    }
}

#[test]
fn a_hundred_of_the_endpoint_is_not_the_clients() {
    let backend =
        Backend::answering("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_switch_nobody_asked_for_is_refused() {
    let backend =
        Backend::answering_once("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
    let world = to(&[backend.address]).start();
    assert_eq!(world.connect().get("/").status, 502);
}
