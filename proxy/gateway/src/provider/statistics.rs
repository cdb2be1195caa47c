//! Statistics that no worker counts, by Envoy's names. Knows no HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use forebay_engine::admin::State;
use forebay_model::State as Standing;
use forebay_proto::type_url;
use forebay_telemetry::{Family, Kind, Snapshot};

use super::memory;
use crate::Shared;

/// Everything that `/stats` shows.
pub(super) fn snapshot(shared: &Shared, state: State) -> Snapshot {
    let mut all = shared.registry.snapshot();
    server(shared, state, &mut all);
    control_plane(shared, &mut all);
    model(shared, &mut all);
    all
}

fn server(s: &Shared, state: State, all: &mut Snapshot) {
    // Envoy's numbers of its states.
    let number = match state {
        State::Live => 0,
        State::Draining => 1,
        State::PreInitializing => 2,
        State::Initializing => 3,
    };
    let memory = memory::of_process();
    for (name, value) in [
        ("server.live", u64::from(state == State::Live)),
        ("server.state", number),
        ("server.uptime", s.started.elapsed().as_secs()),
        ("server.concurrency", s.fleet.len() as u64),
        ("server.total_connections", s.fleet.connections() as u64),
        ("server.parent_connections", 0),
        ("server.hot_restart_epoch", 0),
        ("server.memory_allocated", memory.allocated),
        ("server.memory_heap_size", memory.heap),
        ("server.memory_physical_size", memory.resident),
        ("server.version", version()),
    ] {
        all.push(None, name, Kind::Gauge, value);
    }
    let spans = s.fleet.spans();
    for (name, counter) in [
        ("tracing.opentelemetry.spans_sent", &spans.sent),
        ("tracing.opentelemetry.spans_dropped", &spans.dropped),
        ("tracing.opentelemetry.timer_flushed", &spans.timer_flushed),
    ] {
        all.push(None, name, Kind::Counter, counter.load(Ordering::Relaxed));
    }
    all.push(None, "filesystem.forebay_lines_lost", Kind::Counter, s.fleet.lost_lines());
}

/// Envoy shows the first digits of its commit, so that another build is another number; here it is the version: 1.2.3 is
/// 10203.
fn version() -> u64 {
    let part = |text: &str| text.parse::<u64>().unwrap_or(0);
    let major = part(env!("CARGO_PKG_VERSION_MAJOR"));
    let minor = part(env!("CARGO_PKG_VERSION_MINOR"));
    major * 10_000 + minor * 100 + part(env!("CARGO_PKG_VERSION_PATCH"))
}

fn control_plane(s: &Shared, all: &mut Snapshot) {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let received = &s.received;
    all.push(None, "control_plane.connected_state", Kind::Gauge, u64::from(*s.connected.borrow()));
    all.push(None, "control_plane.rx_responses", Kind::Counter, count(&received.responses));
    all.push(None, "control_plane.rx_resources", Kind::Counter, count(&received.resources));
    all.push(None, "control_plane.rx_bytes", Kind::Counter, count(&received.bytes));
}

fn model(s: &Shared, all: &mut Snapshot) {
    let model = s.model();
    let (mut active, mut managers) = (0, Vec::new());
    for (_, cluster) in model.clusters() {
        active += 1;
        let scope = || Some((Family::Cluster, cluster.config.name.clone()));
        let members = cluster.endpoints.list();
        let draining = members.iter().filter(|e| e.draining()).count() as u64;
        let total = members.len() as u64;
        for (name, value) in [
            ("membership_total", total),
            ("membership_healthy", total - draining),
            ("membership_degraded", 0),
            ("membership_excluded", 0),
        ] {
            all.push(scope(), name, Kind::Gauge, value);
        }
        for (name, open) in super::clusters::open(cluster) {
            all.push(scope(), name, Kind::Gauge, open);
        }
    }
    for listener in model.listeners() {
        managers.extend(super::dump::managers(listener));
    }
    let listeners = model.listeners().count() as u64;
    let dumped = model.dump();
    let (mut warming_clusters, mut warming_listeners) = (0, 0);
    // The lock of the model is not held while names are written.
    drop(model);
    for dumped in &dumped {
        if let Standing::Warming(_) = dumped.state {
            match dumped.type_url {
                type_url::LISTENER => warming_listeners += 1,
                _ => warming_clusters += 1,
            }
        }
    }
    let days = super::certificates::first_to_expire(&super::certificates::of(&dumped)).unwrap_or(0);
    all.push(None, "server.days_until_first_cert_expiring", Kind::Gauge, days);
    for (name, value) in [
        ("cluster_manager.active_clusters", active),
        ("cluster_manager.warming_clusters", warming_clusters),
        ("listener_manager.total_listeners_active", listeners),
        ("listener_manager.total_listeners_warming", warming_listeners),
        ("listener_manager.workers_started", 1),
    ] {
        all.push(None, name, Kind::Gauge, value);
    }
    let stopped = s.fleet.closed_listeners() as u64;
    all.push(None, "listener_manager.listener_stopped", Kind::Counter, stopped);
    s.updates.show(&managers, all);
}

/// A connection manager that asks for routes: its `stat_prefix` and the name of the routes.
pub(super) type Asks = (Arc<str>, Arc<str>);
