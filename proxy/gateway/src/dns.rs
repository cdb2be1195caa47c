//! Resolves the names of STRICT_DNS and LOGICAL_DNS clusters, off the workers. Knows no zones: it asks the system's resolver.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_model::{Dns, DnsFamily};
use tokio::task::AbortHandle;
use tracing::{info, warn};

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
    // The last good answer for each name: one that fails for a while does not take the others along.
    let mut known: Vec<Vec<SocketAddr>> = vec![Vec::new(); dns.hosts.len()];
    let mut failing = vec![false; dns.hosts.len()];
    loop {
        for ((host, known), failing) in dns.hosts.iter().zip(&mut known).zip(&mut failing) {
            let answer = tokio::net::lookup_host((&*host.host, host.port)).await;
            let answer = answer.map(|found| of_family(dns.family, found.collect())).and_then(|found| {
                match found.is_empty() {
                    true => Err(std::io::Error::other("it has no address of the family that is asked for")),
                    false => Ok(found),
                }
            });
            match answer {
                Ok(found) => {
                    if std::mem::take(failing) {
                        info!(%cluster, name = %host.host, "a name resolves again");
                    }
                    *known = found;
                }
                Err(error) if !*failing => {
                    *failing = true;
                    warn!(%cluster, name = %host.host, %error, "a name does not resolve; what it resolved to before stays");
                }
                Err(_) => {}
            }
        }
        // Without any answer the cluster is there all the same, as in Envoy: its requests are told that nobody is behind it.
        let named = dns.hosts.iter().zip(&known);
        let mut all: Vec<(SocketAddr, Arc<str>)> =
            named.flat_map(|(host, found)| found.iter().map(|at| (*at, host.name.clone()))).collect();
        // Resolvers shuffle their answers; the same addresses in another order are no change. LOGICAL_DNS, which uses the
        // first, stays with its address that way for as long as it is there.
        all.sort_unstable();
        all.dedup_by_key(|(address, _)| *address);
        let applied = shared.model().resolved(&cluster, &all, Instant::now());
        let _ = subscriber::publish(&shared, applied);
        tokio::time::sleep(dns.refresh.max(SHORTEST)).await;
    }
}

/// The addresses of an answer that a cluster wants, in the order they came.
fn of_family(family: DnsFamily, all: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = all.iter().copied().partition(SocketAddr::is_ipv4);
    match family {
        DnsFamily::All => all,
        DnsFamily::V4Only => v4,
        DnsFamily::V6Only => v6,
        DnsFamily::Auto if v6.is_empty() => v4,
        DnsFamily::Auto => v6,
        DnsFamily::V4Preferred if v4.is_empty() => v6,
        DnsFamily::V4Preferred => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_chosen_as_envoy_chooses_them() {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let both = || parse(&["10.0.0.2:1", "[fd00::1]:1", "10.0.0.1:1"]);
        let v4 = parse(&["10.0.0.2:1", "10.0.0.1:1"]);
        let v6 = parse(&["[fd00::1]:1"]);
        assert_eq!(of_family(DnsFamily::All, both()), both());
        assert_eq!(
            (of_family(DnsFamily::V4Only, both()), of_family(DnsFamily::V6Only, both())),
            (v4.clone(), v6.clone())
        );
        assert_eq!(
            (of_family(DnsFamily::Auto, both()), of_family(DnsFamily::Auto, v4.clone())),
            (v6.clone(), v4.clone())
        );
        assert_eq!(of_family(DnsFamily::V4Preferred, both()), v4);
        assert_eq!(of_family(DnsFamily::V4Preferred, v6.clone()), v6);
        assert!(of_family(DnsFamily::V6Only, v4).is_empty());
    }
}
