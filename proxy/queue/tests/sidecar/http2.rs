//! HTTP/2 in clear text: the app is spoken to as the client speaks, bodies flow both ways at once, trailers arrive, and streams give
//! back what they hold however they end.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use crate::support::{Act, App, OK, run, start, until};

/// An app of HTTP/2: `/echo` sends each piece back as it comes and then trailers, `/hang` never answers, others answer at once.
async fn app() -> (SocketAddr, Rc<std::cell::RefCell<Vec<HeaderMap>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Rc::<std::cell::RefCell<Vec<HeaderMap>>>::default();
    let all = seen.clone();
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let all = all.clone();
            spawn_local(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    all.borrow_mut().push(request.headers().clone());
                    spawn_local(answer(request, respond));
                }
            });
        }
    });
    (address, seen)
}

async fn answer(request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    match request.uri().path() {
        "/hang" => {
            let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
        }
        "/echo" => {
            let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let mut send = respond.send_response(response, false).unwrap();
            let mut body = request.into_body();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                send.send_data(data, false).unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            send.send_trailers(trailers).unwrap();
        }
        _ => {
            let mut send = respond.send_response(Response::new(()), false).unwrap();
            send.send_data(Bytes::from_static(b"ok"), true).unwrap();
        }
    }
}

async fn client(to: SocketAddr) -> SendRequest<Bytes> {
    let (send, connection) = h2::client::handshake(TcpStream::connect(to).await.unwrap()).await.unwrap();
    spawn_local(async move { drop(connection.await) });
    send.ready().await.unwrap()
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://hello.example.com{path}")).body(()).unwrap()
}

async fn body(mut stream: h2::RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.unwrap();
        let _ = stream.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    all
}

#[test]
fn a_stream_goes_to_the_app_as_a_stream() {
    run(async {
        let (address, seen) = app().await;
        let proxy = start(address, &[("CONTAINER_CONCURRENCY", "5")]);
        let mut send = client(proxy.addresses().main).await;
        for _ in 0..3 {
            let (response, _) = send.send_request(get("/"), true).unwrap();
            let response = response.await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(response.headers().contains_key("date"));
            assert_eq!(body(response.into_body()).await, b"ok");
        }
        assert_eq!(seen.borrow().len(), 3);
        assert_eq!(seen.borrow()[0]["x-forwarded-for"], "127.0.0.1");
        until("nothing to be left", || proxy.in_flight() == 0 && proxy.taken() == 0).await;
    });
}

#[test]
fn both_directions_flow_at_once_and_trailers_arrive() {
    run(async {
        let (address, seen) = app().await;
        let proxy = start(address, &[]);
        let mut send = client(proxy.addresses().main).await;
        let request = Request::post("http://h/echo").header("te", "trailers").body(()).unwrap();
        let (response, mut up) = send.send_request(request, false).unwrap();
        up.send_data(Bytes::from_static(b"first"), false).unwrap();
        // The answer comes while the question is still being asked.
        let mut down = response.await.unwrap().into_body();
        assert_eq!(down.data().await.unwrap().unwrap(), "first");
        up.send_data(Bytes::from_static(b"second"), true).unwrap();
        let mut rest = Vec::new();
        while let Some(data) = down.data().await {
            rest.extend_from_slice(&data.unwrap());
        }
        assert_eq!(rest, b"second");
        assert_eq!(down.trailers().await.unwrap().unwrap()["grpc-status"], "0");
        assert_eq!(seen.borrow()[0]["te"], "trailers");
    });
}

#[test]
fn a_stream_that_is_reset_gives_its_place_back() {
    run(async {
        let (address, seen) = app().await;
        let proxy = start(address, &[("CONTAINER_CONCURRENCY", "1")]);
        let mut send = client(proxy.addresses().main).await;
        let (_running, mut first) = send.send_request(get("/hang"), false).unwrap();
        until("the first to run", || seen.borrow().len() == 1).await;
        let (_waiting, mut second) = send.send_request(get("/"), false).unwrap();
        until("the second to wait", || proxy.taken() == 2).await;
        second.send_reset(h2::Reason::CANCEL);
        until("the second to be gone", || proxy.taken() == 1).await;
        first.send_reset(h2::Reason::CANCEL);
        until("nobody to be left", || proxy.taken() == 0 && proxy.in_flight() == 0).await;
        let (response, _) = send.send_request(get("/"), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200, "the connection goes on");
    });
}

