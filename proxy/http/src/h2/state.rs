//! What a connection and the holders of its streams share: settings, windows, compression, streams, what waits to be written.
//! Knows no sockets; what comes is taken in by [`receive`](super::receive), what goes out is put by [`send`](super::send).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

use super::Limits;
use super::error::{By, Error, Reason};
use super::flood::Flood;
use super::frame;
use super::hpack::{Decoder, Encoder};
use super::out::Out;
use super::streams::{Streams, wait};
use crate::buf::Pool;

/// Streams remembered after their end: what is still on its way for those that we reset is to be passed over.
const REMEMBERED: usize = 128;
/// Streams that an endpoint is taken to allow before its settings say so.
const UNTOLD: usize = 100;

/// Which end of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// How far a goodbye has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// Nobody leaves.
    None,
    /// The client was told, and a PING will tell when it has heard.
    Said,
    /// What comes above this stream is not taken; when the others have ended the connection does.
    Final(u32),
    /// It ends as soon as all is written.
    Now,
}

/// A header block that has begun and not ended.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) stream: u32,
    pub(crate) end: bool,
    pub(crate) on: Option<u32>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: usize,
}

/// PINGs of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ping {
    None,
    Asked,
    Answered,
}

pub(crate) type Shared = Rc<RefCell<State>>;

pub(crate) struct State {
    pub(crate) side: Side,
    pub(crate) limits: Limits,
    pub(crate) pool: Rc<Pool>,
    pub(crate) decoder: Decoder,
    pub(crate) encoder: Encoder,
    pub(crate) streams: Streams,
    pub(crate) out: Out,
    pub(crate) flood: Flood,
    /// The peer's settings.
    pub(crate) their_window: i64,
    pub(crate) their_frame: usize,
    pub(crate) their_streams: usize,
    pub(crate) heard_settings: bool,
    /// The connection's windows, and bytes that have been read and not told of.
    pub(crate) send_window: i64,
    pub(crate) recv_window: i64,
    pub(crate) freed: u32,
    pub(crate) block: Option<Box<Block>>,
    /// The highest stream that the peer has opened, and the next that we open.
    pub(crate) last_id: u32,
    pub(crate) next_id: u32,
    /// Streams that nobody has taken up.
    pub(crate) arrived: VecDeque<u32>,
    /// Streams that have ended lately, and whether we reset them.
    pub(crate) past: VecDeque<(u32, bool)>,
    pub(crate) goodbye: Goodbye,
    /// The peer takes no more streams.
    pub(crate) leaving: Option<Reason>,
    pub(crate) ended: Option<Error>,
    pub(crate) ping: Ping,
    /// Handles that can open streams.
    pub(crate) openers: usize,
    /// Those that wait to.
    pub(crate) queue: VecDeque<(u64, Waker)>,
    pub(crate) tickets: u64,
    /// Streams that wait for the connection's window.
    pub(crate) windowless: Vec<u32>,
    waker: Option<Waker>,
    /// The connection's task will run, or runs.
    pub(crate) awake: bool,
}

impl State {
    /// A connection that has said its settings, and has not been written to.
    pub(crate) fn new(side: Side, limits: Limits, pool: &Rc<Pool>) -> Self {
        let mut state = Self {
            side,
            pool: pool.clone(),
            decoder: Decoder::default(),
            encoder: Encoder::default(),
            streams: Streams::default(),
            out: Out::new(),
            flood: Flood::default(),
            their_window: i64::from(frame::DEFAULT_WINDOW),
            their_frame: frame::MAX_PAYLOAD,
            their_streams: UNTOLD,
            heard_settings: false,
            send_window: i64::from(frame::DEFAULT_WINDOW),
            recv_window: i64::from(limits.connection_window.max(frame::DEFAULT_WINDOW)),
            freed: 0,
            block: None,
            last_id: 0,
            next_id: 1,
            arrived: VecDeque::new(),
            past: VecDeque::new(),
            goodbye: Goodbye::None,
            leaving: None,
            ended: None,
            ping: Ping::None,
            openers: 0,
            queue: VecDeque::new(),
            tickets: 0,
            windowless: Vec::new(),
            waker: None,
            awake: true,
            limits,
        };
        state.say_settings();
        state
    }

