//! A store behind a real socket, and a subscriber that writes down what it hears.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use forebay_proto::envoy::config::route::v3::VirtualHost;
use forebay_proto::type_url::{CLUSTER, ENDPOINTS, VIRTUAL_HOST};
use forebay_xds_client::{Change, Config, Interest, Mode, Outcome, Rejection, Subscriber, Target};
use forebay_xds_server::{Listener, Store, serve};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server that can be stopped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn tcp(store: &Store, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::start(store, listener.into(), address)
    }

    pub(crate) fn unix(store: &Store, path: &Path) -> Self {
        Self::start(store, UnixListener::bind(path).unwrap().into(), "127.0.0.1:0".parse().unwrap())
    }

    fn start(store: &Store, listener: Listener, address: SocketAddr) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let store = store.clone();
        let task = tokio::spawn(async move {
            serve(store, listener, async { _ = stopped.await }).await.unwrap();
        });
        Self { address, stop, task }
    }

    pub(crate) async fn stop(self) {
        _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

/// What a subscriber heard.
#[derive(Debug, Default, Clone)]
pub(crate) struct Heard {
    /// By type and name: version and body.
    pub(crate) have: BTreeMap<(String, String), (String, Vec<u8>)>,
    /// Resources received, again or new.
    pub(crate) resources: usize,
    /// Calls of `apply`.
    pub(crate) responses: usize,
    pub(crate) removed: Vec<String>,
    pub(crate) missing: Vec<String>,
    pub(crate) connected: bool,
    pub(crate) connections: usize,
    /// The order in which types came.
    pub(crate) order: Vec<String>,
}

impl Heard {
    pub(crate) fn names(&self, type_url: &str) -> Vec<&str> {
        self.have.keys().filter(|(t, _)| t == type_url).map(|(_, name)| name.as_str()).collect()
    }

    pub(crate) fn body(&self, type_url: &str, name: &str) -> Option<&[u8]> {
        self.have.get(&(type_url.to_owned(), name.to_owned())).map(|(_, body)| body.as_slice())
    }
}

/// Wants the endpoints of every cluster it has, and what it was told to want.
struct Book {
    heard: watch::Sender<Heard>,
    refuse: Arc<Mutex<BTreeSet<String>>>,
    first: Vec<Interest>,
    slow: Duration,
}

impl Subscriber for Book {
    fn apply(&mut self, type_url: &str, change: Change) -> Outcome {
        std::thread::sleep(self.slow);
        let refuse = self.refuse.lock().unwrap().clone();
        let mut outcome = Outcome { interests: std::mem::take(&mut self.first), ..Outcome::default() };
        let mut endpoints = Interest { type_url: ENDPOINTS.into(), ..Interest::default() };
        self.heard.send_modify(|heard| {
            heard.responses += 1;
            heard.order.push(type_url.rsplit('.').next().unwrap_or_default().to_owned());
            let key = |name: &str| (type_url.to_owned(), name.to_owned());
            let listed: BTreeSet<_> = change.added.iter().map(|r| r.name.clone()).collect();
            if change.full {
                heard.have.retain(|(t, name), _| t != type_url || listed.contains(name));
            }
            for resource in change.added {
                heard.resources += 1;
                if refuse.contains(&resource.name) {
                    outcome
                        .rejected
                        .push(Rejection { name: resource.name, message: "does not please".into() });
                    continue;
                }
                if type_url == CLUSTER {
                    endpoints.add.push(resource.name.clone());
                }
                heard.have.insert(key(&resource.name), (resource.version, resource.body.value.to_vec()));
            }
            for name in change.removed {
                heard.have.remove(&key(&name));
                if type_url == CLUSTER {
                    endpoints.remove.push(name.clone());
                }
                heard.removed.push(name);
            }
        });
        outcome.interests.push(endpoints);
        outcome
    }

    fn does_not_exist(&mut self, _: &str, name: &str) -> Vec<Interest> {
        self.heard.send_modify(|heard| heard.missing.push(name.to_owned()));
        Vec::new()
    }

    fn connected(&mut self, up: bool) {
        self.heard.send_modify(|heard| {
            heard.connected = up;
            heard.connections += usize::from(up);
        });
    }
}

/// A running client.
pub(crate) struct Proxy {
    heard: watch::Receiver<Heard>,
    pub(crate) refuse: Arc<Mutex<BTreeSet<String>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) fn tcp(address: SocketAddr, mode: Mode) -> Self {
        Self::start(Target::Tcp(address.to_string()), mode, Vec::new(), &[], Duration::ZERO)
    }

    pub(crate) fn start(
        target: Target,
        mode: Mode,
        first: Vec<Interest>,
        refuse: &[&str],
        slow: Duration,
    ) -> Self {
        let refuse = Arc::new(Mutex::new(refuse.iter().map(|s| (*s).to_owned()).collect::<BTreeSet<_>>()));
        let (sender, heard) = watch::channel(Heard::default());
        let book = Book { heard: sender, refuse: refuse.clone(), first, slow };
        let (stop, stopped) = oneshot::channel::<()>();
        let config = Config { mode, ..Config::new(target, "test-node", "test") };
        // A thread of its own: a subscriber that takes its time must not slow the server down.
        let task = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(forebay_xds_client::run(config, book, async { _ = stopped.await }));
        });
        Self { heard, refuse, stop, task }
    }

    pub(crate) async fn until(&mut self, what: &str, mut condition: impl FnMut(&Heard) -> bool) -> Heard {
        let wait = self.heard.wait_for(|heard| condition(heard));
        let result = tokio::time::timeout(PATIENCE, wait).await;
        match result {
            Ok(heard) => heard.unwrap().clone(),
            Err(_) => panic!("waited in vain for: {what}"),
        }
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }

    pub(crate) async fn stop(self) {
        _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for: {what}"))
}

pub(crate) fn put_cluster(store: &Store, name: &str, note: &str) -> bool {
    store.set(CLUSTER, name, &Cluster { name: name.into(), alt_stat_name: note.into(), ..Cluster::default() })
}

pub(crate) fn put_endpoints(store: &Store, name: &str) -> bool {
    store.set(
        ENDPOINTS,
        name,
        &ClusterLoadAssignment { cluster_name: name.into(), ..ClusterLoadAssignment::default() },
    )
}

pub(crate) fn put_host(store: &Store, name: &str, domain: &str) -> bool {
    let host = VirtualHost { name: name.into(), domains: vec![domain.into()], ..VirtualHost::default() };
    store.set(VIRTUAL_HOST, &format!("services/{name}"), &host)
}

pub(crate) fn want_services() -> Vec<Interest> {
    vec![Interest { type_url: VIRTUAL_HOST.into(), add: vec!["services".into()], remove: Vec::new() }]
}
