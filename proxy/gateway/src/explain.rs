//! `forebay explain`: what would become of a request, asked of the same table and the same clusters that requests meet.
//! Decides nothing.

use std::sync::Arc;

use forebay_base::rng::Rng;
use forebay_engine::admin::{Asked, Explanation};
use forebay_model::{FilterChain, Model, RouteSource};
use forebay_route::{Picked, PlainRequest, Table};
use serde_json::json;

use crate::Shared;

pub(crate) fn explain(shared: &Shared, asked: &Asked) -> Explanation {
    let (scheme, rest) = asked.url.split_once("://").unwrap_or(("http", &asked.url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let request = PlainRequest {
        authority: authority.to_owned(),
        path,
        method: asked.method.clone(),
        scheme: scheme.to_owned(),
        headers: asked.headers.clone(),
    };
    let mut lines = Vec::new();
    let mut clusters = Vec::new();
    let model = shared.model();
    let bound = shared.fleet.bound();
    if bound.is_empty() {
        let why = if *shared.connected.borrow() { "it has sent none yet" } else { "it cannot be reached" };
        lines.push(format!("listener: none; the control plane has to send one, and {why}"));
    }
    for bound in bound {
        let Some(listener) = model.listener(&bound.listener) else { continue };
        let addresses: Vec<String> = bound.addresses.iter().map(ToString::to_string).collect();
        lines.push(format!("listener {}: {}", bound.listener, addresses.join(", ")));
        let port = authority.rsplit_once(':').and_then(|(_, p)| p.parse::<u16>().ok());
        if let Some(port) = port
            && !bound.addresses.iter().any(|a| a.port() == port)
        {
            lines.push(format!("  it does not listen on port {port}, which the URL names"));
        }
        let chains: Vec<&Arc<FilterChain>> = listener.all_chains().collect();
        for (index, chain) in chains.iter().enumerate() {
            // Chains that treat requests alike are told of once.
            if chains.iter().take(index).any(|before| Arc::ptr_eq(&before.http, &chain.http)) {
                continue;
            }
            if !chain.matches.server_names.is_empty() {
                lines.push(format!("  for TLS names {}:", chain.matches.server_names.join(", ")));
            }
            match &chain.http.routes {
                RouteSource::Inline(table) => follow(&model, table, &request, &mut lines, &mut clusters),
                RouteSource::Rds(name) => match model.table(name) {
                    Some(table) => follow(&model, table, &request, &mut lines, &mut clusters),
                    None => {
                        lines.push(format!("  its routes ({name}) have not come; every request gets 404"));
                    }
                },
            }
        }
    }
    let json = json!({ "url": asked.url, "method": asked.method, "steps": lines, "clusters": clusters });
    Explanation { lines, json }
}

fn follow(
    model: &Model,
    table: &Table,
    request: &PlainRequest,
    lines: &mut Vec<String>,
    clusters: &mut Vec<serde_json::Value>,
) {
    let rng = Rng::from_entropy();
    lines.extend(table.explain(request, &rng).into_iter().map(|line| format!("  {line}")));
    let Some(matched) = table.lookup(request, &rng) else {
        lines.push("  answer: 404 (route_not_found)".into());
        return;
    };
    let Picked::Forward { forward, .. } = matched.action else { return };
    for split in forward.clusters.splits() {
        if let Some(header) = split.cluster_header() {
            lines.push(format!("  a cluster that {header} names"));
            continue;
        }
        let Some(cluster) = model.cluster(&split.name) else {
            lines.push(format!(
                "  cluster {}: does not exist; answer: {} (cluster_not_found)",
                split.name,
                forward.no_cluster_status()
            ));
            continue;
        };
        let list = cluster.endpoints.list();
        let addresses: Vec<String> = list
            .iter()
            .map(|e| {
                let draining = if e.draining() { ", draining" } else { "" };
                format!("{} ({} in flight{draining})", e.address, e.in_flight())
            })
            .collect();
        let gate = &cluster.gate;
        let (waiting, running) = (gate.waiting(), gate.in_flight());
        clusters.push(json!({
            "cluster": &*split.name,
            "weight": split.weight,
            "endpoints": addresses,
            "waiting": waiting,
            "inFlight": running,
        }));
        match &cluster.config.revision {
            Some(revision) => {
                let limit = match revision.concurrency {
                    0 => "no limit".to_owned(),
                    n => format!("{n} at once on each replica"),
                };
                lines.push(format!(
                    "  revision {}/{}: {running} running, {waiting} waiting (at most {}), containerConcurrency: {limit}",
                    revision.namespace, revision.name, revision.max_waiting
                ));
                if list.is_empty() {
                    lines.push("  endpoints: none; a request waits here while the revision starts".into());
                }
            }
            None if list.is_empty() => {
                lines.push(format!(
                    "  cluster {}: no endpoints; answer: 503 (no_healthy_upstream)",
                    split.name
                ));
            }
            None => {}
        }
        if !list.is_empty() {
            lines.push(format!("  endpoints: {}", addresses.join(", ")));
        }
    }
}
