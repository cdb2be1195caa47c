//! The gateway role: configuration in over xDS, traffic through the engine's workers, load out to the autoscaler, an admin
//! interface beside it. Owns the thread that does all but the traffic; knows nothing of Kubernetes or of who runs the control
//! plane.

pub mod bootstrap;
mod dns;
mod explain;
mod files;
mod provider;
mod reporter;
mod subscriber;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forebay_engine::admin::DrainListeners;
use forebay_engine::{Bound, Fleet, Options};
pub use forebay_model::FileResource;
use forebay_model::{AccessLogConfig, Applied, Model, Resource};
use forebay_proto::envoy::config::core::v3::Node;
use forebay_proto::{Body, type_url};
use forebay_telemetry::trace::Speaker;
use forebay_telemetry::{Cluster, Http, Registry, Totals};
use thiserror::Error;
use tokio::sync::{Notify, mpsc, watch};

pub use forebay_engine::admin::loggers;
pub use forebay_net::Ramp;
pub use forebay_xds_client::{Config as Xds, Mode, Target};
use forebay_xds_client::{Interest, WILDCARD};

/// How a gateway is started.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where its configuration comes from; `None`: it has only its own.
    pub xds: Option<Xds>,
    /// Files that have all clusters, or all listeners, by type: in place of a control plane.
    pub files: Vec<(String, FileResource)>,
    /// Who it is.
    pub node: Node,
    /// How it was started, for `/server_info`: Envoy's `command_line_options`.
    pub options: serde_json::Value,
    /// Listeners of its own, which no control plane can replace.
    pub listeners: Vec<Body>,
    /// Clusters of its own, which no control plane can replace.
    pub clusters: Vec<Body>,
    /// Worker threads; zero is one.
    pub workers: usize,
    /// Downstream connections at once, over all listeners.
    pub max_connections: usize,
    /// Where the admin interface listens; loopback, unless somebody knows better. `None` is nowhere.
    pub admin: Option<SocketAddr>,
    /// Where requests to it are written down.
    pub admin_logs: Vec<AccessLogConfig>,
    /// What the autoscaler knows this gateway by: `pod_name` in its reports.
    pub name: String,
    /// How listeners are drained when somebody asks for it gracefully.
    pub drain: Drain,
}

/// How listeners are drained gracefully.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// How long clients are told to go before the listeners close.
    pub time: Duration,
    /// Which of them are told when.
    pub ramp: Ramp,
}

impl Default for Drain {
    /// What Kourier's manifest has for a time, and Envoy's default strategy.
    fn default() -> Self {
        Self { time: Duration::from_secs(15), ramp: Ramp::Gradual }
    }
}

/// Why a gateway could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// No threads.
    #[error(transparent)]
    Workers(#[from] forebay_engine::StartError),
    /// The admin interface cannot listen.
    #[error("admin interface: {0}")]
    Admin(#[from] forebay_net::BindError),
    /// A listener of its own cannot listen.
    #[error("listener {listener:?}: {error}")]
    Listener {
        /// Its name.
        listener: String,
        /// What the system says.
        error: forebay_net::BindError,
    },
    /// No event loop or no thread for the rest.
    #[error("cannot start the gateway's own thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What came from the control plane since the start, over all streams.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) responses: AtomicU64,
    pub(crate) resources: AtomicU64,
    /// Of names, versions and bodies: the responses without their few bytes of frame.
    pub(crate) bytes: AtomicU64,
}

/// What the gateway's threads share. No worker takes its locks.
pub(crate) struct Shared {
    pub(crate) fleet: Fleet,
    pub(crate) registry: Registry,
    pub(crate) model: Mutex<Model>,
    pub(crate) config: Config,
    pub(crate) started: Instant,
    /// Whether the stream to the control plane stands.
    pub(crate) connected: watch::Sender<bool>,
    /// Raised whenever listeners changed.
    pub(crate) listeners: watch::Sender<u64>,
    pub(crate) failing: AtomicBool,
    pub(crate) quit: Notify,
    pub(crate) received: Received,
    /// What became of the control plane's updates.
    pub(crate) updates: provider::updates::Updates,
    /// Clusters whose names are being resolved.
    pub(crate) dns: dns::Resolving,
    /// Whoever reads files hears here what is wanted of them.
    pub(crate) files: mpsc::UnboundedSender<Interest>,
    pub(crate) aside: subscriber::Aside,
}

impl Shared {
    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells clients to go and, unless nothing is to end, stops accepting: at once, or after the drain time. What drains
    /// already is not drained anew.
    pub(crate) fn drain(self: &Arc<Self>, how: DrainListeners) {
        let Drain { time, ramp } = self.config.drain;
        let begun = self.fleet.drain().begin(how.inbound_only, ramp, time);
        if how.skip_exit {
            return;
        }
        if !how.graceful {
            self.fleet.close_listeners(how.inbound_only);
        } else if begun {
            let shared = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                shared.fleet.close_listeners(how.inbound_only);
            });
        }
    }
}

