//! A connection from its first byte to its protocol: PROXY header, ClientHello, filter chain, handshake. Knows no requests.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use forebay_model::{Arrival, Codec, ProxyProtocol};
use forebay_net::proxy_protocol::{self as proxy, Origin, Version};
use forebay_net::tls::Hello;
use forebay_net::tls::hello::{self, Look};
use forebay_net::{Guard, Phase, Stream, Timeout};
use forebay_telemetry::{Http, Listener, ListenerStats};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::front::{Chains, Front};
use super::{HttpState, Leaves, Listening, Secure, h1, h2, handshake, protocol};
use crate::exchange::Peer;
use crate::worker::Worker;

/// Both ends of a connection, as far as they are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
}

/// A connection as it is served from its first request to its end.
pub(super) type Served = Pin<Box<dyn Future<Output = ()>>>;

/// A connection up to its first request. `None`: it has ended already.
pub(super) async fn begin(
    worker: Rc<Worker>,
    front: Rc<Front>,
    stats: ListenerStats,
    ends: Ends,
    stream: TcpStream,
) -> Option<Served> {
    let chains = front.chains();
    let filters = &chains.config.filters;
    let plain = chains.only.as_ref().filter(|_| filters.proxy_protocol.is_none() && !filters.inspect_tls);
    if let Some(on) = plain {
        // Nothing to look at: as it was before there was anything to look at.
        return speak(&worker, on, ends, ends.remote, None, Stream::Plain(stream)).await;
    }
    let Opened { on, ends: seen, secure, stream } = open(&worker, &chains, &stats, ends, stream).await?;
    speak(&worker, &on, seen, ends.remote, secure, stream).await
}

/// A connection that is ready for requests.
struct Opened {
    on: Rc<Listening>,
    ends: Ends,
    secure: Option<Rc<Secure>>,
    stream: Stream,
}

/// Everything up to the first byte of HTTP. `None`: it has been closed, and counted for the reason.
async fn open(
    worker: &Rc<Worker>,
    chains: &Chains,
    stats: &ListenerStats,
    ends: Ends,
    mut stream: TcpStream,
) -> Option<Opened> {
    let filters = &chains.config.filters;
    let mut patience = Patience::new(worker, filters.timeout);
    let mut first = Vec::new();
    let mut seen = ends;
    stats.inc(Listener::DownstreamPreCxActive);
    let counted = Closing(|| stats.dec(Listener::DownstreamPreCxActive));
    if let Some(proxy) = &filters.proxy_protocol {
        let read = patience.wait(proxy_header(&mut stream, &mut first, proxy, stats)).await;
        match read {
            Ok(Ok(Some(Origin::Proxied { source, destination }))) => {
                seen = Ends { local: destination, remote: source };
            }
            Ok(Ok(_)) => {}
            Ok(Err(Broken)) => return None,
            Err(stop) if stop.goes_on(filters.continue_on_timeout, stats) => {}
            Err(_) => return None,
        }
    }
    let mut hello = Look::NotTls;
    if filters.inspect_tls {
        hello = match patience.wait(client_hello(&mut stream, &mut first)).await {
            // It left before it had said enough: a port scan, a health check by connecting.
            Ok(Look::More) => {
                stats.inc(Listener::DownstreamListenerFilterRemoteClose);
                return None;
            }
            Ok(look) => look,
            Err(stop) if stop.goes_on(filters.continue_on_timeout, stats) => Look::NotTls,
            Err(_) => return None,
        };
    }
    let said = match &hello {
        Look::Hello(hello) => Some(hello),
        Look::NotTls | Look::More => None,
    };
    let arrival = Arrival {
        destination: seen.local,
        server_name: said.and_then(|hello| hello.server_name.as_deref()),
        tls: said.is_some(),
        application_protocols: said.map_or(&[], |hello| &hello.alpn),
        direct_source: ends.remote.ip(),
        source: seen.remote,
    };
    let Some(on) = chains.at(chains.config.choice.find(&arrival)).cloned() else {
        stats.inc(Listener::NoFilterChainMatch);
        tracing::debug!(peer = %seen.remote, server_name = arrival.server_name, "no filter chain is for this connection");
        return None;
    };
    drop(counted);
    let chain = on.chain();
    if chain.tls.is_none() {
        return Some(Opened { on, ends: seen, secure: None, stream: Stream::after(stream, first) });
    }
    let hello = match hello {
        Look::Hello(hello) => hello,
        // Something else altogether is closed without a word, as by Envoy; what is wrong with a handshake the session says.
        Look::NotTls if first.first().is_some_and(|kind| *kind != hello::HANDSHAKE) => {
            stats.inc(Listener::SslConnectionError);
            return None;
        }
        Look::NotTls | Look::More => Hello::default(),
    };
    let tls = handshake::server(worker, &chain, stats, &hello, stream, first, seen.remote).await?;
    let shown = chain.tls.as_ref().and_then(|tls| tls.shown_to(hello.server_name.as_deref()).first());
    // Whom the client asks for is known to those who look; the handshake has its own way to know.
    let hello = Hello { server_name: hello.server_name.filter(|_| filters.tells_server_name), ..hello };
    let secure = Rc::new(Secure::new(hello, &tls, shown, &on.http().manager.client_cert));
    Some(Opened { on, ends: seen, secure: Some(secure), stream: Stream::Tls(Box::new(tls)) })
}