#[test]
fn clocks_end_streams() {
    run(async {
        let (address, _) = app().await;
        let proxy = start(address, &[("REVISION_TIMEOUT_SECONDS", "1")]);
        let mut send = client(proxy.addresses().main).await;
        let (response, _) = send.send_request(get("/hang"), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 504);
        assert_eq!(body(response.into_body()).await, b"request timeout");
        until("nobody to be left", || proxy.in_flight() == 0).await;
    });
}

#[test]
fn an_app_that_speaks_no_http2_is_a_bad_gateway() {
    run(async {
        let app = crate::support::App::start(|_| {
            crate::support::Act::SayAndClose("HTTP/1.1 400 Bad Request\r\n\r\n")
        })
        .await;
        let proxy = start(app.address, &[]);
        let mut send = client(proxy.addresses().main).await;
        let (response, _) = send.send_request(get("/"), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 502);
    });
}

#[test]
fn probes_are_answered_on_http2_too() {
    run(async {
        let (address, seen) = app().await;
        let proxy = start(address, &[]);
        let mut send = client(proxy.addresses().main).await;
        let probe =
            Request::get("http://h/").header("user-agent", "kube-probe/1").header("k-network-probe", "queue");
        let (response, _) = send.send_request(probe.body(()).unwrap(), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(body(response.into_body()).await, b"queue");
        assert_eq!(seen.borrow().len(), 0);
    });
}

/// RFC 7540 3.2: the request is HTTP/1.1, its answer stream 1.
#[test]
fn who_asks_for_http2_by_an_upgrade_is_answered_by_it() {
    run(async {
        let app = App::start(|_| Act::Say(OK)).await;
        let proxy = start(app.address, &[]);
        let mut client = TcpStream::connect(proxy.addresses().main).await.unwrap();
        let asks = "POST /a HTTP/1.1\r\nhost: h\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
                    http2-settings: AAMAAABk\r\ncontent-length: 5\r\n\r\nhello";
        client.write_all(asks.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        let head = loop {
            if let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") {
                break heard.drain(..end + 4).collect::<Vec<u8>>();
            }
            assert!(client.read_buf(&mut heard).await.unwrap() > 0);
        };
        assert!(head.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"), "{head:?}");
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        // Kind and stream of each frame, until the one that ends stream 1.
        let mut frames = Vec::new();
        loop {
            while heard.len() < 9 || heard.len() < 9 + usize::from(heard[1]) * 256 + usize::from(heard[2]) {
                assert!(client.read_buf(&mut heard).await.unwrap() > 0, "{frames:?}");
            }
            let length = usize::from(heard[1]) * 256 + usize::from(heard[2]);
            let frame: Vec<u8> = heard.drain(..9 + length).collect();
            frames.push((frame[3], frame[8]));
            if frame[8] == 1 && frame[4] & 1 != 0 {
                break;
            }
        }
        let first: Vec<u8> =
            frames.iter().filter(|(_, stream)| *stream == 1).map(|(kind, _)| *kind).collect();
        assert_eq!(first.first(), Some(&1), "HEADERS come first: {frames:?}");
        assert!(first.contains(&0), "DATA follows: {frames:?}");
        let asked = app.heads.borrow()[0].to_ascii_lowercase();
        assert!(
            asked.starts_with("post /a http/1.1\r\n") && asked.contains("content-length: 5\r\n"),
            "{asked}"
        );
        assert!(!asked.contains("http2-settings"), "{asked}");
        drop(client);
        until("nothing to be in flight", || proxy.in_flight() == 0).await;
    });
}
