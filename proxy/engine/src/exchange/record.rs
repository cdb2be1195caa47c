//! The last word on an exchange: counters and access log, written once, also when its task was dropped. Knows no sockets.

use std::net::SocketAddr;
use std::rc::Rc;

use forebay_telemetry::log::{Address, Bytes, Flag, Flags, Point, Record, Text};
use forebay_telemetry::{Http, HttpTime};

use super::Client;
use super::state::Exchange;
use super::{counts, shown, trace};
use crate::worker::Worker;

/// Records `x` once its client has been told all or is gone; a second call does nothing.
pub(super) fn done<C: Client>(worker: &Rc<Worker>, x: &mut Exchange, client: &C) {
    x.wire = client.wire();
    finish(worker, x);
}

fn finish(worker: &Rc<Worker>, x: &mut Exchange) {
    let Some((_, on)) = x.open.take() else { return };
    x.clocks.stop();
    x.streams = None;
    let took = worker.clock.tick().since(x.times.start);
    let http = on.http();
    if x.status == 0 {
        http.stats.inc(Http::DownstreamRqRxReset);
    } else {
        http.stats.completed(x.status);
    }
    counts::why(&http.stats, x.flags, x.details);
    http.stats.dec(Http::DownstreamRqActive);
    http.stats.record(HttpTime::DownstreamRq, took);
    worker.in_flight.set(worker.in_flight.get().saturating_sub(1));
    let line = Line { x, chain: on.chain_name(), started: worker.clock.unix_micros(x.times.start), took };
    trace::finish(worker, &line);
    for log in http.logs.iter() {
        if log.filter.as_ref().is_none_or(|filter| shown::holds(filter, worker, &line)) {
            log.writer.borrow_mut().log(&line);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some((worker, _)) = &self.open {
            let worker = worker.clone();
            self.flags.set(Flag::DownstreamConnectionTermination);
            if self.details.is_empty() {
                self.details = "downstream_remote_disconnect";
            }
            finish(&worker, self);
        }
    }
}

/// What is known of an exchange so far, for those who write it into headers.
pub(super) fn line<'x>(worker: &Worker, x: &'x Exchange) -> Line<'x> {
    let chain = x.open.as_ref().map_or_else(Default::default, |(_, on)| on.chain_name());
    Line { x, chain, started: worker.clock.unix_micros(x.times.start), took: x.elapsed(worker) }
}

pub(super) struct Line<'x> {
    x: &'x Exchange,
    /// The filter chain's name.
    chain: Rc<str>,
    started: u64,
    took: u64,
}

/// Names and values, without what separates them.
fn size(head: &forebay_http::Head) -> usize {
    head.iter().map(|(name, value, _)| name.len() + value.len()).sum()
}

impl Line<'_> {
    pub(super) fn exchange(&self) -> &Exchange {
        self.x
    }

    /// Microseconds from the start to the end.
    pub(super) fn took(&self) -> u64 {
        self.took
    }
}

