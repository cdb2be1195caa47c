//! The stat server before a real websocket client, and before whatever else may connect.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::net::SocketAddr;
use std::time::Duration;

use forebay_autoscaler::stat_server::{self, StatServer, Stop};
use forebay_report::metrics::{Stat, WireStatMessage, WireStatMessages};
use futures_util::{SinkExt, StreamExt};
use prost::Message as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Everything here is local; what takes this long is broken.
const LIMIT: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Running {
    address: SocketAddr,
    heard: mpsc::Receiver<WireStatMessages>,
    stop: Stop,
    served: JoinHandle<()>,
}

fn start(capacity: usize) -> Running {
    let server = StatServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = server.address();
    let (frames, heard) = mpsc::channel(capacity);
    let (stop, stopped) = stat_server::stop();
    let served = tokio::spawn(server.serve(frames, stopped));
    Running { address, heard, stop, served }
}

async fn connect(address: SocketAddr, path: &str) -> Socket {
    connect_async(format!("ws://{address}{path}")).await.unwrap().0
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("took too long")
}

fn message(name: &str, concurrency: f64) -> WireStatMessage {
    let stat =
        Stat { pod_name: "gateway".into(), average_concurrent_requests: concurrency, ..Stat::default() };
    WireStatMessage { namespace: "ns".into(), name: name.into(), stat: Some(stat) }
}

fn frame(messages: &[WireStatMessage]) -> WireStatMessages {
    WireStatMessages { messages: messages.to_vec() }
}

fn binary(frame: &WireStatMessages) -> Message {
    Message::binary(frame.encode_to_vec())
}

