//! A gateway with its own control plane in this process. Everything ends with the test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use forebay_gateway::{Config, Drain, Gateway, Ramp, Target, Xds};
use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::type_url;
use forebay_xds_server::{Listener, Store, serve};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::background::Background;
use super::client::Client;
use super::resources::{self, Listener as Listening, Manager, Revision, Route, VirtualHost};

/// Nothing in these tests takes as long; whoever waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What to start.
pub struct Setup {
    endpoints: Vec<SocketAddr>,
    workers: usize,
    revision: Option<Revision>,
    h2c: bool,
    manager: Manager,
    cluster: Box<dyn Fn(&mut Cluster) + Send + Sync>,
    hosts: Vec<VirtualHost>,
    listener: Box<dyn Fn(&mut Listening) + Send + Sync>,
    /// Clusters beside `backend`: name, endpoints, whether they speak HTTP/2.
    others: Vec<(String, Vec<SocketAddr>, bool)>,
    drain: Drain,
}

/// A gateway for every host in front of these endpoints.
pub fn to(endpoints: &[SocketAddr]) -> Setup {
    Setup {
        endpoints: endpoints.to_vec(),
        workers: 1,
        revision: None,
        h2c: false,
        manager: resources::manager(),
        cluster: Box::new(|_| {}),
        hosts: Vec::new(),
        listener: Box::new(|_| {}),
        others: Vec::new(),
        drain: Drain::default(),
    }
}

impl Setup {
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// How listeners drain gracefully.
    pub fn drain(mut self, ramp: Ramp, time: Duration) -> Self {
        self.drain = Drain { time, ramp };
        self
    }

    pub fn revision(mut self, facts: Revision) -> Self {
        self.revision = Some(facts);
        self
    }

    pub fn h2c(mut self) -> Self {
        self.h2c = true;
        self
    }

    pub fn manager(mut self, change: impl FnOnce(&mut Manager)) -> Self {
        change(&mut self.manager);
        self
    }

    /// Changes the listener itself.
    pub fn listener(mut self, change: impl Fn(&mut Listening) + Send + Sync + 'static) -> Self {
        self.listener = Box::new(change);
        self
    }

    /// A change of the cluster.
    pub fn cluster(mut self, change: impl Fn(&mut Cluster) + Send + Sync + 'static) -> Self {
        self.cluster = Box::new(change);
        self
    }

    /// One more cluster.
    pub fn another_cluster(mut self, name: &str, endpoints: &[SocketAddr], h2: bool) -> Self {
        self.others.push((name.to_owned(), endpoints.to_vec(), h2));
        self
    }

    /// A filter before the router, behind those that are there.
    pub fn filter<M: prost::Message + prost::Name>(mut self, name: &str, settings: &M) -> Self {
        let filters = &mut self.manager.http_filters;
        filters.insert(filters.len() - 1, resources::filter(name, settings));
        self
    }

    /// One host instead of the one that takes every host.
    pub fn host(mut self, domain: &str, routes: Vec<Route>) -> Self {
        self.hosts.push(resources::host(domain, domain, routes));
        self
    }

    /// The same with a change of the host itself.
    pub fn host_with(
        mut self,
        domain: &str,
        routes: Vec<Route>,
        change: impl FnOnce(&mut VirtualHost),
    ) -> Self {
        let mut host = resources::host(domain, domain, routes);
        change(&mut host);
        self.hosts.push(host);
        self
    }

    pub fn start(mut self) -> World {
        let runtime = Background::start();
        let home = tempfile::tempdir().unwrap();
        if self.hosts.is_empty() {
            let all = vec![resources::route("/", resources::forward("backend"))];
            self.hosts.push(resources::host("all", "*", all));
        }
        let store = Store::new();
        publish(&store, &self);
        let socket = home.path().join("xds.sock");
        let mut control = Control { store, socket: socket.clone(), serving: None };
        control.serve(&runtime);
        let gateway = Gateway::start(Config {
            xds: Some(Xds::new(Target::Unix(socket), "spec", "spec")),
            workers: self.workers,
            max_connections: 10_000,
            admin: Some("127.0.0.1:0".parse().unwrap()),
            name: "spec".to_owned(),
            drain: self.drain,
            ..Config::default()
        })
        .unwrap();
        let bound = runtime
            .block_on(async { tokio::time::timeout(PATIENCE, gateway.listening()).await })
            .expect("the gateway listens");
        let world = World {
            address: bound[0].addresses[0],
            control,
            gateway: Some(gateway),
            runtime,
            setup: self,
            _home: home,
        };
        // The listener is there; its routes, cluster and endpoints are once everything sent was accepted.
        world.settled();
        world
    }
}

