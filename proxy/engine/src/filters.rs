//! HTTP filters: what a request passes between its route and its cluster, and its response on the way back. Owns the order and
//! who is switched off where; each filter has its file. A listener without filters has no chain, which costs one branch.

use std::rc::Rc;
use std::sync::Arc;

use forebay_model::{
    Buffer, Edit, FaultInjection, Filter, FilterKind, HeaderMutation, HealthCheck, LocalRateLimit, Rbac,
};
use forebay_route::Matched;

use crate::conn::Listening;
use crate::exchange::{Client, Exchange, LocalReply, Peer, Side};
use crate::fault::Fault;
use crate::worker::Worker;

mod authz;
mod cors;
mod edits;
mod health;
mod hold;
mod mutation;
mod rbac;
mod replay;
mod small;

pub(crate) use edits::apply as apply_edit;
pub(crate) use replay::Replay;

/// The filters of one listener, as one worker has them.
pub(crate) struct Chain {
    filters: Vec<Live>,
}

struct Live {
    name: Arc<str>,
    disabled: bool,
    kind: Kind,
}

enum Kind {
    Authz(authz::Authz),
    Buffer(Buffer),
    Cors,
    Fault(Arc<FaultInjection>),
    Health(HealthCheck),
    Mutation(Arc<HeaderMutation>),
    Rbac(Arc<Rbac>),
    RateLimit(Option<Arc<LocalRateLimit>>),
}

/// What a chain comes to.
pub(crate) enum Verdict {
    /// On to the cluster.
    Pass,
    /// The request is another one now: routed again, it goes on behind so many filters.
    Reroute(usize),
    /// Answered here.
    Reply(LocalReply),
    /// It cannot go on.
    Fault(Fault),
}

/// What is known of a request when it meets the filters.
pub(crate) struct Asking<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) on: &'a Rc<Listening>,
    pub(crate) peer: &'a Peer,
    /// `None` where no route matched: some filters answer all the same.
    pub(crate) matched: Option<&'a Matched<'a>>,
}

/// A header of the response, changed when it comes.
pub(crate) struct Later {
    /// Which filter wants it.
    filter: usize,
    edit: Edit,
}

impl Chain {
    /// The chain of a listener; none without filters.
    pub(crate) fn new(filters: &[Filter]) -> Option<Rc<Self>> {
        let live = |filter: &Filter| Live {
            name: filter.name.clone(),
            disabled: filter.disabled,
            kind: match &filter.kind {
                FilterKind::ExtAuthz(settings) => Kind::Authz(authz::Authz::new(settings)),
                FilterKind::Buffer(settings) => Kind::Buffer(*settings),
                FilterKind::Cors => Kind::Cors,
                FilterKind::Fault(settings) => Kind::Fault(settings.clone()),
                FilterKind::HeaderMutation(settings) => Kind::Mutation(settings.clone()),
                FilterKind::LocalRateLimit(settings) => Kind::RateLimit(settings.clone()),
                FilterKind::HealthCheck(settings) => Kind::Health((**settings).clone()),
                FilterKind::Rbac(settings) => Kind::Rbac(settings.clone()),
            },
        };
        (!filters.is_empty()).then(|| Rc::new(Self { filters: filters.iter().map(live).collect() }))
    }

    /// Takes a request through the filters from number `from` on.
    pub(crate) async fn request<C: Client>(
        &self,
        from: usize,
        asking: &Asking<'_>,
        x: &mut Exchange,
        client: &mut C,
    ) -> Verdict {
        for (number, filter) in self.filters.iter().enumerate().skip(from) {
            if filter.is_off(asking.matched) {
                continue;
            }
            let verdict = match &filter.kind {
                Kind::Authz(authz) => match asking.matched {
                    // Without a route there is nothing to protect.
                    None => Verdict::Pass,
                    Some(matched) => authz.check(number, &filter.name, asking, matched, x, client).await,
                },
                Kind::Buffer(settings) => small::buffer(*settings, &filter.name, asking, x, client).await,
                Kind::Cors => cors::request(number, &filter.name, asking, x),
                Kind::Fault(settings) => small::fault(settings, &filter.name, asking, x, client).await,
                Kind::Mutation(settings) => {
                    mutation::apply(asking.worker, x, Side::Request, settings, &filter.name, asking.matched);
                    Verdict::Pass
                }
                Kind::RateLimit(settings) => small::rate_limit(settings.as_deref(), &filter.name, asking, x),
                Kind::Health(settings) => health::request(settings, asking, x, client).await,
                Kind::Rbac(settings) => rbac::request(settings, &filter.name, asking, x),
            };
            if !matches!(verdict, Verdict::Pass) {
                return verdict;
            }
        }
        Verdict::Pass
    }

    /// Takes a response back through them, the last one first.
    pub(crate) fn response(&self, worker: &Worker, matched: Option<&Matched<'_>>, x: &mut Exchange) {
        let later = std::mem::take(&mut x.later);
        for (number, filter) in self.filters.iter().enumerate().rev() {
            if let Kind::Mutation(settings) = &filter.kind
                && !filter.is_off(matched)
            {
                mutation::apply(worker, x, Side::Response, settings, &filter.name, matched);
            }
            if matches!(filter.kind, Kind::Health(_)) && !filter.is_off(matched) {
                health::response(worker, x);
            }
            for how in edits::ORDER {
                let mine = later.iter().filter(|it| it.filter == number && it.edit.how == how);
                mine.for_each(|it| edits::apply(&mut x.res, &it.edit));
            }
        }
    }
}

/// A body that no filter may hold.
fn too_large() -> LocalReply {
    LocalReply { body: b"Payload Too Large".to_vec(), ..LocalReply::new(413, "request_payload_too_large") }
}

impl Live {
    /// The most specific level that names the filter decides, then the filter's own default.
    fn is_off(&self, matched: Option<&Matched<'_>>) -> bool {
        matched
            .and_then(|matched| matched.told(&self.name).next())
            .map_or(self.disabled, |told| told.disabled)
    }
}
