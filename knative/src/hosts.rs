//! Hosts of a Route and its tags, public and local (facts/serving.md 4.4). Knows nothing of traffic.

use std::sync::Arc;

use crate::world::Config;

/// What a Route, or a tag of it, is called before the namespace: `hello`, `canary-hello`.
pub(crate) fn hostname(route: &str, tag: Option<&str>) -> String {
    match tag {
        Some(tag) => format!("{tag}-{route}"),
        None => route.to_owned(),
    }
}

/// Public hosts, one a domain, sorted.
pub(crate) fn public(hostname: &str, namespace: &str, config: &Config) -> Vec<Arc<str>> {
    let mut hosts: Vec<Arc<str>> =
        config.domains.iter().map(|domain| format!("{hostname}.{namespace}.{domain}").into()).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// Local hosts in all their lengths, sorted.
pub(crate) fn local(hostname: &str, namespace: &str, config: &Config) -> Vec<Arc<str>> {
    let short = format!("{hostname}.{namespace}");
    let mut hosts = vec![format!("{short}.svc.{}", config.cluster_domain), format!("{short}.svc")];
    // A last label of digits alone would be read as an address.
    if !namespace.bytes().all(|c| c.is_ascii_digit()) {
        hosts.push(short);
    }
    let mut hosts: Vec<Arc<str>> = hosts.into_iter().map(Arc::from).collect();
    hosts.sort();
    hosts
}

/// The host a Route is reached at from inside.
pub(crate) fn inside(hostname: &str, namespace: &str, config: &Config) -> String {
    format!("{hostname}.{namespace}.svc.{}", config.cluster_domain)
}

/// The host to show: the public one under the first domain, or the local one.
pub(crate) fn shown(hostname: &str, namespace: &str, is_local: bool, config: &Config) -> String {
    match config.domains.first() {
        Some(domain) if !is_local => format!("{hostname}.{namespace}.{domain}"),
        _ => inside(hostname, namespace, config),
    }
}

/// Hostname and namespace of the Route, or tag of a Route, that `host` would be a host of.
pub(crate) fn parse<'h>(host: &'h str, config: &Config) -> Option<(&'h str, &'h str)> {
    let cut = |suffix: &str| host.strip_suffix(suffix)?.strip_suffix('.');
    let domains = config.domains.iter().filter_map(|domain| cut(domain));
    let short =
        domains.chain(cut(&config.cluster_domain).and_then(|h| h.strip_suffix(".svc"))).chain(cut("svc"));
    short
        .chain(Some(host))
        .find_map(|short| short.split_once('.').filter(|(_, namespace)| !namespace.contains('.')))
}
