//! The `h2` crate as the other side, for both of ours.

use bytes::Bytes;
use forebay_http::Pool;
use forebay_http::h2::{self as ours, Settings};
use http::{HeaderMap, Request, Response};
use proptest::prelude::*;

use super::serve::{ask, request, run, server};

/// Sends as the window allows.
async fn send_all(stream: &mut h2::SendStream<Bytes>, mut data: Bytes) {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return };
        stream.send_data(data.split_to(room.min(data.len())), false).unwrap();
    }
}

async fn read(mut body: h2::RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    (all, body.trailers().await.unwrap())
}

/// Echoes head, body and trailers with the `h2` crate, after an interim response.
fn their_server(io: tokio::io::DuplexStream, window: u32) {
    tokio::task::spawn_local(async move {
        let mut builder = h2::server::Builder::new();
        let mut connection = builder
            .initial_window_size(window)
            .max_concurrent_streams(3)
            .handshake::<_, Bytes>(io)
            .await
            .unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            tokio::task::spawn_local(async move {
                let (parts, body) = request.into_parts();
                respond.send_informational(Response::builder().status(103).body(()).unwrap()).unwrap();
                let mut response = Response::new(());
                *response.headers_mut() = parts.headers;
                let path = parts.uri.path_and_query().unwrap().as_str();
                response.headers_mut().insert("x-path", path.parse().unwrap());
                response
                    .headers_mut()
                    .insert("x-authority", parts.uri.authority().unwrap().as_str().parse().unwrap());
                let (body, trailers) = read(body).await;
                let mut stream = respond.send_response(response, false).unwrap();
                send_all(&mut stream, body.into()).await;
                match trailers {
                    Some(trailers) => stream.send_trailers(trailers).unwrap(),
                    None => stream.send_data(Bytes::new(), true).unwrap(),
                }
            });
        }
    });
}

fn big(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 7 + i / 251) as u8).collect()
}