/// A running gateway.
pub struct Gateway {
    shared: Arc<Shared>,
    admin: Option<SocketAddr>,
    stop: Arc<Notify>,
    thread: std::thread::JoinHandle<()>,
}

impl Gateway {
    /// Binds the admin interface, starts workers and subscribes. Returns at once; requests are served when the first
    /// configuration has come.
    pub fn start(config: Config) -> Result<Self, StartError> {
        forebay_net::limits::raise_open_files();
        let registry = Registry::new();
        let (reports, heard) = mpsc::unbounded_channel();
        let (files, wanted_files) = mpsc::unbounded_channel();
        let bind = |address| forebay_net::Bound::bind(address, 1, forebay_net::Options::default());
        let admin = config.admin.map(bind).transpose()?;
        let fleet = Fleet::start(Options {
            workers: config.workers,
            max_connections: config.max_connections,
            registry: registry.clone(),
            reports,
            cluster: config.node.cluster.as_str().into(),
            speaker: Speaker {
                node_id: config.node.id.clone(),
                zone: config.node.locality.as_ref().map(|at| at.zone.clone()).unwrap_or_default(),
            },
        })?;
        let shared = Arc::new(Shared {
            fleet,
            registry,
            model: Mutex::new(Model::new()),
            config,
            started: Instant::now(),
            connected: watch::Sender::new(false),
            listeners: watch::Sender::new(0),
            failing: AtomicBool::new(false),
            quit: Notify::new(),
            received: Received::default(),
            updates: provider::updates::Updates::default(),
            dns: dns::Resolving::default(),
            files,
            aside: subscriber::Aside::default(),
        });
        let own = begin(&shared)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(Notify::new());
        let (all, stopped) = (shared.clone(), stop.clone());
        let address = admin.as_ref().map(|admin| admin.address);
        let thread = std::thread::Builder::new().name("gateway".into()).spawn(move || {
            runtime.block_on(async move {
                let local = tokio::task::LocalSet::new();
                local.spawn_local(reporter::run(heard, all.config.name.clone()));
                local.spawn_local(files::run(all.clone(), wanted_files));
                local.spawn_local(subscriber::open_late(all.clone()));
                let log = provider::access_log(&all);
                for socket in admin.into_iter().flat_map(|admin| admin.sockets) {
                    local.spawn_local(provider::serve(all.clone(), socket, log.clone()));
                }
                local.run_until(live(all, own, stopped)).await;
            });
        })?;
        Ok(Self { shared, admin: address, stop, thread })
    }

    /// Where the admin interface listens.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// What is being listened on.
    pub fn bound(&self) -> Vec<Bound> {
        self.shared.fleet.bound()
    }

    /// Waits until something is being listened on.
    pub async fn listening(&self) -> Vec<Bound> {
        let mut changes = self.shared.listeners.subscribe();
        loop {
            let bound = self.bound();
            if !bound.is_empty() || changes.changed().await.is_err() {
                return bound;
            }
        }
    }