/// Sends bytes, returns everything until the server closes.
async fn raw(address: SocketAddr, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for piece in pieces {
        // The server may have answered and closed already.
        let _ = stream.write_all(piece).await;
        let _ = stream.flush().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut answer = Vec::new();
    let _ = within(stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn frames_are_heard_on_any_path() {
    let mut running = start(10);
    for path in ["/", "/metrics?x=1", "//healthz"] {
        let mut socket = connect(running.address, path).await;
        let sent = frame(&[message("a", 1.0), message("b", 2.5)]);
        socket.send(binary(&sent)).await.unwrap();
        assert_eq!(within(running.heard.recv()).await, Some(sent));
    }
}

#[tokio::test]
async fn many_reporters_are_heard() {
    let mut running = start(100);
    let mut sockets = Vec::new();
    for n in 0..20 {
        let mut socket = connect(running.address, "/").await;
        socket.send(binary(&frame(&[message("a", f64::from(n))]))).await.unwrap();
        sockets.push(socket);
    }
    let mut sum = 0.0;
    for _ in 0..20 {
        let heard = within(running.heard.recv()).await.unwrap();
        sum += heard.messages[0].stat.as_ref().unwrap().average_concurrent_requests;
    }
    assert_eq!(sum, 190.0);
}

#[tokio::test]
async fn bad_frames_do_not_end_the_connection() {
    let mut running = start(10);
    let mut socket = connect(running.address, "/").await;
    socket.send(Message::binary(vec![0xff; 40])).await.unwrap();
    socket.send(Message::text("not for us")).await.unwrap();
    socket.send(Message::binary(vec![])).await.unwrap();
    let sent = frame(&[message("a", 1.0)]);
    socket.send(binary(&sent)).await.unwrap();
    // The empty frame is a valid batch of nothing.
    assert_eq!(within(running.heard.recv()).await, Some(frame(&[])));
    assert_eq!(within(running.heard.recv()).await, Some(sent));
}

#[tokio::test]
async fn unknown_fields_are_skipped() {
    let mut running = start(10);
    let mut socket = connect(running.address, "/").await;
    let sent = frame(&[message("a", 1.0)]);
    let mut bytes = sent.encode_to_vec();
    // Field 15, a string of two bytes: somebody's extension.
    bytes.extend([0x7a, 2, b'h', b'i']);
    socket.send(Message::binary(bytes)).await.unwrap();
    assert_eq!(within(running.heard.recv()).await, Some(sent));
}

#[tokio::test]
async fn fragmented_messages_are_put_together() {
    let mut running = start(10);
    let mut socket = connect(running.address, "/").await;
    let sent = frame(&[message("a", 1.0), message("b", 2.0)]);
    let bytes = sent.encode_to_vec();
    let (head, tail) = bytes.split_at(7);
    socket
        .send(Message::Frame(Frame::message(head.to_vec(), OpCode::Data(Data::Binary), false)))
        .await
        .unwrap();
    socket.send(Message::Ping(b"between".to_vec().into())).await.unwrap();
    socket
        .send(Message::Frame(Frame::message(tail.to_vec(), OpCode::Data(Data::Continue), true)))
        .await
        .unwrap();
    assert_eq!(within(running.heard.recv()).await, Some(sent));
}

#[tokio::test]
async fn pings_are_answered() {
    let running = start(10);
    let mut socket = connect(running.address, "/").await;
    socket.send(Message::Ping(b"still there?".to_vec().into())).await.unwrap();
    let answer = within(socket.next()).await.unwrap().unwrap();
    assert_eq!(answer, Message::Pong(b"still there?".to_vec().into()));
    drop(running);
}

#[tokio::test]
async fn a_polite_goodbye_is_answered() {
    let running = start(10);
    let mut socket = connect(running.address, "/").await;
    socket.close(None).await.unwrap();
    let answer = within(socket.next()).await;
    assert!(matches!(answer, Some(Ok(Message::Close(_)))), "{answer:?}");
    drop(running);
}

#[tokio::test]
async fn stopping_asks_reporters_to_come_back() {
    let running = start(10);
    let mut sockets = vec![connect(running.address, "/").await, connect(running.address, "/").await];
    drop(running.stop);
    for socket in &mut sockets {
        let close = within(socket.next()).await;
        let Some(Ok(Message::Close(Some(close)))) = close else { panic!("{close:?}") };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (1012, "Restarting"));
        assert_eq!(close.code, CloseCode::Restart);
        // Answers the close frame, as a websocket does.
        assert!(within(socket.next()).await.is_none());
    }
    within(running.served).await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_reporter_that_does_not_answer_cannot_hold_up_a_stop() {
    let running = start(10);
    let socket = connect(running.address, "/").await;
    let half_a_handshake = TcpStream::connect(running.address).await.unwrap();
    drop(running.stop);
    within(running.served).await.unwrap();
    drop((socket, half_a_handshake));
}

#[tokio::test]
async fn a_vanished_reporter_leaves_others_alone() {
    let mut running = start(10);
    let gone = connect(running.address, "/").await;
    let mut stays = connect(running.address, "/").await;
    drop(gone);
    let sent = frame(&[message("a", 1.0)]);
    stays.send(binary(&sent)).await.unwrap();
    assert_eq!(within(running.heard.recv()).await, Some(sent));
}

#[tokio::test]
async fn a_full_channel_makes_reporters_wait_and_loses_nothing() {
    let mut running = start(1);
    let mut socket = connect(running.address, "/").await;
    for n in 0..50 {
        socket.send(binary(&frame(&[message("a", f64::from(n))]))).await.unwrap();
    }
    for n in 0..50 {
        assert_eq!(within(running.heard.recv()).await, Some(frame(&[message("a", f64::from(n))])));
    }
    // Nor does a full channel hold up a stop.
    for n in 0..5 {
        socket.send(binary(&frame(&[message("a", f64::from(n))]))).await.unwrap();
    }
    drop(running.stop);
    within(running.served).await.unwrap();
}

#[tokio::test]
async fn frames_behind_the_handshake_in_one_packet_are_heard() {
    let mut running = start(10);
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let sent = frame(&[message("a", 1.0)]);
    let payload = sent.encode_to_vec();
    let mut bytes = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    // A masked binary frame with a mask of zeroes.
    bytes.extend([0x82, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0]);
    bytes.extend(payload);
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(within(running.heard.recv()).await, Some(sent));
    let mut answer = vec![0; 200];
    let n = within(stream.read(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..n]);
    // The example of RFC 6455, 1.3.
    assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
}

#[tokio::test]
async fn the_kubelets_probes_get_200_unconditionally() {
    let running = start(10);
    for head in [
        &b"GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-probe/1.34\r\n\r\n"[..],
        b"GET / HTTP/1.0\r\nuser-agent: kube-probe/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nK-Kubelet-Probe: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: autoscaler-bucket-00-of-01.x\r\nUser-Agent: kube-probe/\r\n\r\n",
    ] {
        let answer = raw(running.address, &[head]).await;
        assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    // A head that arrives byte by byte, nearly.
    let answer =
        raw(running.address, &[b"GET / HT", b"TP/1.1\r\nUser-Agent: kube", b"-probe/1\r\n", b"\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn what_is_no_websocket_is_refused_by_its_fault() {
    let running = start(10);
    let upgrade = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n\r\n".to_owned(), "426 Upgrade Required"),
        (format!("POST / HTTP/1.1\r\n{upgrade}{key}\r\n"), "405 Method Not Allowed"),
        (format!("GET / HTTP/1.1\r\n{upgrade}Sec-WebSocket-Version: 8\r\n{key}\r\n"), "400 Bad Request"),
        (format!("GET / HTTP/1.1\r\n{upgrade}Sec-WebSocket-Version: 13\r\n\r\n"), "400 Bad Request"),
        (
            format!(
                "GET / HTTP/1.1\r\n{upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n"
            ),
            "400 Bad Request",
        ),
        (
            format!(
                "GET / HTTP/1.1\r\n{upgrade}Sec-WebSocket-Version: 13\r\n{key}Origin: http://evil\r\n\r\n"
            ),
            "403 Forbidden",
        ),
        (format!("GET / HTTP/1.0\r\n{upgrade}Sec-WebSocket-Version: 13\r\n{key}\r\n"), "400 Bad Request"),
        ("NONSENSE\r\n\r\n".to_owned(), "400 Bad Request"),
        ("\u{16}\u{3}\u{1} a TLS hello".to_owned(), "400 Bad Request"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65)), "431 Request Header Fields Too Large"),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(17 << 10)), "431 Request Header Fields Too Large"),
    ] {
        let answer = raw(running.address, &[head.as_bytes()]).await;
        let first = answer.lines().next().unwrap_or_default();
        assert_eq!(first, format!("HTTP/1.1 {status}"), "{head:.80}");
    }
    // Go's http.Error, byte for byte but for the date.
    let answer = raw(running.address, &[b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]).await;
    assert!(answer.ends_with("\r\n\r\nBad Request\n"), "{answer}");
    assert!(
        answer.contains("Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n")
    );
    // A connection that says nothing is a TCP probe.
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    silent.shutdown().await.unwrap();
    assert_eq!(within(silent.read(&mut [0; 1])).await.unwrap(), 0);
}

#[tokio::test]
async fn an_own_origin_is_welcome() {
    let running = start(10);
    let mut request = format!("ws://{}/", running.address).into_client_request().unwrap();
    let origin = format!("http://{}", running.address);
    request.headers_mut().insert("origin", origin.parse().unwrap());
    assert!(within(connect_async(request)).await.is_ok());
}

#[tokio::test]
async fn a_frame_beyond_all_reason_ends_the_connection() {
    let mut running = start(10);
    let mut socket = connect(running.address, "/").await;
    let sent = async {
        socket.send(Message::binary(vec![0; (4 << 20) + 1])).await?;
        loop {
            match socket.next().await {
                None => return Err(Error::ConnectionClosed),
                Some(answer) => _ = answer?,
            }
        }
        #[expect(unreachable_code, reason = "names the type")]
        Ok::<(), Error>(())
    };
    assert!(within(sent).await.is_err());
    // Others are still heard.
    let mut other = connect(running.address, "/").await;
    other.send(binary(&frame(&[message("a", 1.0)]))).await.unwrap();
    assert!(within(running.heard.recv()).await.is_some());
}
