//! `x-forwarded-client-cert`: whether it is passed on, and what is said in it of the client's own certificate. Knows no TLS.

use forebay_http::Head;
use forebay_model::ClientCert;

use super::state::Peer;

pub(super) const NAME: &[u8] = b"x-forwarded-client-cert";

/// Envoy's five ways. `came` is whether the request has the header, so that one without pays for no search.
pub(super) fn forward(req: &mut Head, way: &ClientCert, peer: &Peer, came: bool) {
    let shown = peer.secure.as_ref().and_then(|secure| secure.peer.as_deref());
    match (way, shown) {
        (ClientCert::AlwaysForward, _) | (ClientCert::Forward, Some(_)) => {}
        (ClientCert::Sanitize, _) | (_, None) => {
            if came {
                req.remove(NAME);
            }
        }
        (ClientCert::Set(_), Some(shown)) => req.set(NAME, shown.forwarded.as_bytes()),
        (ClientCert::Append(_), Some(shown)) => {
            let before = req.values(NAME).collect::<Vec<_>>().join(&b","[..]);
            match before.is_empty() {
                true => req.set(NAME, shown.forwarded.as_bytes()),
                false => req.set(NAME, &[&*before, b",", shown.forwarded.as_bytes()].concat()),
            }
        }
    }
}