    /// Whether the stream to the control plane stands.
    pub fn is_connected(&self) -> bool {
        *self.shared.connected.borrow()
    }

    /// Totals of a cluster; `None` while it has had no request.
    pub fn cluster(&self, name: &str) -> Option<Totals<Cluster>> {
        self.shared.registry.cluster(name)
    }

    /// Totals of a connection manager.
    pub fn http(&self, stat_prefix: &str) -> Option<Totals<Http>> {
        self.shared.registry.http(stat_prefix)
    }

    /// Requests waiting and running for a cluster, over all workers.
    pub fn load(&self, cluster: &str) -> (u32, u32) {
        let model = self.shared.model();
        model.cluster(cluster).map_or((0, 0), |c| (c.gate.waiting(), c.gate.in_flight()))
    }

    /// Opens the files of access logs anew, after somebody moved them away.
    pub fn reopen_logs(&self) {
        self.shared.fleet.reopen_logs();
    }

    /// Done when somebody asks the process to end by the admin interface.
    pub async fn asked_to_quit(&self) {
        self.shared.quit.notified().await;
    }

    /// Ends: no new connections, what is in flight may finish within `grace`.
    pub async fn shutdown(self, grace: Duration) {
        self.shared.failing.store(true, Ordering::Relaxed);
        self.shared.fleet.close_listeners(false);
        self.shared.fleet.drain().end(Some(grace)).await;
        self.shared.fleet.flush();
        self.stop.notify_one();
        let ended = tokio::task::spawn_blocking(move || self.thread.join());
        let _ = ended.await;
        if let Some(shared) = Arc::into_inner(self.shared) {
            let _ = tokio::task::spawn_blocking(move || shared.fleet.stop()).await;
        }
    }
}

/// Gives the workers the gateway's own configuration. Nothing of it is refused: it was tried when it was read. What is left
/// to do of it is given back.
fn begin(shared: &Shared) -> Result<Applied, StartError> {
    let own = |any| Resource { name: "", version: "", body: any };
    let listeners: Vec<Resource<'_>> = shared.config.listeners.iter().map(own).collect();
    let clusters: Vec<Resource<'_>> = shared.config.clusters.iter().map(own).collect();
    let mut applied = shared.model().bootstrap(&listeners, &clusters, Instant::now());
    if let Some((name, error)) = shared.fleet.publish(std::mem::take(&mut applied.update)).into_iter().next()
    {
        return Err(StartError::Listener { listener: name.to_string(), error });
    }
    Ok(applied)
}

/// Obeys the control plane and files, if there are any, until `stop`.
async fn live(shared: Arc<Shared>, own: Applied, stop: Arc<Notify>) {
    let mut subscribed = subscriber::Subscribed::new(shared.clone(), own);
    let mut xds = shared.config.xds.clone();
    let streamed = xds.iter_mut().flat_map(|xds| xds.wildcards.drain(..));
    let mut all: Vec<Interest> = streamed.map(|url| everything(url, WILDCARD.to_owned())).collect();
    all.extend(shared.config.files.iter().map(|(url, file)| everything(url.clone(), file.key())));
    let clusters = all.iter().any(|all| all.type_url == type_url::CLUSTER);
    if let Some(at) = all.iter().position(|all| all.type_url == type_url::LISTENER) {
        match clusters {
            true => subscribed = subscribed.clusters_first(all.remove(at)),
            false => subscribed.listeners_asked(Instant::now()),
        }
    }
    let all = subscriber::of_stream(&shared, all);
    match xds {
        Some(mut xds) => {
            xds.wildcards = all.into_iter().map(|all| all.type_url).collect();
            drop(forebay_xds_client::run(xds, subscribed, stop.notified()).await);
        }
        None => files::alone(subscribed, stop.notified()).await,
    }
}

/// All there is of a type.
fn everything(type_url: String, name: String) -> Interest {
    Interest { type_url, add: vec![name], remove: Vec::new() }
}
