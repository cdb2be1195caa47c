//! Resolves the names of STRICT_DNS and LOGICAL_DNS clusters, off the workers. Knows no zones: it asks the system's resolver.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_base::rng::Rng;
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
    // Rounds in a row in which a name did not resolve.
    let mut tries: u32 = 0;
    let rng = Rng::from_entropy();
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
        let outcome = subscriber::publish(&shared, applied);
        // Listeners may have waited for these addresses.
        shared.aside.tell(outcome);
        let failed = failing.contains(&true);
        tries = if failed { tries.saturating_add(1) } else { 0 };
        tokio::time::sleep(pause(&dns, tries, &rng).max(SHORTEST)).await;
    }
}

/// Until names are asked for again, after so many failures in a row.
fn pause(dns: &Dns, failures: u32, rng: &Rng) -> Duration {
    let by_chance = |most: Duration| {
        let millis = u32::try_from(most.as_millis()).unwrap_or(u32::MAX);
        if millis == 0 { Duration::ZERO } else { Duration::from_millis(rng.below(millis).into()) }
    };
    match dns.on_failure {
        // Envoy's backoff: anything up to a range that doubles, and that has an end.
        Some((least, most)) if failures > 0 => {
            let range = least.saturating_mul(2u32.saturating_pow(failures)).min(most);
            least.max(by_chance(range))
        }
        _ => dns.refresh.saturating_add(by_chance(dns.jitter)),
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
    fn names_that_fail_are_asked_for_again_at_growing_distances() {
        let (second, rng) = (Duration::from_secs(1), Rng::seeded(1));
        let dns = |jitter, on_failure| Dns {
            hosts: Arc::new([]),
            refresh: second * 5,
            jitter,
            on_failure,
            family: DnsFamily::All,
        };
        let plain = dns(Duration::ZERO, None);
        assert_eq!((pause(&plain, 0, &rng), pause(&plain, 9, &rng)), (second * 5, second * 5));
        let jittered = dns(second, Some((second, second * 8)));
        for _ in 0..100 {
            assert!((second * 5..second * 6).contains(&pause(&jittered, 0, &rng)));
            assert!((second..=second * 2).contains(&pause(&jittered, 1, &rng)));
            assert!((second..=second * 8).contains(&pause(&jittered, u32::MAX, &rng)));
        }
        let longest = (0..1000).map(|_| pause(&jittered, 30, &rng)).max().unwrap();
        assert!(longest > second * 4, "it grows");
    }

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