/// A connection that will speak HTTP until it ends.
async fn speak(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    ends: Ends,
    direct: SocketAddr,
    secure: Option<Rc<Secure>>,
    stream: Stream,
) -> Option<Served> {
    let http = on.http();
    let mut stream = stream.metered(http.bytes.clone());
    http.stats.inc(Http::DownstreamCxTotal);
    http.stats.inc(Http::DownstreamCxActive);
    let tls = secure.is_some();
    if tls {
        http.stats.inc(Http::DownstreamCxSslTotal);
        http.stats.inc(Http::DownstreamCxSslActive);
    }
    let open = Open { http: http.clone(), tls };
    let peer = Peer {
        remote: ends.remote,
        local: ends.local,
        direct,
        secure,
        text: ends.remote.ip().to_canonical().to_string().into(),
        connection: worker.connection_number(),
        streams: None,
    };
    let mut leaves = Leaves::new(worker, on);
    match protocol(worker, on, &mut stream, &mut leaves).await? {
        Codec::Http2 => {
            let (worker, on) = (worker.clone(), on.clone());
            Some(Box::pin(async move {
                h2::serve(&worker, &on, &peer, stream, leaves).await;
                drop(open);
            }))
        }
        _ => Some(h1::serve(worker.clone(), on.clone(), peer, stream, leaves, open)),
    }
}

/// A connection that is counted as open until this is dropped.
pub(super) struct Open {
    http: Rc<HttpState>,
    tls: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.http.stats.dec(Http::DownstreamCxActive);
        self.http.stats.inc(Http::DownstreamCxDestroy);
        if self.tls {
            self.http.stats.dec(Http::DownstreamCxSslActive);
        }
    }
}

/// It was closed for what it said; the reason has been counted.
struct Broken;

/// Reads the PROXY header and nothing of what follows it; `None` where there may be none and is none.
async fn proxy_header(
    stream: &mut TcpStream,
    first: &mut Vec<u8>,
    config: &ProxyProtocol,
    stats: &ListenerStats,
) -> Result<Option<Origin>, Broken> {
    loop {
        let look = proxy::look(first);
        let count = |version, [v1, v2]: [Listener; 2]| {
            stats.inc(if version == Version::V1 { v1 } else { v2 });
        };
        let allowed = |version| if version == Version::V1 { config.v1 } else { config.v2 };
        match look {
            proxy::Look::Header(header) if allowed(header.version) => {
                count(header.version, [Listener::ProxyV1Found, Listener::ProxyV2Found]);
                first.drain(..header.length);
                return Ok(Some(header.origin));
            }
            proxy::Look::Header(proxy::Header { version, .. }) | proxy::Look::Invalid(version)
                if !allowed(version) && !config.optional =>
            {
                count(version, [Listener::ProxyV1Disallowed, Listener::ProxyV2Disallowed]);
                return Err(Broken);
            }
            proxy::Look::Invalid(version) if allowed(version) => {
                count(version, [Listener::ProxyV1Error, Listener::ProxyV2Error]);
                return Err(Broken);
            }
            // A header of a version that is none here, where there need not be any, is not looked at either.
            proxy::Look::Absent | proxy::Look::Header(_) | proxy::Look::Invalid(_) if config.optional => {
                stats.inc(Listener::ProxyNotFoundAllowed);
                return Ok(None);
            }
            proxy::Look::Absent | proxy::Look::Header(_) | proxy::Look::Invalid(_) => {
                stats.inc(Listener::ProxyNotFoundDisallowed);
                return Err(Broken);
            }
            proxy::Look::More => {
                if more(stream, first).await == 0 {
                    stats.inc(Listener::DownstreamListenerFilterRemoteClose);
                    return Err(Broken);
                }
            }
        }
    }
}

/// Reads until it is clear what the client speaks; the end of the stream makes it clear as well.
async fn client_hello(stream: &mut TcpStream, first: &mut Vec<u8>) -> Look {
    loop {
        match hello::look(first) {
            Look::More if more(stream, first).await > 0 => {}
            look => return look,
        }
    }
}

/// Reads what there is, at least a byte; 0 is the end, however it came.
async fn more(stream: &mut TcpStream, first: &mut Vec<u8>) -> usize {
    // A ClientHello with a post-quantum key share has 1.8 KB; most others a quarter of that.
    let mut room = [0; 2048];
    poll_fn(|cx| {
        let mut buf = ReadBuf::new(&mut room);
        let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf));
        let new = if read.is_ok() { buf.filled() } else { &[] };
        first.extend_from_slice(new);
        Poll::Ready(new.len())
    })
    .await
}

/// How long a client is waited for, and whether the process still wants it.
pub(super) struct Patience {
    late: Option<Timeout>,
    guard: Guard,
}

/// Why a client is waited for no longer.
pub(super) enum Stop {
    Late,
    Draining,
}

impl Stop {
    /// Whether the connection goes on all the same; counts it if time ran out.
    fn goes_on(&self, on_timeout: bool, stats: &ListenerStats) -> bool {
        match self {
            Stop::Late => {
                stats.inc(Listener::DownstreamPreCxTimeout);
                on_timeout
            }
            Stop::Draining => false,
        }
    }
}

impl Patience {
    /// For this long; zero is for ever.
    pub(super) fn new(worker: &Worker, limit: Duration) -> Self {
        worker.clock.tick();
        let late = (!limit.is_zero()).then(|| worker.timer.after(limit));
        Self { late, guard: worker.drain.guard() }
    }

    pub(super) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if self.late.as_mut().is_some_and(|late| late.poll_expired(cx).is_ready()) {
                return Poll::Ready(Err(Stop::Late));
            }
            while let Poll::Ready(phase) = self.guard.poll_phase(cx) {
                if phase >= Phase::Closing {
                    return Poll::Ready(Err(Stop::Draining));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Does something when dropped, so that no way out is uncounted.
pub(super) struct Closing<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for Closing<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
