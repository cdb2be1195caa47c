//! KIngress to VirtualHosts. Hosts whose rules say the same share one.

use std::sync::Arc;

use forebay_knative::Key;
use forebay_knative::ingress::{HttpOption, Ingress, IngressPath, IngressRule, IngressSplit, Visibility};
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::route::v3 as pb;
use forebay_proto::envoy::r#type::matcher::v3 as matcher;

use super::ROUTES;
use super::wrap::{duration, number, yes};

/// The virtual hosts of a Route's KIngress, named `services/<namespace>.<name>` and, where tags have hosts of their own,
/// `services/<namespace>.<name>:<first host>`.
pub fn virtual_hosts(ingress: &Ingress) -> Vec<pb::VirtualHost> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for host in hosts(ingress) {
        let paths = paths(ingress, &host);
        match groups.iter_mut().find(|group| group.paths == paths) {
            Some(group) => group.hosts.push(host),
            None => groups.push(Group { hosts: vec![host], paths }),
        }
    }
    let named = |(index, group): (usize, &Group<'_>)| match group.hosts.first() {
        Some(host) if index > 0 => group.virtual_host(ingress, Some(host)),
        _ => group.virtual_host(ingress, None),
    };
    groups.iter().enumerate().map(named).collect()
}

/// The virtual host of a DomainMapping's KIngress: its own hosts, and what `target`, the KIngress of the Route it leads to,
/// does for the host that it rewrites to. Knative sends such a request through the gateway twice and gives it its old host
/// back at the end; going there at once, it never loses it.
pub fn mapped_host(mapping: &Ingress, target: &Ingress) -> Option<pb::VirtualHost> {
    let rewritten = mapping
        .spec
        .rules
        .iter()
        .flat_map(|rule| rule.http.paths.iter())
        .find_map(|p| p.rewrite_host.as_ref())?;
    let paths = paths(target, rewritten);
    (!paths.is_empty()).then(|| Group { hosts: hosts(mapping), paths }.virtual_host(mapping, None))
}

/// The Route that a DomainMapping's KIngress leads to.
pub fn mapped_to(mapping: &Ingress) -> Option<Key> {
    let mut splits =
        mapping.spec.rules.iter().flat_map(|rule| rule.http.paths.iter()).flat_map(|path| path.splits.iter());
    splits.next().map(|split| Key::new(split.service_namespace.clone(), split.service_name.clone()))
}

/// Every host of a KIngress once, in order. `*` stands for rules without hosts.
fn hosts(ingress: &Ingress) -> Vec<Arc<str>> {
    let mut all: Vec<Arc<str>> = Vec::new();
    for host in ingress.spec.rules.iter().flat_map(rule_hosts) {
        if !all.contains(&host) {
            all.push(host);
        }
    }
    all
}

/// What a KIngress does for a host. Several rules may speak of one; their paths make one list.
fn paths<'i>(ingress: &'i Ingress, host: &str) -> Vec<Path<'i>> {
    let redirected = ingress.spec.http_option == HttpOption::Redirected;
    let rules = ingress.spec.rules.iter().filter(|rule| rule_hosts(rule).any(|h| *h == *host));
    let paths = rules.flat_map(|rule| {
        let redirect = redirected && rule.visibility == Visibility::ExternalIP;
        rule.http.paths.iter().map(move |path| Path { path, redirect })
    });
    paths.collect()
}

fn rule_hosts(rule: &IngressRule) -> impl Iterator<Item = Arc<str>> + '_ {
    let any = rule.hosts.is_empty().then(|| "*".into());
    rule.hosts.iter().cloned().chain(any)
}

/// Hosts that are served alike.
struct Group<'i> {
    hosts: Vec<Arc<str>>,
    paths: Vec<Path<'i>>,
}

#[derive(PartialEq)]
struct Path<'i> {
    path: &'i IngressPath,
    /// Plain HTTP is sent to HTTPS instead of the backend.
    redirect: bool,
}

