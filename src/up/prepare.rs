//! Everything `forebay up` needs before it can begin, in the order in which a user would want to hear what is missing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use forebay_autoscaler::{Autoscaler, ScaleTo};
use forebay_gateway::{Gateway, Target, Xds};
use forebay_knative::world;
use forebay_local::state::{self, StateLock};
use forebay_local::{Event, Platform};
use forebay_xds_control::translate::{AccessLog, Settings};
use forebay_xds_control::{Control, Directory, Event as Manifest, Journal, Work};
use forebay_xds_server::{Listener, Store, serve};
use thiserror::Error;
use tokio::net::UnixListener;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::cli::Up;

/// Why `up` cannot begin.
#[derive(Debug, Error)]
pub(crate) enum Unable {
    #[error("{0}")]
    Port(String),
    #[error(transparent)]
    State(#[from] state::StateError),
    #[error(transparent)]
    Objects(#[from] forebay_xds_control::StateError),
    #[error(transparent)]
    Manifests(#[from] forebay_xds_control::OpenError),
    #[error(transparent)]
    Autoscaler(#[from] forebay_autoscaler::StartError),
    #[error(transparent)]
    Platform(#[from] forebay_local::StartError),
    #[error(transparent)]
    Gateway(#[from] forebay_gateway::StartError),
    #[error("xDS socket {}: {error}", path.display())]
    Socket { path: PathBuf, error: std::io::Error },
}

/// All parts, started and not yet connected.
pub(super) struct Prepared {
    pub(super) options: Up,
    pub(super) control: Control,
    /// What the state directory brought.
    pub(super) restored: Work,
    pub(super) manifests: UnboundedReceiver<Manifest>,
    pub(super) _directory: Directory,
    pub(super) platform: Platform,
    pub(super) events: UnboundedReceiver<Event>,
    pub(super) autoscaler: Autoscaler,
    pub(super) orders: UnboundedReceiver<ScaleTo>,
    pub(super) gateway: Gateway,
    pub(super) store: Store,
    pub(super) journal: Journal,
    /// Holds the lock on the state directory.
    pub(super) _lock: StateLock,
    pub(super) socket: PathBuf,
}

pub(super) async fn prepare(options: Up) -> Result<Prepared, Unable> {
    let listen = SocketAddr::new(options.address, options.port);
    free(listen, "--port")?;
    let admin = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), options.admin_port);
    free(admin, "--admin-port")?;
    let path = match &options.state {
        Some(path) => path.clone(),
        None => state::default_dir()?,
    };
    let lock = StateLock::open(path)?;
    let mut journal = if options.fresh { Journal::fresh(lock.path())? } else { Journal::open(lock.path())? };
    let (directory, manifests) = Directory::open(&options.files)?;
    let (autoscaler, orders) = Autoscaler::spawn(forebay_autoscaler::Config::default())?;

    let store = Store::new();
    let mut settings = Settings::new(vec![listen]);
    settings.report = Some(autoscaler.url().into());
    settings.max_waiting = options.limits.max_waiting;
    settings.max_waiting_bytes = options.limits.max_waiting_bytes.0;
    settings.wait_timeout = options.limits.wait_timeout;
    settings.max_header_bytes = options.limits.max_header_bytes.0;
    settings.max_headers = options.limits.max_headers;
    settings.header_timeout = options.limits.header_timeout;
    settings.idle_timeout = options.limits.idle_timeout;
    settings.access_log = options.access_log.as_ref().map(|path| {
        let path =
            if path.as_os_str() == "-" { "/dev/stdout".to_owned() } else { path.display().to_string() };
        AccessLog { path, format: None }
    });
    let config = world::Config {
        domains: options.domains.iter().map(|domain| Arc::from(domain.0.as_str())).collect(),
        rollout_duration: options.limits.rollout_duration,
        ..world::Config::default()
    };
    let mut unread = None;
    let records = journal.load()?.map_while(|record| record.map_err(|error| unread = Some(error)).ok());
    let (control, restored) = Control::restore(config, settings, store.clone(), records, SystemTime::now());
    if let Some(error) = unread {
        return Err(error.into());
    }

    let mut local = forebay_local::Options::new(lock.path());
    local.images = options.images.iter().map(|i| (i.image.clone(), i.command.clone())).collect();
    local.queue_proxy = options.queue_proxy;
    let (platform, events) = Platform::start(local).await?;

    let socket = lock.path().join("xds.sock");
    let failed = |error| Unable::Socket { path: socket.clone(), error };
    // The lock on the directory says that nobody uses an old one.
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&socket).map_err(failed)?;
    let serving = serve(store.clone(), Listener::from(listener), std::future::pending());
    tokio::task::spawn_local(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the xDS server ended");
        }
    });
    let workers = options.workers.map_or_else(cores, usize::from);
    let gateway = Gateway::start(forebay_gateway::Config {
        xds: Some(Xds::new(Target::Unix(socket.clone()), format!("up-{}", std::process::id()), "forebay-up")),
        workers,
        max_connections: MAX_CONNECTIONS,
        admin: Some(admin),
        name: format!("gateway-{}", std::process::id()),
        ..forebay_gateway::Config::default()
    })?;
    Ok(Prepared {
        options,
        control,
        restored,
        manifests,
        _directory: directory,
        platform,
        events,
        autoscaler,
        orders,
        gateway,
        store,
        journal,
        _lock: lock,
        socket,
    })
}

/// Client connections at once: Envoy's edge recommendation.
const MAX_CONNECTIONS: usize = 50_000;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Whether somebody could listen there, asked before anything is started: this is the mistake that people make.
fn free(address: SocketAddr, flag: &str) -> Result<(), Unable> {
    match std::net::TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(Unable::Port(format!(
            "{address} is in use by another program; stop it (`ss -ltnp` names it), or choose another port with {flag} \
             ({flag} 0 picks a free one)"
        ))),
        Err(error) => Err(Unable::Port(format!("cannot listen on {address}: {error}"))),
    }
}
