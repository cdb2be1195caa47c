//! Resolves the names of STRICT_DNS and LOGICAL_DNS clusters, off the workers. Knows no zones: it asks the system's resolver.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_model::Dns;
use tokio::task::AbortHandle;
use tracing::warn;

use crate::{Shared, subscriber};

/// The tasks that resolve, by cluster.
pub(crate) type Resolving = Mutex<HashMap<Arc<str>, AbortHandle>>;

/// A refresh below this would only load the resolver.
const SHORTEST: Duration = Duration::from_millis(500);

/// Starts to follow a cluster's names, or (`None`) stops.
pub(crate) fn follow(shared: &Arc<Shared>, cluster: Arc<str>, dns: Option<Dns>) {
    let mut tasks = shared.dns.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(old) = tasks.remove(&cluster) {
        old.abort();
    }
    if let Some(dns) = dns {
        let task = tokio::task::spawn_local(resolve(shared.clone(), cluster.clone(), dns));
        tasks.insert(cluster, task.abort_handle());
    }
}

async fn resolve(shared: Arc<Shared>, cluster: Arc<str>, dns: Dns) {
    let mut failing = false;
    loop {
        let mut hosts: Vec<SocketAddr> = Vec::new();
        for host in dns.hosts.iter() {
            match tokio::net::lookup_host((&*host.host, host.port)).await {
                Ok(found) => {
                    failing = false;
                    hosts.extend(found);
                }
                Err(error) => {
                    if !failing {
                        warn!(%cluster, name = %host.host, %error, "a name does not resolve; what it resolved to before stays");
                    }
                    failing = true;
                }
            }
        }
        if !failing {
            let applied = shared.model().resolved(&cluster, &hosts, Instant::now());
            let _ = subscriber::publish(&shared, applied);
        }
        tokio::time::sleep(dns.refresh.max(SHORTEST)).await;
    }
}