fn publish(store: &Store, setup: &Setup) {
    store.batch(|batch| {
        let mut listener = resources::listener("127.0.0.1:0".parse().unwrap(), &setup.manager);
        (setup.listener)(&mut listener);
        batch.set(type_url::LISTENER, "gateway", &listener);
        batch.set(type_url::ROUTE, "services", &resources::routes(setup.hosts.clone()));
        let mut cluster = resources::cluster("backend", setup.revision.as_ref(), setup.h2c);
        (setup.cluster)(&mut cluster);
        batch.set(type_url::CLUSTER, "backend", &cluster);
        batch.set(type_url::ENDPOINTS, "backend", &resources::endpoints("backend", &setup.endpoints));
        for (name, endpoints, h2) in &setup.others {
            batch.set(type_url::CLUSTER, name, &resources::cluster(name, None, *h2));
            batch.set(type_url::ENDPOINTS, name, &resources::endpoints(name, endpoints));
        }
    });
}

/// A control plane that can be killed and come back.
pub struct Control {
    pub store: Store,
    socket: PathBuf,
    serving: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Control {
    fn serve(&mut self, runtime: &Background) {
        let _ = std::fs::remove_file(&self.socket);
        let _in = runtime.enter();
        let listener = tokio::net::UnixListener::bind(&self.socket).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = serve(self.store.clone(), Listener::from(listener), async {
            let _ = stopped.await;
        });
        let task = runtime.spawn(async move { drop(serving.await) });
        self.serving = Some((stop, task));
    }
}

/// A gateway that obeys.
pub struct World {
    pub address: SocketAddr,
    pub control: Control,
    pub runtime: Background,
    gateway: Option<Gateway>,
    setup: Setup,
    _home: tempfile::TempDir,
}

impl World {
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    /// Returns when the gateway has answered for all that is in the store.
    pub fn settled(&self) {
        until("the gateway took its configuration", || {
            let active = self.admin("GET", "/listeners").contains("gateway::");
            active && self.admin("GET", "/init_dump") == "{}\n" && {
                let view = self.admin("GET", "/clusters");
                let others = self.setup.others.iter().map(|(_, endpoints, _)| endpoints.len());
                view.matches("::rq_active::").count() == self.setup.endpoints.len() + others.sum::<usize>()
            }
        });
    }

    /// The cluster's endpoints are these from now on.
    pub fn set_endpoints(&self, at: &[SocketAddr]) {
        let store = &self.control.store;
        store.set(type_url::ENDPOINTS, "backend", &resources::endpoints("backend", at));
    }

    /// The listener is what `change` makes of the plain one from now on; returns when the gateway has taken it.
    pub fn set_listener(&self, change: impl FnOnce(&mut Listening)) {
        let mut listener = resources::listener("127.0.0.1:0".parse().unwrap(), &self.setup.manager);
        change(&mut listener);
        let before = self.version();
        self.control.store.set(type_url::LISTENER, "gateway", &listener);
        until("the gateway took the listener", || self.version() != before);
    }

    /// What the gateway says of its listener: how it stands, and what it is.
    fn version(&self) -> String {
        let dump = self.admin("GET", "/config_dump");
        let from = dump.find("ListenersConfigDump").map_or("", |at| &dump[at..]);
        let until = from.find("RoutesConfigDump").unwrap_or(from.len());
        let ages = from[..until].lines().filter(|line| !line.contains("\"age\""));
        ages.collect()
    }

    /// All hosts are these from now on.
    pub fn set_hosts(&self, hosts: Vec<VirtualHost>) {
        self.control.store.set(type_url::ROUTE, "services", &resources::routes(hosts));
    }

    /// Kills the control plane: its socket is gone, and its streams with it.
    pub fn kill_control_plane(&mut self) {
        let (_, task) = self.control.serving.take().unwrap();
        std::fs::remove_file(&self.control.socket).unwrap();
        task.abort();
        until("the gateway noticed", || !self.gateway().is_connected());
    }

    /// A new control plane, with a new store of the same content.
    pub fn restart_control_plane(&mut self) {
        let store = Store::new();
        publish(&store, &self.setup);
        self.control.store = store;
        self.control.serve(&self.runtime);
        until("the gateway is connected again", || self.gateway().is_connected());
    }

    /// Asks the admin interface; the body.
    pub fn admin(&self, method: &str, path: &str) -> String {
        let mut client = Client::connect(self.gateway().admin().unwrap());
        client.send(format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
        let response = client.response();
        String::from_utf8_lossy(&response.body).into_owned()
    }

    /// Requests that wait and run now, over all workers.
    pub fn load(&self) -> (u32, u32) {
        self.gateway().load("backend")
    }

    /// A counter or gauge by Envoy's name; 0 while nothing was counted.
    pub fn stat(&self, name: &str) -> u64 {
        let prefix = format!("{name}: ");
        let stats = self.admin("GET", "/stats");
        stats.lines().find_map(|line| line.strip_prefix(&prefix)).map_or(0, |n| n.parse().unwrap())
    }

    /// What the listener's statistics begin with.
    pub fn listener(&self) -> String {
        format!("listener.{}_{}", self.address.ip(), self.address.port())
    }

    /// Ends the gateway in the background.
    pub fn shut_down(&mut self, grace: Duration) -> JoinHandle<()> {
        let gateway = self.gateway.take().unwrap();
        self.runtime.spawn(gateway.shutdown(grace))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            self.runtime.block_on(gateway.shutdown(Duration::ZERO));
        }
    }
}

/// Waits for something to become true.
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
