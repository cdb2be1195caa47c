//! Whatever clients and apps do, in the end nothing is in flight and no place is taken.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::support::{Act, App, OK, ask, run, start, until};

/// xorshift64*: a seed names a run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

/// What an app can do to a request, well or badly.
const ACTS: [Act; 12] = [
    Act::Say(OK),
    Act::Hang,
    Act::SayAndClose(""),
    Act::SayAndReset(""),
    Act::SayAndClose("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
    Act::SayAndClose("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnot all"),
    Act::SayAndReset("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnot all"),
    Act::SayAndReset("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel"),
    Act::Say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
    Act::Say("garbage\r\n\r\n"),
    Act::Say(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ),
    Act::Say("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nx"),
];

const REQUESTS: [&str; 8] = [
    "GET / HTTP/1.1\r\nhost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 500\r\n\r\nnot all",
    "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz",
    "POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: h\r\nconnection: http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: h\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: \r\n\
     content-length: 5\r\n\r\nhello",
];

/// A client that asks, may wait a little, and leaves in one of three ways, at a moment of its own.
async fn client(to: std::net::SocketAddr, mut dice: Dice) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let request = REQUESTS[dice.roll(REQUESTS.len() as u64) as usize];
    let cut = if dice.roll(4) == 0 { dice.roll(request.len() as u64) as usize } else { request.len() };
    let _ = stream.write_all(&request.as_bytes()[..cut]).await;
    let mut buffer = [0; 512];
    let wait = Duration::from_millis(dice.roll(20));
    let _ = tokio::time::timeout(wait, stream.read(&mut buffer)).await;
    match dice.roll(3) {
        0 => stream.set_zero_linger().unwrap(),
        1 => drop(stream.shutdown().await),
        _ => {}
    }
}

#[test]
fn clients_and_apps_die_at_random_and_nothing_is_left() {
    for (seed, limit) in [(1, "1"), (2, "3"), (3, "0")] {
        run(async move {
            let dice = Rc::new(std::cell::RefCell::new(Dice(seed * 7919)));
            let acts = dice.clone();
            let app = App::start(move |_| ACTS[acts.borrow_mut().roll(ACTS.len() as u64) as usize]).await;
            let clocks = [("CONTAINER_CONCURRENCY", limit), ("REVISION_TIMEOUT_SECONDS", "5")];
            let proxy = start(app.address, &clocks);
            let main = proxy.addresses().main;
            for round in 0..20u64 {
                let clients: Vec<_> = (0..15u64)
                    .map(|n| spawn_local(client(main, Dice((seed + 1) * 1_000_003 + round * 101 + n))))
                    .collect();
                for one in clients {
                    one.await.unwrap();
                }
                app.go_on();
            }
            until("nothing to be in flight", || proxy.in_flight() == 0 && proxy.taken() == 0).await;
            until("the app to be left alone", || app.running.get() == 0).await;
        });
    }
}

#[test]
fn an_app_that_is_not_there_is_told_in_gos_words() {
    run(async {
        let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = reserved.local_addr().unwrap();
        drop(reserved);
        let proxy = start(nobody, &[("CONTAINER_CONCURRENCY", "1")]);
        let answer = ask(proxy.addresses().main, "/").await;
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("dial tcp {nobody}: connect: connection refused\n")), "{answer}");
        assert_eq!(proxy.taken(), 0);
    });
}

#[test]
fn a_request_that_may_run_twice_survives_a_connection_that_has_died() {
    run(async {
        // The second request on a connection finds it closed after it was sent.
        let app = App::start(|number| match number {
            0 | 2 => Act::Say(OK),
            _ => Act::SayAndClose(""),
        })
        .await;
        let proxy = start(app.address, &[]);
        for _ in 0..2 {
            assert!(ask(proxy.addresses().main, "/").await.starts_with("HTTP/1.1 200 OK"));
        }
        assert_eq!(app.heads.borrow().len(), 3);
    });
}
