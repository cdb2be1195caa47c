//! What one exchange holds: both heads, what was asked, what happened and when. Pooled by the worker, so that a request
//! allocates nothing. Knows no sockets.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use forebay_http::h1::Framing;
use forebay_http::{Head, Known, Scheme, WireBytes};
use forebay_net::Micros;
use forebay_route::{Forward, RequestView};
use forebay_telemetry::Http;
use forebay_telemetry::log::Flags;

use super::timing::Clocks;
use super::trace::Trace;
use super::upload::Kept;
use crate::conn::{Listening, Secure, Streams};
use crate::filters::Later;
use crate::worker::Worker;

/// Who is on the other side of a downstream connection.
pub(crate) struct Peer {
    /// The client: by the PROXY header where there was one.
    pub(crate) remote: SocketAddr,
    /// Where the client connected to: by the PROXY header likewise.
    pub(crate) local: SocketAddr,
    /// The other end of the socket itself.
    pub(crate) direct: SocketAddr,
    /// TLS below, if any.
    pub(crate) secure: Option<Rc<Secure>>,
    /// The address without port, as it joins `x-forwarded-for`.
    pub(crate) text: Box<str>,
    /// Unique in this process.
    pub(crate) connection: u64,
    /// The streams of the connection, if it is of HTTP/2.
    pub(crate) streams: Option<Rc<Streams>>,
}

/// What framing and connection headers came to, in either protocol.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) upgrade: bool,
}

/// One exchange.
pub(crate) struct Exchange {
    pub(crate) req: Head,
    pub(crate) res: Head,
    /// What of the request's body is kept, so that it can be sent again.
    pub(crate) body: Kept,
    pub(crate) asked: Asked,
    /// The protocol of an upgrade, lower-case; empty without one.
    pub(crate) upgrade: Vec<u8>,
    /// `connection` and `upgrade` of such a request, as the client wrote them.
    pub(crate) said: (Vec<u8>, Vec<u8>),
    /// It is a CONNECT whose tunnel ends here: its endpoint gets bytes and no request.
    pub(crate) ends_connect: bool,
    /// Whether the response's names of fields are remembered as they were written.
    pub(crate) keeps_case: bool,
    /// The beginning of the request's body, read ahead for filters; it goes upstream before the rest.
    pub(crate) held: Vec<u8>,
    /// The body of an answer of the proxy's own, while it is being formatted.
    pub(crate) local_body: String,
    /// What a gRPC client is told instead of the status that goes with HTTP's.
    pub(crate) grpc_status: Option<u32>,
    /// Whether the response repeats the request's id.
    pub(crate) tells_request_id: bool,
    /// What filters want done to the response's head.
    pub(crate) later: Vec<Later>,
    /// Whether the endpoint's own `100 Continue` goes to the client.
    pub(crate) forwards_continue: bool,
    /// Whether it asks if the proxy is well.
    pub(crate) checks_health: bool,
    /// Whether the response's head says that the connection closes.
    pub(crate) closes: bool,
    pub(crate) redirect_to: Option<Vec<u8>>,
    pub(crate) clocks: Clocks,
    /// Whether the request comes from inside, and so may ask for tries and clocks by its headers.
    pub(crate) internal: bool,
    /// Whether the response says how many tries it took.
    pub(crate) counts_tries: bool,
    pub(crate) times: Times,
    // What the record tells.
    pub(crate) status: u16,
    pub(crate) flags: Flags,
    pub(crate) details: &'static str,
    /// The same where it says more than is known beforehand; empty otherwise.
    pub(crate) long_details: String,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) attempts: u32,
    pub(crate) upstream: Option<SocketAddr>,
    /// What the endpoint is called, if anything.
    pub(crate) upstream_name: Option<Arc<str>>,
    /// Our end of the connection to it.
    pub(crate) upstream_local: Option<SocketAddr>,
    /// What passed on the wire: between the client and us, and between us and the endpoint.
    pub(crate) wire: WireBytes,
    pub(crate) upstream_wire: WireBytes,
    pub(crate) cluster: Option<Arc<str>>,
    pub(crate) route: Option<Arc<str>>,
    /// The client, as far as it can be trusted.
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) local: Option<SocketAddr>,
    /// The peer of its connection.
    pub(crate) direct: Option<SocketAddr>,
    pub(crate) secure: Option<Rc<Secure>>,
    /// Why TLS with an endpoint failed, in Envoy's form; empty if it did not.
    pub(crate) transport_failure: String,
    pub(crate) connection: u64,
    /// Its connection, if it is of HTTP/2.
    pub(crate) streams: Option<Rc<Streams>>,
    /// The other end of the client's connection, whoever it speaks for.
    pub(crate) peer: Option<SocketAddr>,
    /// Trailers of the response, where somebody asks for them.
    pub(crate) trailers: Option<Box<Head>>,
    /// Its trace, if its listener traces.
    pub(crate) trace: Option<Box<Trace>>,
    /// Where to record; `None` before the first and after the last word of an exchange.
    pub(crate) open: Option<(Rc<Worker>, Rc<Listening>)>,
}

/// When things happened, as far as they did: microseconds after `start`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    pub(crate) start: Micros,
    /// How long the request waited for a slot, and whether for a cold revision.
    pub(crate) waited: Option<(u64, bool)>,
    /// How long connecting took.
    pub(crate) connect: Option<u64>,
    pub(crate) request_end: Option<u64>,
    /// The request's head went upstream.
    pub(crate) sent: Option<u64>,
    pub(crate) first_byte: Option<u64>,
}

