//! `cors`: which other origins may do what, answered and told. Knows no endpoints.

use forebay_http::Head;
use forebay_model::{Cors, Edit, EditHow};
use forebay_route::Matched;

use super::{Asking, Later, Verdict};
use crate::exchange::{Exchange, LocalReply};

/// Answers a preflight, or notes what the response is to say.
pub(super) fn request(number: usize, name: &str, asking: &Asking<'_>, x: &mut Exchange) -> Verdict {
    let Some(policy) = asking.matched.and_then(|matched| policy(name, matched)) else { return Verdict::Pass };
    let Some(origin) = x.req.get(b"origin").filter(|origin| !origin.is_empty()) else { return Verdict::Pass };
    let origin = origin.to_vec();
    if policy.enabled.is_some_and(|share| !share.draw(&asking.worker.rng)) {
        return Verdict::Pass;
    }
    let preflight = x.req.method() == b"OPTIONS"
        && x.req.get(b"access-control-request-method").is_some_and(|method| !method.is_empty());
    if !policy.origins.iter().any(|known| known.matches(&origin)) {
        if preflight && !policy.forward_not_matching {
            return Verdict::Reply(LocalReply::new(200, "cors_response"));
        }
        return Verdict::Pass;
    }
    let says = told(policy, &origin);
    if !preflight {
        x.later.extend(says.into_iter().map(|edit| Later { filter: number, edit }));
        return Verdict::Pass;
    }
    let mut headers = says;
    let more = [
        ("access-control-allow-methods", &policy.methods),
        ("access-control-allow-headers", &policy.headers),
        ("access-control-max-age", &policy.max_age),
    ];
    headers
        .extend(more.into_iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| set(n, v.as_bytes())));
    if policy.private_network && asks_for_private_network(&x.req) {
        headers.push(set("access-control-allow-private-network", b"true"));
    }
    Verdict::Reply(LocalReply { headers, ..LocalReply::new(200, "cors_response") })
}

/// The most specific level's.
fn policy<'m>(name: &str, matched: &Matched<'m>) -> Option<&'m Cors> {
    matched.told(name).find_map(|told| told.told.as_ref()?.as_any().downcast_ref::<Cors>())
}

fn asks_for_private_network(req: &Head) -> bool {
    req.get(b"access-control-request-private-network") == Some(b"true")
}

/// What every response to an origin that may says.
fn told(policy: &Cors, origin: &[u8]) -> Vec<Edit> {
    let mut all = vec![set("access-control-allow-origin", origin)];
    if policy.credentials {
        all.push(set("access-control-allow-credentials", b"true"));
    }
    if !policy.expose.is_empty() {
        all.push(set("access-control-expose-headers", policy.expose.as_bytes()));
    }
    all
}

fn set(name: &str, value: &[u8]) -> Edit {
    Edit { name: name.to_owned(), value: value.to_vec(), how: EditHow::Set }
}
