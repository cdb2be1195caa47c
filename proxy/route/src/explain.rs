//! A lookup told in words, for `forebay explain` and for people who ask why. Decides nothing: it asks the same checks.

use std::borrow::Cow;

use forebay_base::rng::Rng;

use crate::action::Action;
use crate::request::RequestView;
use crate::table::Table;
use crate::virtual_host::Route;
use crate::weighted::Split;

impl Table {
    /// What a lookup of this request does, line by line: the host, why earlier routes did not match, the route taken.
    /// A draw among splits or by fraction is described, not foretold.
    pub fn explain<R: RequestView + ?Sized>(&self, req: &R, rng: &Rng) -> Vec<String> {
        let authority = String::from_utf8_lossy(req.authority());
        let Some((host, via)) = self.host(req.authority()) else {
            return vec![format!(
                "host {authority:?}: no domain of table {} matches, and there is no default domain",
                self.settings().name
            )];
        };
        let cut = if self.settings().ignore_port { ", its port ignored" } else { "" };
        let mut lines = vec![format!("host {authority:?}{cut}: virtual host {} by {via}", host.name)];
        if host.require_tls.is_broken_by(req) {
            lines.push("it is served by https only: redirects with 301".into());
            return lines;
        }
        let path = self.path_to_match(req);
        for (at, route) in host.routes.iter().enumerate() {
            match route.matcher.check(req, path, rng) {
                Err(miss) => lines.push(format!("route {at}{}: no, it wants {miss}", label(route))),
                Ok(()) => {
                    lines.push(format!("route {at}{}: yes, by {}", label(route), route.matcher.path));
                    lines.push(outcome(route, req));
                    return lines;
                }
            }
        }
        lines.push(format!(
            "no route of virtual host {} matches {:?}",
            host.name,
            String::from_utf8_lossy(path)
        ));
        lines
    }
}

fn label(route: &Route) -> String {
    if route.name.is_empty() { String::new() } else { format!(" ({})", route.name) }
}

/// What the split's cluster is called, or who names it.
fn called(split: &Split) -> Cow<'_, str> {
    match split.cluster_header() {
        Some(header) => format!("that {header} names").into(),
        None => (&*split.name).into(),
    }
}

fn outcome<R: RequestView + ?Sized>(route: &Route, req: &R) -> String {
    match &route.action {
        Action::Direct(direct) => format!("answers {} itself", direct.status),
        Action::Forward(forward) => match forward.clusters.splits() {
            [] => format!("goes to the cluster that {} names", forward.cluster_header().unwrap_or_default()),
            [only] => format!("goes to cluster {}", called(only)),
            splits => {
                let shares: Vec<String> = splits
                    .iter()
                    .map(|split| {
                        format!("{} ({} of {})", called(split), split.weight, forward.clusters.total())
                    })
                    .collect();
                format!("goes to one of the clusters {}", shares.join(", "))
            }
        },
        Action::Redirect(redirect) => {
            let location = redirect.location(route, req);
            format!("redirects with {} to {}", redirect.status, String::from_utf8_lossy(&location))
        }
    }
}
