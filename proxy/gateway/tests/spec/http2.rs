//! HTTP/2 with prior knowledge on the same port, and every mixture of protocols.

use bytes::Bytes;
use http::HeaderMap;

use super::backend::Backend;
use super::background::Background;
use super::h2c;
use super::resources::Revision;
use super::world::{to, until};

fn trailers(name: &'static str, value: &'static str) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(name, value.parse().unwrap());
    map
}

#[test]
fn h2_to_h1_carries_body_and_trailers() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n5\r\nthere\r\n0\r\nx-sum: 9\r\n\r\n",
    );
    let world = to(&[backend.address]).start();
    world.runtime.block_on(async {
        let mut send = h2c::connect(world.address).await;
        let (response, mut body) = send.send_request(h2c::request("POST", "/x"), false).unwrap();
        h2c::send_all(&mut body, Bytes::from_static(b"hi")).await;
        body.send_trailers(trailers("x-more", "yes")).unwrap();
        let whole = h2c::whole(response).await.unwrap();
        assert_eq!((whole.status, &*whole.body), (200, &b"there"[..]));
        assert_eq!(whole.trailers.unwrap()["x-sum"], "9");
        assert!(
            !whole.headers.contains_key("connection") && !whole.headers.contains_key("transfer-encoding")
        );
    });
    let request = backend.request();
    assert_eq!((request.line(), request.header("host")), ("POST /x HTTP/1.1", Some("a")));
    assert_eq!((&*request.body, &*request.trailers), (&b"hi"[..], "x-more: yes"));
}

#[test]
fn h1_to_h2_carries_body_and_trailers() {
    let runtime = Background::start();
    let backend = h2c::backend(&runtime, |request, body, sent| {
        assert_eq!(request.uri().path_and_query().unwrap(), "/x?y");
        assert_eq!(request.uri().authority().unwrap(), "a");
        assert!(!request.headers().contains_key("host"));
        assert_eq!(sent.unwrap()["x-more"], "yes");
        (body, Some(trailers("grpc-status", "0")))
    });
    let world = to(&[backend]).h2c().start();
    let mut client = world.connect();
    for _ in 0..3 {
        client.send("POST /x?y HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-more: yes\r\n\r\n");
        let response = client.response();
        assert_eq!((response.status, response.text()), (200, "hi"));
        assert_eq!(response.trailers, [("grpc-status".to_owned(), "0".to_owned())]);
    }
}

#[test]
fn h2_to_h2_runs_many_streams_of_big_bodies_at_once() {
    let runtime = Background::start();
    let backend = h2c::backend(&runtime, |_, body, _| (body, Some(trailers("grpc-status", "0"))));
    let world = to(&[backend]).h2c().workers(2).start();
    world.runtime.block_on(async {
        let send = h2c::connect(world.address).await;
        let mut streams = tokio::task::JoinSet::new();
        for i in 0..20u8 {
            let mut send = send.clone();
            streams.spawn(async move {
                let (response, mut body) = send.send_request(h2c::request("POST", "/"), false).unwrap();
                let data = Bytes::from(vec![i; 300_000]);
                h2c::send_all(&mut body, data.clone()).await;
                body.send_data(Bytes::new(), true).unwrap();
                let whole = h2c::whole(response).await.unwrap();
                assert!(whole.body == data && whole.trailers.unwrap()["grpc-status"] == "0");
            });
        }
        while let Some(done) = streams.join_next().await {
            done.unwrap();
        }
    });
}

#[test]
fn a_truncated_response_resets_the_stream_and_leaves_the_others_alone() {
    let backend = Backend::start(|mut conn| {
        while let Some(request) = conn.request() {
            match request.path() {
                "/cut" => return conn.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
                path => conn.answer(path),
            }
        }
    });
    let world = to(&[backend.address]).start();
    world.runtime.block_on(async {
        let mut send = h2c::connect(world.address).await;
        let (cut, _) = send.send_request(h2c::request("GET", "/cut"), true).unwrap();
        let error = h2c::whole(cut).await.err().unwrap();
        assert!(error.is_reset() && error.is_remote(), "{error}");
        let (good, _) = send.send_request(h2c::request("GET", "/good"), true).unwrap();
        assert_eq!(h2c::whole(good).await.unwrap().body, b"/good");
    });
}

#[test]
fn a_stream_that_is_reset_while_it_waits_frees_its_place() {
    let world = to(&[]).revision(Revision::new()).start();
    world.runtime.block_on(async {
        let mut send = h2c::connect(world.address).await;
        let (response, mut stream) = send.send_request(h2c::request("POST", "/"), false).unwrap();
        until("it waits", || world.load().0 == 1);
        stream.send_reset(h2::Reason::CANCEL);
        until("its place is free", || world.load().0 == 0);
        drop(response);
    });
}

#[test]
fn head_and_204_have_no_body_in_h2() {
    let backend = Backend::start(|mut conn| {
        while let Some(request) = conn.request() {
            conn.send(match request.path() {
                "/head" => "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
                _ => "HTTP/1.1 204 No Content\r\n\r\n",
            });
        }
    });
    let world = to(&[backend.address]).start();
    world.runtime.block_on(async {
        let mut send = h2c::connect(world.address).await;
        for (method, path, status) in [("HEAD", "/head", 200), ("GET", "/none", 204), ("HEAD", "/head", 200)]
        {
            let (response, _) = send.send_request(h2c::request(method, path), true).unwrap();
            let whole = h2c::whole(response).await.unwrap();
            assert_eq!((whole.status, whole.body.len()), (status, 0));
            send = send.ready().await.unwrap();
        }
    });
}
