//! The streams of a connection: where each stands, what it has received, whom it has to wake. Knows no frames and no heads'
//! rules.

use std::task::{Context, Waker};

use super::error::Error;
use super::fields::{Request, Response};
use crate::head::Head;
use crate::leg::WireBytes;

/// What a stream's holder waits for; several at once.
pub(crate) mod wait {
    /// Something to read, or the end of reading.
    pub(crate) const READ: u8 = 1;
    /// Room to send.
    pub(crate) const SEND: u8 = 2;
    /// The stream's early end.
    pub(crate) const GONE: u8 = 4;
}

/// What came as a stream's first head, or as its latest.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Came {
    Request(Request),
    Response(Response),
}

/// One stream. It lives as long as somebody holds it, however it stands on the wire.
pub(crate) struct Stream {
    pub(crate) id: u32,
    /// What we may send; below zero when the peer has shrunk it.
    pub(crate) send_window: i64,
    /// What the peer may send.
    pub(crate) recv_window: i64,
    /// Bytes read by the holder that the peer has not been told of.
    pub(crate) freed: u32,
    /// The peer has ended its half.
    pub(crate) recv_ended: bool,
    /// We have ended ours.
    pub(crate) send_ended: bool,
    /// It does not count as open any more.
    pub(crate) closed: bool,
    /// Why it ended before its time.
    pub(crate) error: Option<Error>,
    /// Received and not yet taken.
    pub(crate) data: Vec<u8>,
    /// Of the message's length, if it is known: bytes that have to come.
    pub(crate) expects: Option<u64>,
    pub(crate) head: Option<(Head, Came)>,
    /// Interim responses that have come before the head.
    pub(crate) interim: Vec<Head>,
    /// The final head has come.
    pub(crate) answered: bool,
    /// The request was one that has no body in its answer.
    pub(crate) bodiless: bool,
    pub(crate) trailers: Option<Head>,
    /// Where the last frame of it begins among the bytes to be written, and in which lot of those.
    pub(crate) last_frame: Option<(u32, usize)>,
    /// Bytes put out in this lot.
    pub(crate) put: (u32, usize),
    pub(crate) wire: WireBytes,
    waker: Option<Waker>,
    waits: u8,
}

impl Stream {
    pub(crate) fn new(id: u32, send_window: i64, recv_window: i64) -> Self {
        Self {
            id,
            send_window,
            recv_window,
            freed: 0,
            recv_ended: false,
            send_ended: false,
            closed: false,
            error: None,
            data: Vec::new(),
            expects: None,
            head: None,
            interim: Vec::new(),
            answered: false,
            bodiless: false,
            trailers: None,
            last_frame: None,
            put: (0, 0),
            wire: WireBytes::default(),
            waker: None,
            waits: 0,
        }
    }

    /// The task that polls is woken for `what`; whether it was not waiting for it yet.
    #[inline]
    pub(crate) fn wait(&mut self, what: u8, cx: &Context<'_>) -> bool {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        let new = self.waits & what == 0;
        self.waits |= what;
        new
    }

    /// Wakes whoever waits for any of `what`.
    #[inline]
    pub(crate) fn wake(&mut self, what: u8) {
        if self.waits & what != 0 {
            self.waits = 0;
            if let Some(waker) = &self.waker {
                waker.wake_by_ref();
            }
        }
    }
}

/// All of them, by slots that stay and by identifiers that grow.
#[derive(Default)]
pub(crate) struct Streams {
    slots: Vec<Option<Stream>>,
    spare: Vec<u32>,
    /// Those on the wire, by identifier, ascending, with their slots.
    open: Vec<(u32, u32)>,
}

impl Streams {
    /// Streams on the wire.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Streams that somebody holds, on the wire or not.
    pub(crate) fn held(&self) -> usize {
        self.slots.len() - self.spare.len()
    }

    /// Takes in a stream, whose identifier is the highest so far.
    pub(crate) fn insert(&mut self, stream: Stream) -> u32 {
        let id = stream.id;
        let slot = match self.spare.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                self.slots.len() as u32 - 1
            }
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(stream);
        }
        self.open.push((id, slot));
        slot
    }

    #[inline]
    pub(crate) fn get(&mut self, slot: u32) -> Option<&mut Stream> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// The slot of a stream on the wire.
    #[inline]
    pub(crate) fn find(&self, id: u32) -> Option<u32> {
        // Most are found among the last: few are open, and the newest are busiest.
        let at = self.open.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.open.get(at).map(|(_, slot)| *slot)
    }

    /// The stream is off the wire.
    pub(crate) fn close(&mut self, id: u32) {
        if let Ok(at) = self.open.binary_search_by_key(&id, |(id, _)| *id) {
            self.open.remove(at);
        }
    }

    /// Nobody holds it any more. Slots that were needed once in a crowd are not kept.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Stream> {
        let stream = self.slots.get_mut(slot as usize)?.take();
        if stream.is_some() {
            self.spare.push(slot);
        }
        if self.spare.len() == self.slots.len() && self.slots.len() > 8 {
            *self = Self { open: std::mem::take(&mut self.open), ..Self::default() };
        }
        stream
    }

    /// Slots of the streams on the wire.
    pub(crate) fn on_wire(&self) -> Vec<u32> {
        self.open.iter().map(|(_, slot)| *slot).collect()
    }

    /// Every stream on the wire.
    pub(crate) fn each(&mut self, mut what: impl FnMut(&mut Stream)) {
        for stream in self.slots.iter_mut().flatten().filter(|stream| !stream.closed) {
            what(stream);
        }
    }
}
