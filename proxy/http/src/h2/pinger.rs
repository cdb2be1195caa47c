//! PINGs that find a connection dead before a request does. Knows no streams.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::connection::Connection;
use super::frame;
use super::receive::ALIVE;
use super::state::{Ping, Shared};

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
    shared: Shared,
    keepalive: Keepalive,
    alarm: Pin<Box<Sleep>>,
}

impl Pinger {
    /// The first PING goes out after one interval.
    pub fn new<T>(connection: &Connection<T>, keepalive: Keepalive) -> Self {
        let alarm = Box::pin(tokio::time::sleep(keepalive.interval));
        Self { shared: connection.shared().clone(), keepalive, alarm }
    }

    /// Ready when the connection is dead. To be polled by whoever polls the connection, before that.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut state = self.shared.borrow_mut();
            if state.ended.is_some() {
                // Its own poll says how.
                return Poll::Pending;
            }
            if state.ping == Ping::Answered {
                state.ping = Ping::None;
                self.alarm.as_mut().reset(Instant::now() + self.keepalive.interval);
            }
            if self.alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if state.ping == Ping::Asked {
                return Poll::Ready(());
            }
            state.ping = Ping::Asked;
            let pool = state.pool.clone();
            frame::put_ping(0, ALIVE, state.out.bytes(&pool));
            self.alarm.as_mut().reset(Instant::now() + self.keepalive.timeout);
        }
    }
}
