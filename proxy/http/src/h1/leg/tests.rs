use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use tokio::net::TcpStream;

use super::*;
use crate::buf::SIZE;
use crate::h1::{Framing, Limits, Persist};
use crate::head::Version;
use crate::leg::{Flow, Piece, Sink, Source};

/// A leg on one end of a real connection, and the other end.
async fn pair() -> (Leg, std::net::TcpStream, Rc<Pool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_nodelay(true).unwrap();
    let (own, _) = listener.accept().unwrap();
    own.set_nonblocking(true).unwrap();
    let pool = Pool::new();
    (Leg::new(Stream::Plain(TcpStream::from_std(own).unwrap()), pool.clone(), None), peer, pool)
}

fn run<F: Future<Output = ()>>(test: F) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

async fn request(leg: &mut Leg, head: &mut Head) -> Option<crate::h1::RequestMeta> {
    poll_fn(|cx| leg.poll_request(cx, head, &Limits::default())).await.unwrap()
}

async fn body(leg: &mut Leg) -> Result<Vec<u8>, crate::h1::BodyError> {
    let mut all = Vec::new();
    loop {
        match poll_fn(|cx| leg.poll_piece(cx)).await? {
            Piece::Data(n) => {
                all.extend_from_slice(leg.data(n));
                leg.consume(n);
            }
            Piece::End => return Ok(all),
        }
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_is_a_head() {
    run(async {
        let (mut leg, mut peer, _) = pair().await;
        let sender = thread::spawn(move || {
            for byte in b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc" {
                peer.write_all(&[*byte]).unwrap();
            }
            peer
        });
        let mut head = Head::default();
        let meta = request(&mut leg, &mut head).await.unwrap();
        assert_eq!((head.path(), meta.framing), (&b"/x"[..], Framing::Length(3)));
        assert_eq!(body(&mut leg).await.unwrap(), b"abc");
        assert!(leg.is_idle());
        drop(sender.join().unwrap());
    });
}

#[test]
fn pipelined_requests_come_one_after_the_other() {
    run(async {
        let (mut leg, mut peer, _) = pair().await;
        let mut all = String::new();
        for i in 0..100 {
            all += &format!("POST /{i} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{i:02}");
        }
        peer.write_all(all.as_bytes()).unwrap();
        let mut head = Head::default();
        for i in 0..100 {
            request(&mut leg, &mut head).await.unwrap();
            assert_eq!(head.path(), format!("/{i}").as_bytes());
            assert_eq!(body(&mut leg).await.unwrap(), format!("{i:02}").as_bytes());
        }
        drop(peer);
        assert!(request(&mut leg, &mut head).await.is_none(), "a clean end between requests");
    });
}

#[test]
fn chunks_of_every_size_join_to_the_same_body() {
    run(async {
        for size in [1, 2, 15, 16, 17, 255, 4096, SIZE - 1, SIZE, SIZE + 1, 100_000] {
            let (mut leg, mut peer, _) = pair().await;
            let data: Vec<u8> = (0..150_000u32).map(|i| (i % 251) as u8).collect();
            let sent = data.clone();
            let sender = thread::spawn(move || {
                let mut out = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
                for piece in sent.chunks(size) {
                    out.extend(format!("{:x}\r\n", piece.len()).bytes());
                    out.extend(piece);
                    out.extend(b"\r\n");
                }
                out.extend(b"0\r\nx-sum: 9\r\n\r\n");
                peer.write_all(&out).unwrap();
                peer
            });
            let mut head = Head::default();
            request(&mut leg, &mut head).await.unwrap();
            assert!(body(&mut leg).await.unwrap() == data, "chunks of {size}");
            assert_eq!(leg.trailers().and_then(|t| t.get(b"x-sum")), Some(&b"9"[..]));
            assert!(leg.is_idle());
            drop(sender.join().unwrap());
        }
    });
}

#[test]
fn a_connection_that_ends_inside_a_message_is_not_a_clean_end() {
    run(async {
        let (mut leg, mut peer, _) = pair().await;
        peer.write_all(b"GET / HTTP/1.1\r\nhost").unwrap();
        drop(peer);
        let mut head = Head::default();
        let end = poll_fn(|cx| leg.poll_request(cx, &mut head, &Limits::default())).await;
        assert!(matches!(end, Err(HeadError::Truncated)));

        for cut in ["content-length: 5\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
            let (mut leg, mut peer, _) = pair().await;
            peer.write_all(format!("POST / HTTP/1.1\r\nhost: a\r\n{cut}").as_bytes()).unwrap();
            drop(peer);
            request(&mut leg, &mut head).await.unwrap();
            assert!(matches!(body(&mut leg).await, Err(crate::h1::BodyError::Truncated)), "{cut}");
        }
    });
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    run(async {
        let (mut leg, mut peer, pool) = pair().await;
        peer.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut head = Head::default();
        request(&mut leg, &mut head).await.unwrap();
        let mut res = Head::default();
        res.status = 204;
        leg.start_response(&res, Framing::None, Persist::Default, Version::H11);
        poll_fn(|cx| leg.poll_flush(cx)).await.unwrap();
        assert_eq!(pool.spare(), 1, "the read buffer is back");
        poll_fn(|cx| {
            assert!(leg.poll_request(cx, &mut head, &Limits::default()).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(pool.spare(), 1, "waiting for the next request takes none");
        assert_eq!((leg.out.capacity(), leg.inbuf.is_none()), (0, true));
        drop(peer);
    });
}

#[test]
fn a_sink_that_takes_nothing_stops_the_source() {
    run(async {
        let (mut from, mut sender, _) = pair().await;
        let (mut to, mut receiver, _) = pair().await;
        const ALL: usize = 32 << 20;
        sender
            .write_all(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {ALL}\r\n\r\n").as_bytes())
            .unwrap();
        let mut head = Head::default();
        let meta = request(&mut from, &mut head).await.unwrap();
        to.start_request(&head, meta.framing);
        let sending = thread::spawn(move || {
            sender.write_all(&vec![b'x'; ALL]).unwrap();
            sender
        });
        let mut flow = Flow::default();
        // Nobody reads: the kernel's buffers fill, and then nothing moves any more.
        let mut before = u64::MAX;
        while before != flow.bytes {
            before = flow.bytes;
            poll_fn(|cx| {
                assert!(flow.poll(cx, &mut from, &mut to).is_pending());
                Poll::Ready(())
            })
            .await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert!(flow.bytes < ALL as u64 && from.buffered() <= SIZE, "{} bytes moved", flow.bytes);
        let reading = thread::spawn(move || {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                receiver.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            let mut left = ALL;
            let mut piece = vec![0; 1 << 16];
            while left > 0 {
                left -= receiver.read(&mut piece).unwrap();
            }
        });
        poll_fn(|cx| flow.poll(cx, &mut from, &mut to)).await.unwrap();
        assert_eq!(flow.bytes, ALL as u64);
        reading.join().unwrap();
        drop(sending.join().unwrap());
    });
}

#[test]
fn a_small_answer_leaves_in_one_write() {
    run(async {
        let (mut leg, mut peer, _) = pair().await;
        let mut res = Head::default();
        res.status = 200;
        leg.start_response(&res, Framing::Length(5), Persist::Default, Version::H11);
        assert_eq!(poll_fn(|cx| leg.poll_send(cx, b"hello")).await.unwrap(), 5);
        leg.finish(None).unwrap();
        poll_fn(|cx| leg.poll_flush(cx)).await.unwrap();
        let mut bytes = [0; 256];
        let n = peer.read(&mut bytes).unwrap();
        assert_eq!(&bytes[..n], b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    });
}

#[test]
fn a_large_body_leaves_behind_its_head_whatever_the_socket_takes() {
    run(async {
        let (mut leg, mut peer, _) = pair().await;
        let mut res = Head::default();
        res.status = 200;
        let body: Vec<u8> = (0..4_000_000u32).map(|n| (n % 251) as u8).collect();
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all
        });
        leg.start_response(&res, Framing::Length(body.len() as u64), Persist::Default, Version::H11);
        let mut at = 0;
        while at < body.len() {
            // The first piece does not fit beside the head; the last ones are small.
            let piece = &body[at..body.len().min(at + SIZE * 3 + at % 7)];
            at += poll_fn(|cx| leg.poll_send(cx, piece)).await.unwrap();
        }
        leg.finish(None).unwrap();
        poll_fn(|cx| leg.poll_flush(cx)).await.unwrap();
        drop(leg);
        let all = reader.join().unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 4000000\r\n\r\n";
        assert!(all.starts_with(head) && all[head.len()..] == body);
    });
}

#[test]
fn a_body_shorter_than_announced_is_an_error_and_a_longer_one_is_cut() {
    run(async {
        let (mut leg, peer, _) = pair().await;
        let mut res = Head::default();
        res.status = 200;
        leg.start_response(&res, Framing::Length(5), Persist::Default, Version::H11);
        assert_eq!(poll_fn(|cx| leg.poll_send(cx, b"abc")).await.unwrap(), 3);
        assert!(leg.finish(None).is_err());

        leg.start_response(&res, Framing::Length(2), Persist::Default, Version::H11);
        assert_eq!(poll_fn(|cx| leg.poll_send(cx, b"abc")).await.unwrap(), 2);
        assert!(poll_fn(|cx| leg.poll_send(cx, b"c")).await.is_err());
        drop(peer);
    });
}

#[test]
fn a_pooled_connection_that_was_closed_is_not_quiet_even_when_the_reactor_has_not_heard() {
    run(async {
        let (mut leg, mut peer, _) = pair().await;
        peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        let mut res = Head::default();
        poll_fn(|cx| leg.poll_response(cx, &mut res, &Limits::default(), false)).await.unwrap();
        assert!(leg.is_idle() && leg.is_quiet_now());
        drop(peer);
        // Nothing was awaited since: the reactor cannot know.
        assert!(!leg.is_quiet_now());
    });
}