impl Exchange {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            req: Head::default(),
            res: Head::default(),
            body: Kept::default(),
            asked: Asked::default(),
            upgrade: Vec::new(),
            said: (Vec::new(), Vec::new()),
            ends_connect: false,
            keeps_case: false,
            held: Vec::new(),
            local_body: String::new(),
            grpc_status: None,
            tells_request_id: false,
            later: Vec::new(),
            forwards_continue: false,
            checks_health: false,
            closes: false,
            redirect_to: None,
            clocks: Clocks::default(),
            internal: false,
            counts_tries: false,
            times: Times::default(),
            status: 0,
            flags: Flags::NONE,
            details: "",
            long_details: String::new(),
            bytes_in: 0,
            bytes_out: 0,
            attempts: 0,
            upstream: None,
            upstream_name: None,
            upstream_local: None,
            wire: WireBytes::default(),
            upstream_wire: WireBytes::default(),
            cluster: None,
            route: None,
            remote: None,
            local: None,
            direct: None,
            secure: None,
            transport_failure: String::new(),
            connection: 0,
            streams: None,
            peer: None,
            trailers: None,
            trace: None,
            open: None,
        })
    }

    /// The head is there; from here on the exchange is counted and will be recorded.
    pub(crate) fn begin(&mut self, worker: &Rc<Worker>, on: &Rc<Listening>, peer: &Peer, asked: Asked) {
        self.asked = asked;
        // Whoever leaves before there is an answer has none.
        self.res.clear();
        (self.closes, self.checks_health, self.forwards_continue) = (false, false, false);
        self.times = Times { start: worker.clock.tick(), ..Times::default() };
        self.status = 0;
        self.flags = Flags::NONE;
        self.details = "";
        (self.bytes_in, self.bytes_out, self.attempts) = (0, 0, 0);
        (self.upstream, self.upstream_local, self.cluster, self.route) = (None, None, None, None);
        self.upstream_name = None;
        (self.wire, self.upstream_wire) = Default::default();
        self.remote = Some(peer.remote);
        self.tells_request_id = false;
        self.grpc_status = None;
        self.local = Some(peer.local);
        self.direct = Some(peer.direct);
        if peer.secure.is_some() {
            self.req.scheme = Scheme::Https;
        }
        self.secure.clone_from(&peer.secure);
        self.transport_failure.clear();
        self.long_details.clear();
        self.connection = peer.connection;
        self.streams.clone_from(&peer.streams);
        (self.internal, self.counts_tries) = (false, false);
        self.peer = Some(peer.remote);
        (self.trailers, self.trace) = (None, None);
        self.body.clear();
        self.held.clear();
        self.later.clear();
        self.upgrade.clear();
        self.ends_connect = false;
        if asked.upgrade {
            self.begin_tunnel();
        }
        let http = on.http();
        http.stats.inc(Http::DownstreamRqTotal);
        http.stats.inc(Http::DownstreamRqActive);
        worker.in_flight.set(worker.in_flight.get() + 1);
        self.open = Some((worker.clone(), on.clone()));
    }

    /// The request is one for a tunnel.
    fn begin_tunnel(&mut self) {
        let said = |known| self.req.known(known).unwrap_or_default().to_vec();
        self.said = (said(Known::Connection), said(Known::Upgrade));
        let protocol = if self.req.is_connect() { b"connect" } else { &*self.said.1 };
        self.upgrade.extend(protocol.iter().map(u8::to_ascii_lowercase));
        // What follows on the connection was meant for the tunnel, and is no request if there is none.
        self.asked.keep_alive &= self.req.version == forebay_http::Version::H2;
    }

    /// Whether the response tells its client to go elsewhere. An HTTP/2 connection says so itself.
    pub(crate) fn sends_away(&self, worker: &Worker) -> bool {
        let away = self.open.as_ref().is_some_and(|(_, on)| on.sends_away(worker));
        if away {
            self.tell_to_go();
        }
        away
    }

    #[cold]
    fn tell_to_go(&self) {
        let news = self.streams.as_ref().is_none_or(|streams| streams.leave());
        if let (true, Some((_, on))) = (news, &self.open) {
            on.http().stats.inc(Http::DownstreamCxDrainClose);
        }
    }

    /// Whether the route or, where it says nothing, the listener allows the upgrade asked for.
    pub(crate) fn upgrade_allowed(&self, on: &Listening, forward: &Forward) -> bool {
        forward.upgrade(&self.upgrade).unwrap_or_else(|| {
            let upgrades = &on.http().manager.upgrades;
            upgrades.iter().any(|(name, on)| *on && name.as_bytes() == self.upgrade)
        })
    }

    /// Microseconds since the request began.
    pub(crate) fn elapsed(&self, worker: &Worker) -> u64 {
        worker.clock.tick().since(self.times.start)
    }

    /// Whether a second execution of this request does no harm (RFC 9110 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        !self.asked.upgrade
            && matches!(self.req.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE")
    }
}

/// A head as the router sees it.
pub(crate) struct View<'h>(pub(crate) &'h Head);

impl RequestView for View<'_> {
    #[inline]
    fn authority(&self) -> &[u8] {
        self.0.authority()
    }

    #[inline]
    fn path(&self) -> &[u8] {
        self.0.path()
    }

    #[inline]
    fn method(&self) -> &[u8] {
        self.0.method()
    }

    #[inline]
    fn scheme(&self) -> &[u8] {
        self.0.scheme.as_str().as_bytes()
    }

    fn each_header<'a>(&'a self, name: &str, value: &mut dyn FnMut(&'a [u8])) {
        for (field, text, _) in self.0.iter() {
            if field == name.as_bytes() {
                value(text);
            }
        }
    }
}
