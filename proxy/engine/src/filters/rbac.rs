//! `rbac`: refuses requests of those who may not make them. Knows no policies: the model says what rules come to.

use std::net::{IpAddr, SocketAddr};

use forebay_model::{Rbac, RbacIp, RbacRoute, RbacView};
use forebay_net::tls::SanKind;
use forebay_telemetry::Http;

use super::small::told;
use super::{Asking, Verdict};
use crate::exchange::{Exchange, LocalReply, Peer, View};

/// Lets a request pass or not, and counts both.
pub(super) fn request(settings: &Rbac, name: &str, asking: &Asking<'_>, x: &mut Exchange) -> Verdict {
    let own = told::<RbacRoute>(name, asking);
    let settings = match &own {
        Some(RbacRoute(None)) => return Verdict::Pass,
        Some(RbacRoute(Some(own))) => own,
        None => settings,
    };
    let stats = &asking.on.http().stats;
    let (req, seen) = (View(&x.req), Seen { peer: asking.peer, remote: x.remote });
    if let Some(shadow) = &settings.shadow {
        let (may, _) = shadow.verdict(&req, &seen);
        stats.inc(if may { Http::RbacShadowAllowed } else { Http::RbacShadowDenied });
    }
    let Some(rules) = &settings.rules else { return Verdict::Pass };
    let (may, by) = rules.verdict(&req, &seen);
    if may {
        stats.inc(Http::RbacAllowed);
        return Verdict::Pass;
    }
    stats.inc(Http::RbacDenied);
    let by: String = by.map_or("none", |name| name).split_ascii_whitespace().collect::<Vec<_>>().join("_");
    x.long_details = format!("rbac_access_denied_matched_policy[{by}]");
    Verdict::Reply(LocalReply {
        body: b"RBAC: access denied".to_vec(),
        ..LocalReply::new(403, "rbac_access_denied")
    })
}

struct Seen<'p> {
    peer: &'p Peer,
    /// The client, as far as it can be trusted.
    remote: Option<SocketAddr>,
}

impl RbacView for Seen<'_> {
    fn ip(&self, of: RbacIp) -> Option<IpAddr> {
        let at = match of {
            RbacIp::Destination => self.peer.local,
            RbacIp::Connection => self.peer.remote,
            RbacIp::Direct => self.peer.direct,
            RbacIp::Remote => self.remote.unwrap_or(self.peer.remote),
        };
        Some(at.ip())
    }

    fn destination(&self) -> Option<SocketAddr> {
        Some(self.peer.local)
    }

    fn server_name(&self) -> &str {
        self.peer.secure.as_ref().and_then(|secure| secure.server_name.as_deref()).unwrap_or_default()
    }

    fn is_secure(&self) -> bool {
        self.peer.secure.is_some()
    }

    fn has_name(&self, accepts: &dyn Fn(&str) -> bool) -> bool {
        let Some(shown) = self.peer.secure.as_ref().and_then(|secure| secure.peer.as_deref()) else {
            // Envoy asks for the subject of nothing, which is empty.
            return accepts("");
        };
        let of = |kind| shown.sans().iter().filter(move |san| san.kind == kind);
        if of(SanKind::Uri).chain(of(SanKind::Dns)).any(|san| accepts(&san.value)) {
            return true;
        }
        accepts(shown.subject())
    }
}
