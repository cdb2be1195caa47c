use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::tls::{HandshakeError, TlsStream};

fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.unwrap() });
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(to), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let own = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    (Arc::new(client), Arc::new(server))
}

fn unshaken(client: TcpStream, server: TcpStream) -> (TlsStream, TlsStream) {
    let (for_client, for_server) = configs();
    let name = ServerName::try_from("a.test").unwrap();
    let client_side = ClientConnection::new(for_client, name).unwrap();
    let server_side = ServerConnection::new(for_server).unwrap();
    (
        TlsStream::new(client, client_side.into(), Vec::new()),
        TlsStream::new(server, server_side.into(), Vec::new()),
    )
}

async fn pair() -> (Stream, Stream) {
    let (client, server) = sockets().await;
    let (mut client, mut server) = unshaken(client, server);
    let (one, other) = tokio::join!(client.handshake(), server.handshake());
    one.unwrap();
    other.unwrap();
    (Stream::Tls(Box::new(client)), Stream::Tls(Box::new(server)))
}

#[test]
fn megabytes_pass_both_ways_at_once() {
    run(async {
        let (client, server) = pair().await;
        let data: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 253) as u8).collect();
        let pass = |stream: Stream| {
            let data = data.clone();
            async move {
                let (mut from, mut to) = tokio::io::split(stream);
                let mut got = vec![0; data.len()];
                let write = async {
                    to.write_all(&data).await.unwrap();
                    to.flush().await.unwrap();
                };
                let (read, ()) = tokio::join!(from.read_exact(&mut got), write);
                read.unwrap();
                got == data
            }
        };
        assert_eq!(tokio::join!(pass(client), pass(server)), (true, true));
    });
}

#[test]
fn a_silent_session_is_quiet_though_tickets_have_come() {
    run(async {
        let (mut client, mut server) = pair().await;
        // The server's tickets are on their way or there; either is nothing to the reader.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(client.is_quiet() && client.is_quiet_now() && server.is_quiet_now());
        server.write_all(b"x").await.unwrap();
        while client.is_quiet_now() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(client);
        while server.is_quiet_now() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn what_was_looked_at_is_still_there() {
    run(async {
        let (mut client, mut server) = pair().await;
        let mut first = [0; 8];
        client.write_all(b"abc").await.unwrap();
        let n = std::future::poll_fn(|cx| server.poll_peek(cx, &mut first)).await.unwrap();
        assert_eq!(&first[..n], b"abc");
        client.write_all(b"defghijk").await.unwrap();
        let n = std::future::poll_fn(|cx| server.poll_peek(cx, &mut first)).await.unwrap();
        assert_eq!(&first[..n], b"abcdefgh");
        let mut all = [0; 11];
        server.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"abcdefghijk");
    });
}

#[test]
fn bytes_read_ahead_come_first_and_a_peek_waits_for_more() {
    run(async {
        let (mut client, server) = sockets().await;
        let mut stream = Stream::after(server, b"GE".to_vec());
        let mut first = [0; 4];
        assert_eq!(std::future::poll_fn(|cx| stream.poll_peek(cx, &mut first)).await.unwrap(), 2);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stream.poll_peek(&mut cx, &mut first).is_pending(), "it has shown these two");
        client.write_all(b"T /").await.unwrap();
        let n = std::future::poll_fn(|cx| stream.poll_peek(cx, &mut first)).await.unwrap();
        assert_eq!(&first[..n], b"GET ");
        let mut all = [0; 5];
        stream.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"GET /");
        drop(client);
        assert_eq!(std::future::poll_fn(|cx| stream.poll_peek(cx, &mut first)).await.unwrap(), 0);
    });
}

#[test]
fn closing_says_goodbye_and_a_peer_that_does_not_is_an_end_as_well() {
    run(async {
        let (client, mut server) = pair().await;
        drop(client);
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
        let tls = server.tls().unwrap();
        assert!(!tls.session().is_handshaking());

        let (mut client, server) = pair().await;
        SockRef::from(server.tcp()).shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    });
}

#[test]
fn garbage_is_answered_with_an_alert() {
    run(async {
        let (client, server) = sockets().await;
        let (_, mut server) = unshaken(TcpStream::from_std(client.into_std().unwrap()).unwrap(), server);
        assert!(matches!(server.handshake().await, Err(HandshakeError::Closed)), "its client is gone");

        let (client, server) = sockets().await;
        let mut client = client.into_std().unwrap();
        client.write_all(b"\x16\x03\x01\x00\x04\x05\x00\x00\x00").unwrap();
        let (_spare, at) = sockets().await;
        let (_, mut server) = unshaken(at, server);
        assert!(matches!(server.handshake().await, Err(HandshakeError::Tls(_))));
        drop(server);
        client.set_nonblocking(false).unwrap();
        let mut alert = [0; 7];
        client.read_exact(&mut alert).unwrap();
        assert_eq!((alert[0], alert[5]), (21, 2), "a fatal alert");
    });
}
