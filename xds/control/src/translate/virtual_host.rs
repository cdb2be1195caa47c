//! KIngress to VirtualHosts. Hosts whose rules say the same share one.

use std::sync::Arc;

use forebay_knative::ingress::{HttpOption, Ingress, IngressPath, IngressRule, IngressSplit, Visibility};
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::route::v3 as pb;
use forebay_proto::envoy::r#type::matcher::v3 as matcher;

use super::ROUTES;
use super::wrap::{duration, number, yes};

/// Every host of a KIngress once, in order. `*` stands for rules without hosts.
pub fn hosts(ingress: &Ingress) -> Vec<Arc<str>> {
    let mut all: Vec<Arc<str>> = Vec::new();
    for host in ingress.spec.rules.iter().flat_map(rule_hosts) {
        if !all.contains(&host) {
            all.push(host);
        }
    }
    all
}

/// The virtual hosts of a KIngress, named `services/<namespace>/<name>` and, where tags have hosts of their own,
/// `services/<namespace>/<name>/<first host>`. Of its hosts only those that `mine` says yes to are used: a host belongs
/// to one KIngress.
pub fn virtual_hosts(ingress: &Ingress, mine: impl Fn(&str) -> bool) -> Vec<pb::VirtualHost> {
    let mut groups: Vec<Group> = Vec::new();
    for host in hosts(ingress).into_iter().filter(|host| mine(host)) {
        // Several rules may speak of one host; their paths make one list.
        let rules = ingress.spec.rules.iter().filter(|rule| rule_hosts(rule).any(|h| h == host));
        let paths: Vec<Path<'_>> = rules
            .flat_map(|rule| {
                let redirect = rule.visibility == Visibility::ExternalIP && ingress.spec.http_option == HttpOption::Redirected;
                rule.http.paths.iter().map(move |path| Path { path, redirect })
            })
            .collect();
        match groups.iter_mut().find(|group| group.paths == paths) {
            Some(group) => group.hosts.push(host),
            None => groups.push(Group { hosts: vec![host], paths }),
        }
    }
    groups.iter().enumerate().map(|(index, group)| group.virtual_host(ingress, index == 0)).collect()
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
    fn virtual_host(&self, ingress: &Ingress, first: bool) -> pb::VirtualHost {
        let key = &ingress.key;
        let mut paths: Vec<&Path<'_>> = self.paths.iter().collect();
        // A longer prefix goes first, as with Kourier; among equals the KIngress' own order decides.
        paths.sort_by_key(|path| std::cmp::Reverse(prefix(path.path).len()));
        pb::VirtualHost {
            // Envoy removes a virtual host by the resource's name, so it has to be the host's own as well.
            name: match self.hosts.first() {
                Some(host) if !first => format!("{ROUTES}/{key}/{host}"),
                _ => format!("{ROUTES}/{key}"),
            },
            domains: self.hosts.iter().map(|host| host.to_string()).collect(),
            routes: paths.iter().map(|path| path.route(&key.to_string())).collect(),
            ..Default::default()
        }
    }
}

impl Path<'_> {
    fn route(&self, name: &str) -> pb::Route {
        let headers = self.path.headers.iter().map(|(name, value)| exact(name, value)).collect();
        let (action, headers_to_add) = match self.redirect {
            true => (to_https(), Vec::new()),
            false => (forward(self.path), set_headers(self.path.append_headers.iter())),
        };
        pb::Route {
            name: name.to_owned(),
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
        value => StringMatch(matcher::StringMatcher { match_pattern: Some(Exact(value.to_owned())), ignore_case: false }),
    };
    pb::HeaderMatcher { name: name.to_owned(), header_match_specifier: Some(specifier), ..Default::default() }
}

fn to_https() -> pb::route::Action {
    use pb::redirect_action::SchemeRewriteSpecifier::HttpsRedirect;
    let redirect = pb::RedirectAction { scheme_rewrite_specifier: Some(HttpsRedirect(true)), ..Default::default() };
    pb::route::Action::Redirect(redirect)
}

fn forward(path: &IngressPath) -> pb::route::Action {
    use pb::route_action::{ClusterSpecifier, HostRewriteSpecifier, UpgradeConfig};
    let lone = path.splits.len() == 1;
    let clusters = path.splits.iter().map(|split| share(split, lone)).collect();
    pb::route::Action::Route(pb::RouteAction {
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(pb::WeightedCluster { clusters, ..Default::default() })),
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
fn set_headers<'h>(headers: impl Iterator<Item = (&'h Arc<str>, &'h Arc<str>)>) -> Vec<core::HeaderValueOption> {
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
