//! A client that goes while its request waits frees its place at once, however it goes.

use super::backend::Backend;
use super::resources::Revision;
use super::world::{World, to, until};

fn waiting() -> (World, super::client::Client) {
    let world = to(&[]).revision(Revision::new()).start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("it waits", || world.load().0 == 1);
    (world, client)
}

#[test]
fn with_a_fin() {
    let (world, client) = waiting();
    drop(client);
    until("its place is free", || world.load().0 == 0);
    assert_eq!(world.stat("cluster.backend.forebay_wait_cancelled"), 1);
}

#[test]
fn with_a_reset() {
    let (world, client) = waiting();
    client.reset();
    until("its place is free", || world.load().0 == 0);
}

#[test]
fn but_not_one_that_only_has_nothing_more_to_say() {
    let (world, mut client) = waiting();
    client.half_close();
    std::thread::sleep(std::time::Duration::from_millis(150));
    assert_eq!(world.load().0, 1);
    let backend = Backend::echoing_path();
    world.set_endpoints(&[backend.address]);
    let mut response = client.response();
    while response.status == 100 {
        response = client.response();
    }
    assert_eq!((response.status, response.text()), (200, "/"));
}

#[test]
fn nothing_is_sent_for_those_who_left() {
    let (world, client) = waiting();
    drop(client);
    until("its place is free", || world.load().0 == 0);
    let backend = Backend::echoing_path();
    world.set_endpoints(&[backend.address]);
    assert_eq!(world.connect().get("/stays").text(), "/stays");
    assert_eq!(backend.requests().len(), 1);
}
