//! PINGs that find a connection dead before a request does. Knows no streams.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep};

/// When to ask, and how long to wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Between an answer and the next PING.
    pub interval: Duration,
    /// A PING not answered for so long has found the connection dead.
    pub timeout: Duration,
}

/// Asks a connection whether it lives.
pub struct Pinger {
    pings: PingPong,
    keepalive: Keepalive,
    asked: bool,
    alarm: Pin<Box<Sleep>>,
}

impl Pinger {
    /// The first PING goes out after one interval.
    pub fn new(pings: PingPong, keepalive: Keepalive) -> Self {
        Self { pings, keepalive, asked: false, alarm: Box::pin(tokio::time::sleep(keepalive.interval)) }
    }

    /// Ready when the connection is dead. To be polled by whoever polls the connection.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.asked {
                match self.pings.poll_pong(cx) {
                    Poll::Ready(Ok(_)) => {
                        self.asked = false;
                        self.alarm.as_mut().reset(Instant::now() + self.keepalive.interval);
                    }
                    // The connection is ending: its own poll says how.
                    Poll::Ready(Err(_)) => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            if self.alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.asked || self.pings.send_ping(Ping::opaque()).is_err() {
                return Poll::Ready(());
            }
            self.asked = true;
            self.alarm.as_mut().reset(Instant::now() + self.keepalive.timeout);
        }
    }
}
