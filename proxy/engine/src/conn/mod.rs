//! Downstream connections: listeners as one worker has them, accept loops, the choice of protocol. Knows no requests.

mod h1;
mod h2;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use forebay_http::Head;
use forebay_http::Known;
use forebay_http::h1::Limits;
use forebay_http::path::Rules;
use forebay_model::{Codec, HttpManager, Listener as Config, RouteSource, ServerHeader};
use forebay_net::{Accepted, Acceptor, Phase, Sniff, Stream, sniff};
use forebay_route::Table;
use forebay_telemetry::log::{Format, LogWriter};
use forebay_telemetry::{Http, HttpStats, Listener, ListenerStats};
use tokio::sync::Notify;

use crate::exchange::Peer;
use crate::worker::Worker;

/// A listener as one worker has it. It outlives its configuration's updates.
pub(crate) struct Listening {
    name: Arc<str>,
    http: RefCell<Rc<HttpState>>,
    closed: Cell<bool>,
    close: Notify,
}

/// How requests of a listener are treated.
pub(crate) struct HttpState {
    pub(crate) manager: Arc<HttpManager>,
    pub(crate) stats: HttpStats,
    pub(crate) logs: Vec<RefCell<LogWriter>>,
    /// Whether a log line may ask for the route's name.
    pub(crate) logs_routes: bool,
    pub(crate) path_rules: Rules,
    pub(crate) limits: Limits,
    inline: Option<Rc<Table>>,
}

impl Listening {
    /// What is in force now.
    #[inline]
    pub(crate) fn http(&self) -> Rc<HttpState> {
        self.http.borrow().clone()
    }

    /// The table requests are routed by; `None` until it has come.
    #[inline]
    pub(crate) fn table(&self, worker: &Worker) -> Option<Rc<Table>> {
        let http = self.http.borrow();
        match &http.manager.routes {
            RouteSource::Rds(name) => worker.config.table(name),
            RouteSource::Inline(_) => http.inline.clone(),
        }
    }

    /// Accepts no more.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.close.notify_waiters();
    }

    async fn closed(&self) {
        let notified = self.close.notified();
        if !self.closed.get() {
            notified.await;
        }
    }
}

impl HttpState {
    fn new(worker: &Worker, manager: &Arc<HttpManager>, before: Option<&HttpState>) -> Rc<Self> {
        let same = before.filter(|b| b.manager.stat_prefix == manager.stat_prefix);
        let stats = same.map_or_else(|| worker.stats.http(&manager.stat_prefix), |b| b.stats.clone());
        let mut logs_routes = false;
        let mut logs = Vec::new();
        for config in &manager.access_logs {
            logs_routes |= config.format.as_deref().is_some_and(|f| f.contains("ROUTE_NAME"));
            let format = match &config.format {
                Some(text) => Format::parse(text),
                None => Ok(Format::default()),
            };
            match (format, worker.log_files.open(&*config.path)) {
                (Ok(format), Ok(file)) => logs.push(RefCell::new(file.writer(Arc::new(format)))),
                // The model has compiled the format already; a file may still be refused. Requests are served without it.
                (Err(error), _) => tracing::warn!(%error, "an access log is not written"),
                (_, Err(error)) => tracing::warn!(%error, "an access log is not written"),
            }
        }
        let inline = match &manager.routes {
            RouteSource::Inline(table) => Some(Rc::new((**table).clone())),
            RouteSource::Rds(_) => None,
        };
        Rc::new(Self {
            stats,
            logs,
            logs_routes,
            path_rules: crate::exchange::path_rules(manager),
            limits: Limits {
                head_bytes: manager.max_request_headers_kb as usize * 1024,
                headers: manager.max_headers_count as usize,
                http10: manager.accept_http_10,
            },
            inline,
            manager: manager.clone(),
        })
    }

    /// The `server` header of a response.
    pub(crate) fn server_header(&self, res: &mut Head) {
        match &self.manager.server_header {
            ServerHeader::Overwrite(name) => res.set(b"server", name.as_bytes()),
            ServerHeader::AppendIfAbsent(name) if !res.has(Known::Server) => {
                res.push(b"server", name.as_bytes())
            }
            ServerHeader::AppendIfAbsent(_) | ServerHeader::PassThrough => {}
        }
    }

    /// Hands buffered log lines to their files' threads.
    pub(crate) fn flush_logs(&self) {
        self.logs.iter().for_each(|log| log.borrow_mut().flush());
    }
}

