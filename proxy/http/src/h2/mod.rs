//! HTTP/2 (RFC 9113) by a codec of our own, for both legs: header blocks are read straight into a [`Head`](crate::Head) and
//! written straight out of one. Knows no HTTP/1.1 framing and no routing.
//!
//! `state` is what a connection and the holders of its streams share in one thread (`Rc<RefCell<_>>`): windows, tables, streams,
//! frames that wait to be written. It knows no sockets: `receive` has every frame that came take its effect, `send` frames what
//! is handed over at once and in order, so nothing is queued but bytes. [`Connection`] alone reads and writes: one task polls it,
//! all that its streams have said by then goes out with one write.
//!
//! Back-pressure is the windows': received DATA is held by its stream until the reader takes it, and only then may as much come
//! again; whoever sends has bytes taken as far as windows, the frames' queue and the stream's share of that allow, and is woken
//! when there is room. So a stream holds what its windows say, and a connection without traffic holds no buffer at all.
//!
//! A stream lives as long as its holder, who resets it by letting go. Faults are of two kinds: a stream's (it is reset, the others
//! go on) and the connection's (GOAWAY, and the end).
//!
//! What ends here, each with its test in `tests/http2`: rapid reset, of streams that nobody has taken up and at leisure
//! (CVE-2023-44487); blocks that never end, or come in crumbs (CVE-2024-27316 and its like); floods of PING, SETTINGS, PRIORITY,
//! WINDOW_UPDATE, empty DATA and unknown frames (CVE-2019-9512, 9513, 9515, 9518), of answers that nobody reads, of streams that
//! have to be reset (CVE-2019-9514); header lists that grow out of the table; windows that overflow, go below zero or never open
//! (CVE-2019-9517: a stream holds its share, the clocks of its exchange end it); frames on streams idle, ended or half ended;
//! frames larger than allowed; Content-Length that the DATA does not fit; SETTINGS that are never acknowledged, which nothing
//! waits for.

mod body;
mod client;
mod connection;
mod error;
mod fields;
mod flood;
mod frame;
mod fuzz;
mod hpack;
mod opening;
mod out;
mod pinger;
mod receive;
mod send;
mod server;
mod state;
mod streams;
mod write;

use std::rc::Rc;

use crate::buf::Pool;
pub use client::{ClientStream, SendRequest};
pub use connection::Connection;
pub use error::{By, Error, Reason};
pub use fields::BadRequest;
pub use fuzz::fuzz;
pub use pinger::{Keepalive, Pinger};
pub use server::{Arrived, Farewell, ServerStream, upgrade};

/// 64 KiB a stream: Envoy's edge recommendation; 100 streams of it are what one connection can make us hold.
pub const STREAM_WINDOW: u32 = 64 * 1024;
/// 1 MiB a connection, likewise.
pub const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Concurrent streams we accept on one connection, likewise.
pub const MAX_STREAMS: u32 = 100;

/// What we announce, and hold the peer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) stream_window: u32,
    pub(crate) connection_window: u32,
    /// Of the peer's opening.
    pub(crate) max_streams: u32,
    /// Bytes of a header list, by RFC 9113's count.
    pub(crate) header_bytes: u32,
    /// Whether extended CONNECT is understood.
    pub(crate) tunnels: bool,
}

/// Takes a connection from a client, who may ask for `tunnels` by extended CONNECT (RFC 8441).
pub fn accept<T>(
    io: T,
    pool: &Rc<Pool>,
    max_streams: u32,
    header_bytes: u32,
    tunnels: bool,
) -> Connection<T> {
    let limits = Limits {
        stream_window: STREAM_WINDOW,
        connection_window: CONNECTION_WINDOW,
        max_streams,
        header_bytes,
        tunnels,
    };
    Connection::new(io, state::Side::Server, limits, pool)
}

/// What a connection to an endpoint announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Streams at once, whatever the endpoint would allow.
    pub max_concurrent_streams: u32,
    /// Bytes of one stream on the way; never more than [`UPSTREAM_STREAM_WINDOW`].
    pub stream_window: u32,
    /// Bytes of the connection on the way; never more than [`UPSTREAM_CONNECTION_WINDOW`].
    pub connection_window: u32,
    /// PINGs, if any.
    pub keepalive: Option<Keepalive>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 1024,
            stream_window: UPSTREAM_STREAM_WINDOW,
            connection_window: UPSTREAM_CONNECTION_WINDOW,
            keepalive: None,
        }
    }
}

/// 1 MiB: what a stream of a slow client can make us hold, however large a window a cluster allows.
pub const UPSTREAM_STREAM_WINDOW: u32 = 1024 * 1024;
/// 4 MiB, likewise for all streams of a connection.
pub const UPSTREAM_CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Bytes of an endpoint's header lists.
const RESPONSE_BYTES: u32 = 128 * 1024;

/// Begins a connection to an endpoint: the handle to open streams with, and the connection, which somebody has to poll.
pub fn connect<T>(io: T, pool: &Rc<Pool>, settings: &Settings) -> (SendRequest, Connection<T>) {
    let limits = Limits {
        // Never less than what a peer takes for granted before it has heard of ours.
        stream_window: settings.stream_window.clamp(frame::DEFAULT_WINDOW, UPSTREAM_STREAM_WINDOW),
        connection_window: settings
            .connection_window
            .clamp(frame::DEFAULT_WINDOW, UPSTREAM_CONNECTION_WINDOW),
        max_streams: 0,
        header_bytes: RESPONSE_BYTES,
        tunnels: false,
    };
    let connection = Connection::new(io, state::Side::Client, limits, pool);
    (SendRequest::new(connection.shared().clone()), connection)
}