impl Record for Line<'_> {
    fn started(&self) -> u64 {
        self.started
    }

    fn at(&self, point: Point) -> Option<u64> {
        let t = &self.x.times;
        match point {
            Point::RequestStart => Some(0),
            Point::RequestEnd => t.request_end.or(t.sent),
            Point::ConnectStart => None,
            Point::ConnectEnd | Point::HandshakeEnd => None,
            Point::PoolReady | Point::UpstreamRequestStart => t.sent,
            Point::UpstreamRequestEnd => t.sent.and(t.request_end.or(t.sent)),
            Point::UpstreamResponseStart => t.first_byte,
            Point::UpstreamResponseEnd => t.first_byte.map(|_| self.took),
            Point::ResponseStart => t.first_byte.or((self.x.status != 0).then_some(self.took)),
            Point::ResponseEnd => Some(self.took),
        }
    }

    fn status(&self) -> u16 {
        self.x.status
    }

    fn flags(&self) -> Flags {
        self.x.flags
    }

    fn bytes(&self, of: Bytes) -> u64 {
        match of {
            Bytes::Received => self.x.bytes_in,
            Bytes::Sent => self.x.bytes_out,
            // A head that was refused before it was read is none.
            Bytes::RequestHeaders if self.x.req.method().is_empty() => 0,
            Bytes::RequestHeaders => {
                let req = &self.x.req;
                let pseudo =
                    [(":method", req.method()), (":path", req.path()), (":authority", req.authority())];
                let pseudo: usize = pseudo.iter().map(|(name, value)| name.len() + value.len()).sum();
                (pseudo + ":scheme".len() + req.scheme.as_str().len() + size(req)) as u64
            }
            Bytes::ResponseTrailers => self.x.trailers.as_ref().map_or(0, |trailers| size(trailers) as u64),
            Bytes::ResponseHeaders if self.x.res.status == 0 => 0,
            // A status has three digits.
            Bytes::ResponseHeaders => {
                let closes = if self.x.closes { "connectionclose".len() } else { 0 };
                (size(&self.x.res) + ":status200".len() + closes) as u64
            }
            Bytes::DownstreamWireReceived => self.x.wire.received,
            Bytes::DownstreamWireSent => self.x.wire.sent,
            Bytes::DownstreamHeaderReceived => self.x.wire.head_received,
            Bytes::DownstreamHeaderSent => self.x.wire.head_sent,
            Bytes::UpstreamWireReceived => self.x.upstream_wire.received,
            Bytes::UpstreamWireSent => self.x.upstream_wire.sent,
            Bytes::UpstreamHeaderReceived => self.x.upstream_wire.head_received,
            Bytes::UpstreamHeaderSent => self.x.upstream_wire.head_sent,
        }
    }

    fn address(&self, of: Address) -> Option<SocketAddr> {
        match of {
            Address::DownstreamRemote => self.x.remote,
            Address::DownstreamDirectRemote => self.x.direct,
            Address::DownstreamLocal | Address::DownstreamDirectLocal => self.x.local,
            Address::UpstreamHost => self.x.upstream,
            // Only a connection has another end.
            Address::UpstreamRemote => self.x.upstream.filter(|_| self.x.times.sent.is_some()),
            Address::UpstreamLocal => self.x.upstream_local,
        }
    }

    fn text(&self, of: Text) -> Option<&str> {
        match of {
            Text::Protocol => Some(self.x.req.version.as_str()),
            Text::UpstreamProtocol => self.x.times.sent.map(|_| self.x.res.version.as_str()),
            Text::ResponseCodeDetails if !self.x.long_details.is_empty() => Some(&self.x.long_details),
            Text::ResponseCodeDetails => Some(self.x.details).filter(|d| !d.is_empty()),
            Text::UpstreamCluster => self.x.cluster.as_deref(),
            Text::RouteName => self.x.route.as_deref(),
            Text::UpstreamTransportFailureReason => {
                Some(self.x.transport_failure.as_str()).filter(|why| !why.is_empty())
            }
            Text::RequestedServerName => self.x.secure.as_ref()?.server_name.as_deref(),
            Text::DownstreamTlsVersion => Some(self.x.secure.as_ref()?.version),
            Text::DownstreamTlsCipher => Some(self.x.secure.as_ref()?.cipher),
            Text::Peer(what) => self.x.secure.as_ref()?.peer.as_ref()?.text(what),
            Text::FilterChainName => Some(&*self.chain).filter(|name| !name.is_empty()),
            Text::UpstreamHostName => self.x.upstream_name.as_deref(),
            Text::TraceId => self.x.trace.as_ref().map(|trace| trace.id()),
            Text::SpanId => self.x.trace.as_ref().map(|trace| trace.span_id()),
            Text::LocalReplyBody => Some(self.x.local_body.as_str()),
            _ => None,
        }
    }

    fn request_header(&self, name: &str) -> Option<&[u8]> {
        let req = &self.x.req;
        let value = match name {
            ":method" => req.method(),
            ":path" => req.path(),
            ":authority" | "host" if req.has_authority() => return Some(req.authority()),
            ":authority" | "host" => b"",
            ":scheme" if req.method().is_empty() => b"",
            ":scheme" => req.scheme.as_str().as_bytes(),
            name => return req.get(name.as_bytes()),
        };
        Some(value).filter(|v| !v.is_empty())
    }

    fn response_header(&self, name: &str) -> Option<&[u8]> {
        self.x.res.get(name.as_bytes())
    }

    fn response_trailer(&self, name: &str) -> Option<&[u8]> {
        self.x.trailers.as_ref()?.get(name.as_bytes())
    }

    fn attempts(&self) -> u32 {
        self.x.attempts
    }

    fn connection_id(&self) -> u64 {
        self.x.connection
    }
}