impl Group<'_> {
    /// `part` tells it from the others of its KIngress.
    fn virtual_host(&self, ingress: &Ingress, part: Option<&str>) -> pb::VirtualHost {
        let key = &ingress.key;
        let mut paths: Vec<&Path<'_>> = self.paths.iter().collect();
        // A longer prefix goes first, as with Kourier; among equals the KIngress' own order decides.
        paths.sort_by_key(|path| std::cmp::Reverse(prefix(path.path).len()));
        pb::VirtualHost {
            // Envoy removes a virtual host by the resource's name, so it has to be the host's own as well.
            name: match part {
                // No slash but the first: what stands before the last one is the namespace that VHDS subscribes to.
                // Neither a host nor a name has a colon, and a namespace has no dot: nobody can be called the same.
                Some(part) => format!("{ROUTES}/{}.{}:{part}", key.namespace, key.name),
                None => format!("{ROUTES}/{}.{}", key.namespace, key.name),
            },
            domains: self.hosts.iter().map(|host| host.to_string()).collect(),
            routes: paths.iter().map(|path| path.route()).collect(),
            ..Default::default()
        }
    }
}

impl Path<'_> {
    fn route(&self) -> pb::Route {
        let headers = self.path.headers.iter().map(|(name, value)| exact(name, value)).collect();
        let (action, headers_to_add) = match self.redirect {
            true => (to_https(), Vec::new()),
            false => (forward(self.path), set_headers(self.path.append_headers.iter())),
        };
        pb::Route {
            r#match: Some(pb::RouteMatch {
                path_specifier: Some(pb::route_match::PathSpecifier::Prefix(prefix(self.path).to_owned())),
                headers,
                ..Default::default()
            }),
            action: Some(action),
            request_headers_to_add: headers_to_add,
            ..Default::default()
        }
    }
}

fn prefix(path: &IngressPath) -> &str {
    if path.path.is_empty() { "/" } else { &path.path }
}

/// A value to be met exactly; an empty one asks only that the header is there.
fn exact(name: &str, value: &str) -> pb::HeaderMatcher {
    use matcher::string_matcher::MatchPattern::Exact;
    use pb::header_matcher::HeaderMatchSpecifier::{PresentMatch, StringMatch};
    let specifier = match value {
        "" => PresentMatch(true),
        value => StringMatch(matcher::StringMatcher {
            match_pattern: Some(Exact(value.to_owned())),
            ignore_case: false,
        }),
    };
    pb::HeaderMatcher { name: name.to_owned(), header_match_specifier: Some(specifier), ..Default::default() }
}

fn to_https() -> pb::route::Action {
    use pb::redirect_action::SchemeRewriteSpecifier::HttpsRedirect;
    let redirect =
        pb::RedirectAction { scheme_rewrite_specifier: Some(HttpsRedirect(true)), ..Default::default() };
    pb::route::Action::Redirect(redirect)
}

fn forward(path: &IngressPath) -> pb::route::Action {
    use pb::route_action::{ClusterSpecifier, HostRewriteSpecifier, UpgradeConfig};
    let lone = path.splits.len() == 1;
    let clusters = path.splits.iter().map(|split| share(split, lone)).collect();
    pb::route::Action::Route(pb::RouteAction {
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(pb::WeightedCluster {
            clusters,
            ..Default::default()
        })),
        host_rewrite_specifier: path
            .rewrite_host
            .as_ref()
            .map(|host| HostRewriteSpecifier::HostRewriteLiteral(host.to_string())),
        // Envoy's own default would cut every request at 15 s. What a revision allows, its cluster says.
        timeout: duration(std::time::Duration::ZERO),
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            enabled: yes(),
            ..Default::default()
        }],
        ..Default::default()
    })
}

fn share(split: &IngressSplit, lone: bool) -> pb::weighted_cluster::ClusterWeight {
    // A lone split without a share gets everything.
    let weight = if lone && split.percent == 0 { 100 } else { split.percent };
    pb::weighted_cluster::ClusterWeight {
        name: format!("{}/{}", split.service_namespace, split.service_name),
        weight: number(weight.into()),
        request_headers_to_add: set_headers(split.append_headers.iter()),
        ..Default::default()
    }
}

/// KIngress calls it append and means set: a client must not be able to say which revision it is for.
fn set_headers<'h>(
    headers: impl Iterator<Item = (&'h Arc<str>, &'h Arc<str>)>,
) -> Vec<core::HeaderValueOption> {
    use core::header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd;
    let set = |(name, value): (&Arc<str>, &Arc<str>)| core::HeaderValueOption {
        header: Some(core::HeaderValue {
            key: name.to_string(),
            // To Envoy a percent sign begins a variable. Kourier passes it on as it is, and is refused for it.
            value: value.replace('%', "%%"),
            ..Default::default()
        }),
        append_action: OverwriteIfExistsOrAdd as i32,
        keep_empty_value: true,
        ..Default::default()
    };
    headers.map(set).collect()
}
