//! A queue-proxy from its first socket to its last: bind everything or nothing, accept, and end in the reference's order. Knows no
//! signals: whoever runs it says when.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use forebay_base::duration::show;
use forebay_net::tls::ServerTls;
use forebay_net::{Acceptor, BindError, Bound, Drain, Limit, Options, Phase};
use thiserror::Error;
use tracing::info;

use crate::certificate::{Certificate, Unusable};
use crate::config::Config;
use crate::conn::{self, Door};
use crate::exchange::Errno;
use crate::sidecar::{Secrets, Sidecar};

/// Why it does not run.
#[derive(Debug, Error)]
pub enum StartError {
    /// A port cannot be had: the reference's words, and then our own.
    #[error("{server} server failed to serve: listen tcp :{}: bind: {}; {error}", .error.address.port(), Errno(&.error.source))]
    Bind {
        /// Which of its servers.
        server: &'static str,
        /// What is in the way.
        error: BindError,
    },
    /// There is a certificate that cannot be used.
    #[error("failed to create certWatcher: {0}")]
    Certificate(#[from] Unusable),
    /// There is a certificate, and what the environment says of TLS cannot be obeyed.
    #[error("Failed to read TLS configuration from environment: {0}")]
    Tls(String),
    /// Prometheus' certificate cannot be used.
    #[error("METRICS_PROMETHEUS_TLS_CERT and METRICS_PROMETHEUS_TLS_KEY: {0}")]
    Metrics(String),
    /// The runtime does not take a socket.
    #[error("{server} server failed to serve: {error}")]
    Socket {
        /// Which of its servers.
        server: &'static str,
        /// What is in the way.
        error: std::io::Error,
    },
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Addresses {
    pub main: SocketAddr,
    pub tls: Option<SocketAddr>,
    pub admin: SocketAddr,
    pub stats: SocketAddr,
    pub metrics: Option<SocketAddr>,
    pub profiling: Option<SocketAddr>,
}

/// A queue-proxy that runs on this thread's [`LocalSet`](tokio::task::LocalSet).
pub struct QueueProxy {
    sidecar: Rc<Sidecar>,
    drain: Drain,
    addresses: Addresses,
}

/// Connections at once, all ports together: what the system's limit of open files allows is the real bound.
const CONNECTIONS: usize = usize::MAX / 2;

impl QueueProxy {
    /// Binds every port, then serves.
    ///
    /// # Errors
    /// A port that cannot be had, by the name of its server. Nothing listens then.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let ports = config.ports;
        let main = bind("main", ports.address, ports.main)?;
        let admin = bind("admin", ports.address, ports.admin)?;
        let stats = bind("metrics", ports.address, ports.stats)?;
        let at = config.prometheus.as_ref().map(|prometheus| prometheus.at);
        let metrics = at.map(|at| bind("user metrics", at.ip(), at.port())).transpose()?;
        let profiling = config.profiling.map(|at| bind("profile", at.ip(), at.port())).transpose()?;
        let metrics_tls = config.prometheus.as_ref().and_then(|prometheus| prometheus.tls.as_deref());
        let metrics_tls = metrics_tls.map(ServerTls::new).transpose();
        let metrics_tls = metrics_tls.map_err(|why| StartError::Metrics(why.to_string()))?.map(Rc::new);
        let certificate = certificate(&config)?;
        let tls = certificate.as_ref().map(|_| bind("main tls", ports.address, ports.tls)).transpose()?;
        let addresses = Addresses {
            main: main.local(),
            tls: tls.as_ref().map(Acceptor::local),
            admin: admin.local(),
            stats: stats.local(),
            metrics: metrics.as_ref().map(Acceptor::local),
            profiling: profiling.as_ref().map(Acceptor::local),
        };
        if profiling.is_some() {
            info!("Runtime profiling enabled: this program has no profiles of Go's; its port says so");
        }
        let capacity = config.concurrency;
        if capacity > 0 {
            let depth = u64::from(capacity) * 10;
            info!(
                "Queue container is starting with BreakerParams = queue.BreakerParams{{QueueDepth:{depth}, \
                 MaxConcurrency:{capacity}, InitialCapacity:{capacity}}}"
            );
        }
        let drain = Drain::new();
        let every = config.certificates_every;
        if let Some(certificate) = certificate.clone() {
            tokio::task::spawn_local(async move { certificate.watch(every).await });
        }
        let sidecar = Sidecar::new(config, Secrets { certificate, metrics: metrics_tls }, &drain);
        sidecar.start();
        if let Some(tls) = tls {
            info!("Starting tls server main :{}", tls.local().port());
            tokio::task::spawn_local(accept(sidecar.clone(), drain.clone(), Door::Tls, tls));
        }
        if let Some(metrics) = metrics {
            tokio::task::spawn_local(accept(sidecar.clone(), drain.clone(), Door::Metrics, metrics));
        }
        let profiling = profiling.map(|profiling| ("profile", Door::Profiles, profiling));
        let servers =
            [("main", Door::Main, main), ("admin", Door::Admin, admin), ("metrics", Door::Stats, stats)];
        for (name, door, acceptor) in servers.into_iter().chain(profiling) {
            info!("Starting http server {name}:{}", acceptor.local().port());
            tokio::task::spawn_local(accept(sidecar.clone(), drain.clone(), door, acceptor));
        }
        Ok(Self { sidecar, drain, addresses })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Requests that are being served or wait, probes not among them.
    pub fn in_flight(&self) -> u32 {
        self.sidecar.load.in_flight().max(self.sidecar.in_flight.all())
    }

    /// Places of the breaker that are taken; 0 where there is none.
    pub fn taken(&self) -> u32 {
        self.sidecar.gate.as_ref().map_or(0, |gate| gate.in_flight() + gate.waiting())
    }

    /// Ends it: probes fail until no request has come for a while, then nothing new is taken and what is in flight finishes; what
    /// is upgraded or a stream of HTTP/2 has a limited time for that.
    pub async fn shutdown(&self) {
        let Self { sidecar, drain, .. } = self;
        info!("Received TERM signal, attempting to gracefully shutdown servers.");
        info!("Sleeping {} to allow K8s propagation of non-ready state", show(sidecar.config.quiet));
        drain.advance(Phase::Draining);
        sidecar.quiet.drain().await;
        let profile = self.addresses.profiling.map(|_| "profile");
        let tls = self.addresses.tls.map(|_| "main tls");
        for name in ["main", "admin", "metrics"].into_iter().chain(profile).chain(tls) {
            info!("Shutting down server: {name}");
        }
        drain.advance(Phase::Closing);
        sidecar.in_flight.only_apart().await;
        let patience = sidecar.config.patience;
        if tokio::time::timeout(patience, sidecar.in_flight.none()).await.is_err() {
            tracing::warn!(
                error = "context deadline exceeded",
                requests = sidecar.in_flight.all(),
                "Hijack connection drain failed"
            );
            drain.advance(Phase::Cut);
        } else {
            // The last answers are out; their connections close as soon as their clients have read them.
            let _ = tokio::time::timeout(LAST_WORDS, drain.idle()).await;
        }
        if let Some(log) = &sidecar.log {
            log.flush();
        }
        if tokio::time::timeout(TELLING, sidecar.tell_the_rest()).await.is_err() {
            tracing::error!("Error flushing metrics and traces: not done after {TELLING:?}");
        }
        info!("Shutdown complete, exiting...");
    }
}

/// How long the last metrics and spans may take.
const TELLING: std::time::Duration = std::time::Duration::from_secs(10);

/// How long connections may take to close after their last answer.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);

/// The certificate, where one is mounted.
fn certificate(config: &Config) -> Result<Option<Rc<Certificate>>, StartError> {
    if !Certificate::is_mounted(&config.certificates)? {
        return Ok(None);
    }
    let params = config.tls.clone().map_err(StartError::Tls)?;
    Ok(Some(Certificate::read(&config.certificates, params)?))
}

/// One socket on all addresses, of IPv4 alone where the system knows no other.
fn bind(server: &'static str, address: IpAddr, port: u16) -> Result<Acceptor, StartError> {
    let bind = |address| Bound::bind(SocketAddr::new(address, port), 1, Options::default());
    let bound = match bind(address) {
        Err(e) if address.is_ipv6() && address.is_unspecified() && no_ipv6(&e) => {
            bind(Ipv4Addr::UNSPECIFIED.into())
        }
        bound => bound,
    };
    let bound = bound.map_err(|error| StartError::Bind { server, error })?;
    let failed = |error| StartError::Socket { server, error };
    let socket =
        bound.sockets.into_iter().next().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
    Acceptor::new(socket, Limit::new(CONNECTIONS)).map_err(failed)
}

/// EAFNOSUPPORT, EADDRNOTAVAIL.
fn no_ipv6(error: &BindError) -> bool {
    matches!(error.source.raw_os_error(), Some(97 | 99))
}

/// Accepts until nothing new is taken.
async fn accept(sidecar: Rc<Sidecar>, drain: Drain, door: Door, mut acceptor: Acceptor) {
    let serve = |accepted| {
        let sidecar = sidecar.clone();
        tokio::task::spawn_local(async move { conn::serve(&sidecar, door, accepted).await });
    };
    loop {
        tokio::select! {
            biased;
            () = drain.reached(Phase::Closing) => break,
            accepted = acceptor.accept() => if let Ok(accepted) = accepted {
                serve(accepted);
            },
        }
    }
    // Closing the socket would reset clients that believe they are connected.
    acceptor.leftover().into_iter().flatten().for_each(serve);
}