    fn say_settings(&mut self) {
        let out = self.out.bytes(&self.pool);
        let limits = &self.limits;
        let mut settings = Vec::with_capacity(4);
        match self.side {
            Side::Client => {
                out.extend_from_slice(frame::PREFACE);
                settings.push((frame::ENABLE_PUSH, 0));
            }
            Side::Server => settings.push((frame::MAX_CONCURRENT_STREAMS, limits.max_streams)),
        }
        settings.push((frame::INITIAL_WINDOW_SIZE, limits.stream_window));
        settings.push((frame::MAX_HEADER_LIST_SIZE, limits.header_bytes));
        if limits.tunnels {
            settings.push((frame::ENABLE_CONNECT_PROTOCOL, 1));
        }
        frame::put_settings(&settings, out);
        let more = limits.connection_window.saturating_sub(frame::DEFAULT_WINDOW);
        if more > 0 {
            frame::put_number(frame::WINDOW_UPDATE, 0, more, out);
        }
    }

    // === who waits for what

    /// Notes the connection's own task.
    pub(crate) fn listen(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    /// Makes the connection's own task look at what there is to do.
    #[inline]
    pub(crate) fn wake(&mut self) {
        if !std::mem::replace(&mut self.awake, true)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }

    /// The same though it runs, for what it has passed by in this turn.
    pub(crate) fn wake_again(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Wakes streams that wait for room to send.
    pub(crate) fn wake_senders(&mut self, slots: &[u32]) {
        for slot in slots {
            if let Some(stream) = self.streams.get(*slot) {
                stream.wake(wait::SEND);
            }
        }
    }

    // === streams' ends

    /// The stream is off the wire. `ours`: we reset it.
    pub(crate) fn close(&mut self, slot: u32, ours: bool) {
        let Some(stream) = self.streams.get(slot) else { return };
        if std::mem::replace(&mut stream.closed, true) {
            return;
        }
        let id = stream.id;
        self.streams.close(id);
        self.remember(id, ours);
        self.let_open(1);
        // A connection that only waited for it may end.
        if self.is_over() {
            self.wake();
        }
    }

    pub(crate) fn remember(&mut self, id: u32, ours: bool) {
        if self.past.len() == REMEMBERED {
            self.past.pop_front();
        }
        self.past.push_back((id, ours));
    }

    /// Off the wire if both halves have ended.
    pub(crate) fn close_if_done(&mut self, slot: u32) {
        if let Some(stream) = self.streams.get(slot)
            && stream.recv_ended
            && stream.send_ended
        {
            self.close(slot, false);
        }
    }

    /// Resets a stream on the wire.
    pub(crate) fn reset(&mut self, slot: u32, reason: Reason, by: By) {
        let Some(stream) = self.streams.get(slot).filter(|stream| !stream.closed) else { return };
        stream.error = Some(Error::Reset(reason, by));
        stream.wake(wait::READ | wait::SEND | wait::GONE);
        let id = stream.id;
        self.close(slot, true);
        self.put_reset(id, reason);
        self.wake();
    }

    pub(crate) fn put_reset(&mut self, id: u32, reason: Reason) {
        if self.ended.is_none() {
            let (_, out) = self.out.control(&self.pool);
            frame::put_number(frame::RST_STREAM, id, reason.0, out);
        }
    }

    /// The connection is over for all that is on it.
    pub(crate) fn end(&mut self, error: Error) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(error);
        for slot in self.streams.on_wire() {
            if let Some(stream) = self.streams.get(slot) {
                stream.error = Some(error);
                stream.wake(wait::READ | wait::SEND | wait::GONE);
            }
            self.close(slot, false);
        }
        self.let_open(usize::MAX);
    }

    /// Nobody holds the stream any more; `unread` bytes of it were taken and not used.
    pub(crate) fn release(&mut self, slot: u32, unread: usize) {
        let Some(stream) = self.streams.get(slot) else { return };
        let unread = unread + stream.data.len();
        if !stream.closed {
            // A response that is whole makes the rest of its request needless (RFC 9113 8.1).
            let needless = self.side == Side::Server && stream.send_ended;
            self.reset(slot, if needless { Reason::NO_ERROR } else { Reason::CANCEL }, By::User);
        }
        if let Some(stream) = self.streams.remove(slot) {
            if stream.data.capacity() > 0 {
                self.pool.give_back_out(stream.data);
            }
            let heads = stream.head.map(|(head, _)| head).into_iter().chain(stream.trailers);
            heads.for_each(|head| self.pool.give_back_head(head));
        }
        self.free_connection(unread);
    }

    // === windows of what comes

    /// Bytes of a stream have been used: the peer may send as many again.
    pub(crate) fn free(&mut self, slot: u32, n: usize) {
        self.free_connection(n);
        let most = self.limits.stream_window;
        let Some(stream) = self.streams.get(slot).filter(|s| !s.closed && !s.recv_ended) else { return };
        stream.freed += n as u32;
        if stream.freed >= most / 2 {
            let freed = std::mem::take(&mut stream.freed);
            stream.recv_window += i64::from(freed);
            let id = stream.id;
            frame::put_number(frame::WINDOW_UPDATE, id, freed, self.out.bytes(&self.pool));
            self.wake();
        }
    }

    pub(crate) fn free_connection(&mut self, n: usize) {
        self.freed += n as u32;
        // Measured by what is left: streams that nobody reads must not keep the window from those that are read.
        if self.freed > 0 && i64::from(self.freed) * 2 >= self.recv_window && self.ended.is_none() {
            let freed = std::mem::take(&mut self.freed);
            self.recv_window += i64::from(freed);
            frame::put_number(frame::WINDOW_UPDATE, 0, freed, self.out.bytes(&self.pool));
            self.wake();
        }
    }

    // === the connection's end

    /// GOAWAY: streams so far, and those on their way, may end.
    pub(crate) fn say_goodbye(&mut self) {
        if self.goodbye == Goodbye::None && self.ended.is_none() {
            self.goodbye = Goodbye::Said;
            let out = self.out.bytes(&self.pool);
            frame::put_goaway(frame::MOST, Reason::NO_ERROR, out);
            frame::put_ping(0, super::receive::FAREWELL, out);
            self.wake_again();
        }
    }

    /// The client has heard: from here on nothing is taken.
    pub(crate) fn goodbye_heard(&mut self) {
        if self.goodbye == Goodbye::Said {
            self.goodbye = Goodbye::Final(self.last_id);
            let last = self.last_id;
            frame::put_goaway(last, Reason::NO_ERROR, self.out.bytes(&self.pool));
        }
    }

    /// GOAWAY, and the end as soon as that is written.
    pub(crate) fn leave_now(&mut self, reason: Reason) {
        if self.ended.is_none() {
            frame::put_goaway(self.last_id, reason, self.out.bytes(&self.pool));
            self.goodbye = Goodbye::Now;
            self.end(Error::GoAway(reason, By::User));
            self.wake_again();
        }
    }

    /// Whether there is nothing left to do but to close.
    pub(crate) fn is_over(&self) -> bool {
        match self.goodbye {
            Goodbye::Now => true,
            Goodbye::Final(_) => self.streams.open() == 0 && self.arrived.is_empty(),
            _ if self.leaving.is_some() => self.streams.open() == 0 && self.arrived.is_empty(),
            Goodbye::None if self.side == Side::Client => self.openers == 0 && self.streams.open() == 0,
            _ => false,
        }
    }
}
