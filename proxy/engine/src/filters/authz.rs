//! `ext_authz`: asks somebody else whether a request may pass, and does as told. Owns what is asked when and what an answer
//! changes; how it is asked is [`ask`]'s.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use forebay_http::h1::Framing;
use forebay_model::{Allowed, AuthzBody, AuthzRoute, Decision, Denied, Edit, EditHow, ExtAuthz};
use forebay_route::{Matched, Picked};
use forebay_telemetry::log::Flag;
use forebay_telemetry::{Cluster, Http};

use super::hold::{Held, discard_ready, hold};
use super::{Asking, Later, Verdict, edits};
use crate::config::ClusterState;
use crate::exchange::{Client, Exchange, LocalReply};
use crate::fault::Fault;

mod ask;

/// One filter of a listener.
pub(super) struct Authz {
    settings: Arc<ExtAuthz>,
}

/// What an authorizer is shown of a body.
struct Shown {
    as_bytes: bool,
    partial: bool,
}

impl Authz {
    pub(super) fn new(settings: &Arc<ExtAuthz>) -> Self {
        Self { settings: settings.clone() }
    }

    /// Asks, and changes the request as the answer wants.
    pub(super) async fn check<C: Client>(
        &self,
        number: usize,
        name: &str,
        asking: &Asking<'_>,
        matched: &Matched<'_>,
        x: &mut Exchange,
        client: &mut C,
    ) -> Verdict {
        let route =
            matched.told(name).find_map(|told| told.told.as_ref()?.as_any().downcast_ref::<AuthzRoute>());
        if matches!(route, Some(AuthzRoute::Disabled)) {
            return Verdict::Pass;
        }
        let stats = &asking.on.http().stats;
        if self.settings.enabled.is_some_and(|share| !share.draw(&asking.worker.rng)) {
            stats.inc(Http::ExtAuthzDisabled);
            return if self.settings.deny_at_disable { Verdict::Reply(self.error()) } else { Verdict::Pass };
        }
        let shown = match self.body(route, asking, x, client).await {
            Ok(shown) => shown,
            Err(verdict) => return verdict,
        };
        let extensions = extensions(name, matched);
        let decision = ask::ask(&self.settings, asking, &extensions, shown, x, client).await;
        if !matches!(decision, Ok(Decision::Allowed(_)) | Err(Fault::ClientGone))
            && !self.settings.failure_mode_allow
        {
            discard_ready(x, client).await;
        }
        let cluster = routed(asking, matched);
        let count = |of_http, of_cluster| {
            stats.inc(of_http);
            if let Some(cluster) = &cluster {
                cluster.stats(&asking.worker.stats).inc(of_cluster);
            }
        };
        match decision {
            Ok(Decision::Allowed(allowed)) => {
                count(Http::ExtAuthzOk, Cluster::ExtAuthzOk);
                self.allow(number, allowed, x)
            }
            Ok(Decision::Denied(denied)) => {
                count(Http::ExtAuthzDenied, Cluster::ExtAuthzDenied);
                Verdict::Reply(refusal("ext_authz_denied", denied))
            }
            Err(Fault::ClientGone) => Verdict::Fault(Fault::ClientGone),
            Ok(Decision::Failed { .. }) | Err(_) => {
                count(Http::ExtAuthzError, Cluster::ExtAuthzError);
                if self.settings.failure_mode_allow {
                    count(Http::ExtAuthzFailureModeAllowed, Cluster::ExtAuthzFailureModeAllowed);
                    if self.settings.failure_mode_allow_header {
                        x.req.push(b"x-envoy-auth-failure-mode-allowed", b"true");
                    }
                    return Verdict::Pass;
                }
                Verdict::Reply(match decision {
                    Ok(Decision::Failed { status, mut denied }) => {
                        denied.status = status.unwrap_or(self.settings.status_on_error);
                        refusal("ext_authz_error", denied)
                    }
                    _ => self.error(),
                })
            }
        }
    }

    /// Nobody said anything that could be obeyed.
    fn error(&self) -> LocalReply {
        LocalReply {
            flag: Some(Flag::UnauthorizedExternalService),
            ..LocalReply::new(self.settings.status_on_error, "ext_authz_error")
        }
    }