#[test]
fn our_client_and_their_server() {
    for window in [1, 100, 65_535, 1 << 20] {
        run(async {
            let (a, b) = tokio::io::duplex(4096);
            their_server(b, window);
            let (send, connection) = ours::connect(a, &Pool::new(), &Settings::default());
            tokio::task::spawn_local(connection);
            let size = if window < 1000 { 2_000 } else { 300_000 };
            let mut tasks = Vec::new();
            for i in 0..12 {
                let mut send = send.clone();
                tasks.push(tokio::task::spawn_local(async move {
                    let body = if i % 4 == 3 { Vec::new() } else { big(size + i) };
                    let mut head = request("POST", &format!("/path/{i}?x"));
                    head.push(b"x-number", i.to_string().as_bytes());
                    head.push(b"cookie", b"secret=1");
                    let trailer = (i % 2 == 0).then_some("yes");
                    let whole = ask(&mut send, &head, &body, trailer).await.unwrap();
                    assert_eq!((whole.head.status, &*whole.interim), (200, &[103][..]));
                    assert_eq!(whole.head.get(b"x-path"), Some(format!("/path/{i}?x").as_bytes()));
                    assert_eq!(whole.head.get(b"x-authority"), Some(&b"a.example.com"[..]));
                    assert_eq!(whole.head.get(b"x-number"), Some(i.to_string().as_bytes()));
                    assert_eq!(whole.head.get(b"cookie"), Some(&b"secret=1"[..]));
                    assert!(whole.body == body, "{} of {} bytes", whole.body.len(), body.len());
                    assert_eq!(whole.trailer.as_deref(), trailer);
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}

#[test]
fn their_client_and_our_server() {
    for window in [1, 100, 65_535, 1 << 20] {
        run(async {
            let (a, b) = tokio::io::duplex(4096);
            let (seen, ended) = server(a);
            let (send, connection) = h2::client::Builder::new()
                .initial_window_size(window)
                .handshake::<_, Bytes>(b)
                .await
                .unwrap();
            tokio::task::spawn_local(connection);
            let size = if window < 1000 { 2_000 } else { 300_000 };
            let mut tasks = Vec::new();
            for i in 0..12 {
                let send = send.clone();
                tasks.push(tokio::task::spawn_local(async move {
                    let request = Request::builder()
                        .method("POST")
                        .uri("http://a/echo")
                        .header("x-n", i)
                        .body(())
                        .unwrap();
                    let (response, mut stream) =
                        send.ready().await.unwrap().send_request(request, false).unwrap();
                    let body = big(size + i);
                    let sent = async {
                        send_all(&mut stream, body.clone().into()).await;
                        let mut trailers = HeaderMap::new();
                        trailers.insert("x-trailer", "yes".parse().unwrap());
                        stream.send_trailers(trailers).unwrap();
                    };
                    let answered = async { read(response.await.unwrap().into_body()).await };
                    let ((), (back, trailers)) = tokio::join!(sent, answered);
                    assert!(back == body && trailers.unwrap()["x-trailer"] == "yes");
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            drop(send);
            assert_eq!(ended.await.unwrap(), Ok(()));
            assert_eq!(seen.borrow().read, 12 * size + 66);
            assert!(seen.borrow().gone.is_empty());
        });
    }
}

#[test]
fn streams_that_nobody_reads_leave_the_window_to_the_others() {
    run(async {
        let (a, b) = tokio::io::duplex(1 << 16);
        let (seen, _ended) = server(a);
        let (send, connection) = h2::client::Builder::new().handshake::<_, Bytes>(b).await.unwrap();
        tokio::task::spawn_local(connection);
        let post =
            |path: &str| Request::builder().method("POST").uri(format!("http://a{path}")).body(()).unwrap();
        let mut held = Vec::new();
        // All but one stream's share of the connection's window.
        for _ in 0..15 {
            let mut ready = send.clone().ready().await.unwrap();
            let (response, mut stream) = ready.send_request(post("/hold"), false).unwrap();
            send_all(&mut stream, big(64 * 1024).into()).await;
            held.push((response, stream));
        }
        let (response, mut stream) = send.ready().await.unwrap().send_request(post("/echo"), false).unwrap();
        let body = big(1_000_000);
        let sent = async {
            send_all(&mut stream, body.clone().into()).await;
            stream.send_data(Bytes::new(), true).unwrap();
        };
        let answered = async { read(response.await.unwrap().into_body()).await };
        let ((), (back, _)) = tokio::join!(sent, answered);
        assert!(back == body);
        assert_eq!((seen.borrow().taken, seen.borrow().read), (16, 1_000_000));
    });
}

#[test]
fn our_client_and_our_server() {
    run(async {
        let (a, b) = tokio::io::duplex(1 << 16);
        let (seen, _ended) = server(a);
        let (mut send, connection) = ours::connect(b, &Pool::new(), &Settings::default());
        tokio::task::spawn_local(connection);
        for i in 0..300 {
            let whole = ask(&mut send, &request("GET", "/5000"), &[], None).await.unwrap();
            assert_eq!((whole.head.status, whole.body.len(), whole.trailer), (200, 5000, None), "{i}");
        }
        // A head that needs several frames.
        let mut large = request("POST", "/echo");
        large.push(b"x-large", &[b'a'; 10_000]);
        large.push(b"x-larger", &[b'~'; 5_000]);
        let whole = ask(&mut send, &large, b"hello", Some("x")).await.unwrap();
        assert_eq!((&*whole.body, whole.trailer.as_deref()), (&b"hello"[..], Some("x")));
        assert_eq!(seen.borrow().taken, 301);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Sequences of heads through both tables, and back.
    #[test]
    fn heads_survive_the_way_there_and_back(
        heads in proptest::collection::vec(
            proptest::collection::vec(("x-[a-f]{1,3}", "[!-~]([ -~]{0,30}[!-~])?"), 0..10), 1..30)
    ) {
        run(async move {
            let (a, b) = tokio::io::duplex(1 << 16);
            their_server(b, 65_535);
            let (mut send, connection) = ours::connect(a, &Pool::new(), &Settings::default());
            tokio::task::spawn_local(connection);
            for fields in heads {
                let mut head = request("GET", "/");
                fields.iter().for_each(|(name, value)| head.push(name.as_bytes(), value.as_bytes()));
                let whole = ask(&mut send, &head, &[], None).await.unwrap();
                for (name, _) in &fields {
                    let sent: Vec<_> = head.values(name.as_bytes()).collect();
                    let back: Vec<_> = whole.head.values(name.as_bytes()).collect();
                    assert_eq!(sent, back, "{name}");
                }
            }
        });
    }
}
