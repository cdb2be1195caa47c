//! What the admin interface asks, answered from the model, the registry and the fleet. Knows no HTTP.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use forebay_engine::admin::{
    AccessLog, Asked, Bounds, Certificate, ClusterView, DrainListeners, Explanation, Memory, Provider,
    ServerInfo, State, Unready,
};
use forebay_model::State as Standing;
use forebay_proto::type_url;
use forebay_telemetry::Snapshot;
use serde_json::{Value, json};

use crate::{Shared, explain};

mod certificates;
mod clusters;
mod dump;
mod memory;
mod statistics;
pub(crate) mod updates;

/// The admin interface's access log. A file that cannot be opened is told of, and left out.
pub(crate) fn access_log(shared: &Shared) -> AccessLog {
    shared.config.admin_logs.iter().fold(AccessLog::default(), |log, config| {
        match shared.fleet.log_files().open(&*config.path) {
            Ok(file) => log.and(&file, config.format.clone()),
            Err(error) => {
                tracing::warn!(%error, "requests to the admin interface are not written down");
                log
            }
        }
    })
}

/// Serves the admin interface on `socket`.
pub(crate) async fn serve(shared: Arc<Shared>, socket: TcpListener, log: AccessLog) {
    let admin = Arc::new(Admin { shared, runtime: tokio::runtime::Handle::current() });
    if let Err(error) =
        forebay_engine::admin::serve(socket, admin, Bounds::default(), log, std::future::pending()).await
    {
        tracing::error!(%error, "the admin interface ended");
    }
}

struct Admin {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
}

impl Provider for Admin {
    fn state(&self) -> State {
        let s = &self.shared;
        // As in Envoy, a drain of the listeners alone does not fail health checks: whoever drains says both.
        if s.failing.load(Ordering::Relaxed) {
            State::Draining
        } else if s.aside.is_live() {
            State::Live
        } else if *s.connected.borrow() {
            State::Initializing
        } else {
            State::PreInitializing
        }
    }

    fn stats(&self) -> Snapshot {
        statistics::snapshot(&self.shared, self.state())
    }

    fn reset_counters(&self) {
        self.shared.registry.reset_counters();
        self.shared.updates.reset_counters();
    }

    fn certificates(&self) -> Vec<Certificate> {
        // The model's lock is not held while certificates are read.
        let dumped = self.shared.model().dump();
        certificates::of(&dumped)
    }

    fn unready(&self) -> Vec<Unready> {
        let dumped = self.shared.model().dump();
        let waiting = dumped.into_iter().filter_map(|d| match d.state {
            Standing::Warming(reason) => Some((d.type_url, d.name, reason)),
            Standing::Acked | Standing::Nacked { .. } => None,
        });
        waiting
            .map(|(url, name, reason)| Unready {
                component: match url {
                    type_url::LISTENER => "listener",
                    type_url::CLUSTER => "cluster",
                    _ => "route",
                },
                name: name.to_string(),
                waits_for: vec![reason],
            })
            .collect()
    }

    fn memory(&self) -> Memory {
        memory::of_process()
    }

    fn config_dump(&self, endpoints: bool) -> Vec<Value> {
        dump::sections(&self.shared, endpoints)
    }

    fn clusters(&self) -> Vec<ClusterView> {
        clusters::views(&self.shared.model())
    }

    fn listeners(&self) -> Vec<(String, Vec<SocketAddr>)> {
        let mut all: Vec<_> =
            self.shared.fleet.bound().into_iter().map(|b| (b.listener.to_string(), b.addresses)).collect();
        all.sort();
        all
    }

    fn server_info(&self) -> ServerInfo {
        let config = &self.shared.config;
        ServerInfo {
            // Envoy's five parts: revision, version, state of the tree, kind of build, who does TLS.
            version: concat!("forebay/", env!("CARGO_PKG_VERSION"), "/Clean/RELEASE/rustls").to_owned(),
            uptime: self.shared.started.elapsed(),
            options: match &config.options {
                Value::Null => json!({ "concurrency": self.shared.fleet.len() }),
                options => options.clone(),
            },
            node: dump::node(&config.node),
        }
    }

    fn explain(&self, request: &Asked) -> Explanation {
        explain::explain(&self.shared, request)
    }

    fn drain_listeners(&self, how: DrainListeners) {
        let _entered = self.runtime.enter();
        self.shared.drain(how);
    }

    fn fail_healthcheck(&self, fail: bool) {
        self.shared.failing.store(fail, Ordering::Relaxed);
        self.shared.fleet.fail_health_checks(fail);
    }

    fn reopen_logs(&self) {
        self.shared.fleet.reopen_logs();
    }

    fn quit(&self) {
        self.shared.quit.notify_one();
    }
}