    /// Holds the body where the authorizer is to see it.
    async fn body<C: Client>(
        &self,
        route: Option<&AuthzRoute>,
        asking: &Asking<'_>,
        x: &mut Exchange,
        client: &mut C,
    ) -> Result<Option<Shown>, Verdict> {
        let (no_body, own) = match route {
            Some(AuthzRoute::Check { no_body, body, .. }) => (*no_body, *body),
            _ => (false, None),
        };
        let Some(wanted) = own.or(self.settings.body).filter(|_| !no_body) else { return Ok(None) };
        let bodiless = matches!(x.asked.framing, Framing::None | Framing::Length(0));
        if bodiless || x.asked.upgrade {
            return Ok(None);
        }
        let AuthzBody { most, allow_partial, as_bytes } = wanted;
        match hold(most as usize, asking, x, client).await {
            Ok(Held::Part) if !allow_partial => Err(Verdict::Reply(super::too_large())),
            Ok(held) => Ok(Some(Shown { as_bytes, partial: held == Held::Part })),
            Err(fault) => Err(Verdict::Fault(fault)),
        }
    }

    fn allow(&self, number: usize, allowed: Allowed, x: &mut Exchange) -> Verdict {
        let reroute = self.settings.clear_route_cache && allowed.changes_request();
        allowed.request.iter().for_each(|edit| edits::apply(&mut x.req, edit));
        for name in &allowed.remove {
            if edits::is_name(name.as_bytes()) && name != "host" {
                x.req.remove(name.as_bytes());
            }
        }
        if !(allowed.query_set.is_empty() && allowed.query_remove.is_empty()) {
            let path = with_query(x.req.path(), &allowed.query_set, &allowed.query_remove);
            let edit = Edit { name: ":path".to_owned(), value: path, how: EditHow::Set };
            edits::apply(&mut x.req, &edit);
        }
        x.later.extend(allowed.response.into_iter().map(|edit| Later { filter: number, edit }));
        if reroute { Verdict::Reroute(number + 1) } else { Verdict::Pass }
    }
}

/// What the authorizer says to the client.
fn refusal(details: &'static str, denied: Denied) -> LocalReply {
    LocalReply {
        flag: Some(Flag::UnauthorizedExternalService),
        headers: denied.headers,
        body: denied.body,
        ..LocalReply::new(denied.status, details)
    }
}

/// What the levels tell the authorizer: all of it, where two say the same thing the more specific one.
fn extensions<'m>(name: &str, matched: &Matched<'m>) -> Vec<(&'m str, &'m str)> {
    let mut all: Vec<(&str, &str)> = Vec::new();
    for told in matched.told(name) {
        let told = told.told.as_ref().and_then(|told| told.as_any().downcast_ref::<AuthzRoute>());
        if let Some(AuthzRoute::Check { extensions, .. }) = told {
            for (key, value) in extensions {
                if !all.iter().any(|(known, _)| **known == **key) {
                    all.push((key, value));
                }
            }
        }
    }
    all
}

/// The cluster the request is on its way to.
fn routed(asking: &Asking<'_>, matched: &Matched<'_>) -> Option<Rc<ClusterState>> {
    match matched.action {
        Picked::Forward { cluster, .. } => asking.worker.config.cluster(cluster),
        Picked::Direct(_) | Picked::Redirect(_) | Picked::Https => None,
    }
}

/// The path with some parameters of its query set and some gone. As Envoy has it, what is left is in the order of the names.
fn with_query(path: &[u8], set: &[(String, String)], remove: &[String]) -> Vec<u8> {
    let at = path.iter().position(|&b| b == b'?').unwrap_or(path.len());
    let (bare, query) = path.split_at(at);
    let mut all: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    for pair in query.get(1..).unwrap_or_default().split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at(equals);
        all.entry(name).or_default().push(value.get(1..).unwrap_or_default());
    }
    for (name, value) in set {
        all.insert(name.as_bytes(), vec![value.as_bytes()]);
    }
    for name in remove {
        all.remove(name.as_bytes());
    }
    let mut out = bare.to_vec();
    let mut mark = b'?';
    for (name, values) in all {
        for value in values {
            out.push(mark);
            mark = b'&';
            out.extend_from_slice(name);
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::with_query;

    #[test]
    fn a_query_is_written_anew_in_the_order_of_its_names() {
        let set = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let with = |path: &str, set: &[(String, String)], remove: &[String]| {
            String::from_utf8(with_query(path.as_bytes(), set, remove)).unwrap()
        };
        assert_eq!(with("/a", &set("k", "v"), &[]), "/a?k=v");
        assert_eq!(with("/a?z=1&b=2&b=3", &set("k", "v"), &[]), "/a?b=2&b=3&k=v&z=1");
        assert_eq!(with("/a?k=1&k=2&c", &set("k", "v"), &[]), "/a?c=&k=v");
        assert_eq!(with("/a?k=1&c=2", &[], &["k".to_owned()]), "/a?c=2");
        assert_eq!(with("/a?k=1", &[], &["k".to_owned()]), "/a");
    }
}