/// Makes a worker's listeners what an update says: a known name keeps its sockets and connections, and only what its requests
/// are treated by changes.
pub(crate) fn configure(
    worker: &Rc<Worker>,
    listeners: &RefCell<Vec<Rc<Listening>>>,
    name: &Arc<str>,
    config: Option<&Arc<Config>>,
    sockets: &mut Vec<(Arc<str>, TcpListener)>,
) {
    let known = listeners.borrow().iter().find(|l| l.name == *name && !l.closed.get()).cloned();
    let mine: Vec<TcpListener> = {
        let (mine, rest): (Vec<_>, Vec<_>) = sockets.drain(..).partition(|(n, _)| n == name);
        *sockets = rest;
        mine.into_iter().map(|(_, socket)| socket).collect()
    };
    let Some(config) = config else {
        if let Some(known) = known {
            known.close();
            listeners.borrow_mut().retain(|l| !Rc::ptr_eq(l, &known));
        }
        return;
    };
    if let Some(known) = &known {
        let http = HttpState::new(worker, &config.http, Some(&known.http()));
        *known.http.borrow_mut() = http;
        if mine.is_empty() {
            return;
        }
        // New addresses: the old sockets go, their connections stay.
        known.close();
        listeners.borrow_mut().retain(|l| !Rc::ptr_eq(l, known));
    }
    if mine.is_empty() {
        return;
    }
    let http = HttpState::new(worker, &config.http, known.map(|k| k.http()).as_deref());
    let listening = Rc::new(Listening {
        name: name.clone(),
        http: RefCell::new(http),
        closed: Cell::new(false),
        close: Notify::new(),
    });
    listeners.borrow_mut().push(listening.clone());
    for socket in mine {
        match Acceptor::new(socket, worker.limit.clone()) {
            Ok(acceptor) => {
                drop(tokio::task::spawn_local(accept(worker.clone(), listening.clone(), acceptor)))
            }
            Err(error) => {
                tracing::error!(listener = %name, %error, "a worker cannot take over a listening socket")
            }
        }
    }
}

async fn accept(worker: Rc<Worker>, on: Rc<Listening>, mut acceptor: Acceptor) {
    let stats = worker.stats.listener(&acceptor.local().to_string().into());
    let mut guard = worker.drain.guard();
    loop {
        let accepted = {
            let next = acceptor.accept();
            tokio::pin!(next);
            let closed = on.closed();
            tokio::pin!(closed);
            poll_fn(|cx| {
                if closed.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                while let Poll::Ready(phase) = guard.poll_phase(cx) {
                    if phase >= Phase::Closing {
                        return Poll::Ready(None);
                    }
                }
                next.as_mut().poll(cx).map(Some)
            })
            .await
        };
        match accepted {
            Some(Ok(accepted)) => serve(&worker, &on, &stats, acceptor.local(), accepted),
            Some(Err(forebay_net::Refused::Limit { .. })) => stats.inc(Listener::DownstreamCxOverflow),
            Some(Err(_)) => stats.inc(Listener::AcceptErrors),
            None => break,
        }
    }
    for accepted in acceptor.leftover().into_iter().flatten() {
        serve(&worker, &on, &stats, acceptor.local(), accepted);
    }
}

fn serve(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    stats: &ListenerStats,
    local: std::net::SocketAddr,
    accepted: Accepted,
) {
    let Accepted { stream, peer, slot } = accepted;
    stats.inc(Listener::DownstreamCxTotal);
    stats.inc(Listener::DownstreamCxActive);
    let stats = stats.clone();
    let (worker, on) = (worker.clone(), on.clone());
    tokio::task::spawn_local(async move {
        let http = on.http();
        http.stats.inc(Http::DownstreamCxTotal);
        http.stats.inc(Http::DownstreamCxActive);
        let _open = Closing(|| {
            stats.dec(Listener::DownstreamCxActive);
            stats.inc(Listener::DownstreamCxDestroy);
            http.stats.dec(Http::DownstreamCxActive);
            http.stats.inc(Http::DownstreamCxDestroy);
        });
        let peer = Peer {
            remote: peer,
            // The address accepted on; an unspecified one says too little, so the kernel is asked.
            local: if local.ip().is_unspecified() { stream.local_addr().unwrap_or(local) } else { local },
            text: peer.ip().to_canonical().to_string().into(),
            connection: worker.connection_number(),
        };
        let mut stream = Stream::Plain(stream);
        match protocol(&worker, &on, &mut stream).await {
            Some(Codec::Http2) => Box::pin(h2::serve(&worker, &on, &peer, stream)).await,
            Some(_) => h1::serve(&worker, &on, &peer, stream).await,
            None => {}
        }
        drop(slot);
    });
}

struct Closing<F: FnMut()>(F);

impl<F: FnMut()> Drop for Closing<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What the client speaks, by its first bytes, which stay in the kernel's buffer. `None` if it never said.
async fn protocol(worker: &Worker, on: &Listening, stream: &mut Stream) -> Option<Codec> {
    let codec = on.http().manager.codec;
    if codec != Codec::Auto {
        return Some(codec);
    }
    // A client that says nothing is not waited for longer than for a request's head.
    let patience = match on.http().manager.request_headers_timeout {
        Duration::ZERO => on.http().manager.idle_timeout,
        limit => limit,
    };
    let mut late = (!patience.is_zero()).then(|| worker.timer.after(patience));
    let mut guard = worker.drain.guard();
    let mut first = [0u8; 24];
    let mut seen = 0;
    loop {
        let n = poll_fn(|cx| {
            if late.as_mut().is_some_and(|late| late.poll_expired(cx).is_ready()) {
                return Poll::Ready(None);
            }
            while let Poll::Ready(phase) = guard.poll_phase(cx) {
                if phase >= Phase::Closing {
                    return Poll::Ready(None);
                }
            }
            Poll::Ready(ready!(stream.poll_peek(cx, &mut first)).ok())
        })
        .await?;
        match sniff(first.get(..n).unwrap_or_default()) {
            Sniff::Http2 => return Some(Codec::Http2),
            Sniff::Http1 => return Some(Codec::Http1),
            Sniff::More if n == 0 => return None,
            // Part of the preface: it is in the buffer already, so readiness would not say when more has come.
            Sniff::More => {
                if n == seen {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                seen = n;
            }
        }
    }
}
