//! What the app is told beside what the client said: Go's `ReverseProxy`, and the reference's own rules (serving:
//! `pkg/queue/forwarded_shim.go`, `pkg/http/proxy.go`). Knows no framing.

use std::net::SocketAddr;

use forebay_http::h1::Framing;
use forebay_http::{Head, Known};

use super::Exchange;
use crate::conn::Peer;

/// Makes up `Forwarded` from what came as `X-Forwarded-*`, where there is none.
#[inline]
pub(super) fn forwarded(x: &mut Exchange) {
    let [chain, proto, host] = [Known::XForwardedFor, Known::XForwardedProto, Known::XForwardedHost]
        .map(|known| x.req.known(known).unwrap_or_default());
    if chain.is_empty() && proto.is_empty() && host.is_empty() {
        return;
    }
    if x.req.known(Known::Forwarded).is_some_and(|v| !v.is_empty()) {
        return;
    }
    let out = &mut x.scratch;
    out.clear();
    shim(chain, proto, host, out);
    x.req.set(Known::Forwarded.name(), out);
}

/// serving: `generateForwarded`, letter by letter: `,,,` is three nodes without a name.
fn shim(chain: &[u8], proto: &[u8], host: &[u8], out: &mut Vec<u8>) {
    let mut rest = chain;
    let first = next(&mut rest).unwrap_or_default();
    if !chain.is_empty() {
        out.extend_from_slice(b"for=");
        node(first, out);
    }
    if !host.is_empty() {
        if !first.is_empty() {
            out.push(b';');
        }
        out.extend_from_slice(b"host=");
        out.extend_from_slice(host);
    }
    if !proto.is_empty() {
        if !first.is_empty() || !host.is_empty() {
            out.push(b';');
        }
        out.extend_from_slice(b"proto=");
        out.extend_from_slice(proto);
    }
    while let Some(next) = next(&mut rest) {
        out.extend_from_slice(b", for=");
        node(next, out);
    }
}

/// Takes the next node off a chain.
fn next<'c>(rest: &mut &'c [u8]) -> Option<&'c [u8]> {
    if rest.is_empty() {
        return None;
    }
    let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
    let (node, more) = rest.split_at(end);
    *rest = more.get(1..).unwrap_or_default();
    Some(node.trim_ascii())
}

fn node(name: &[u8], out: &mut Vec<u8>) {
    // An address with a colon is one of IPv6.
    let brackets: [&[u8]; 2] = if name.contains(&b':') { [b"\"[", b"]\""] } else { [b"", b""] };
    out.extend_from_slice(brackets[0]);
    out.extend_from_slice(name);
    out.extend_from_slice(brackets[1]);
}

/// Moves the host that the client asked for back to where it belongs; whoever proxied has put another one there.
#[inline]
pub(super) fn host(req: &mut Head) {
    if let Some(original) = req.known(Known::KOriginalHost).filter(|host| !host.is_empty()) {
        let original = original.to_vec();
        req.set_authority(&original);
        req.remove_known(Known::KOriginalHost);
    }
}

/// The head as the app gets it.
pub(super) fn outgoing(x: &mut Exchange, peer: &Peer, app: SocketAddr) {
    x.upgrade.clear();
    let req = &mut x.req;
    for known in [Known::ServingRevision, Known::ServingNamespace] {
        req.remove_known(known);
    }
    if x.asked.upgrade {
        let wanted = req.known(Known::Upgrade).unwrap_or_default();
        x.upgrade.extend_from_slice(wanted);
    }
    let trailer = announced(req, x.asked.framing, &mut x.scratch);
    req.strip_hop_by_hop();
    req.remove(b"proxy-authenticate");
    req.remove(b"proxy-authorization");
    if trailer {
        req.push(Known::Trailer.name(), &x.scratch);
    }
    if x.asked.upgrade {
        req.push(Known::Connection.name(), b"Upgrade");
        req.push(Known::Upgrade.name(), &x.upgrade);
    }
    let chain = &mut x.scratch;
    chain.clear();
    for value in req.values(Known::XForwardedFor.name()) {
        chain.extend_from_slice(value);
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(peer.text.as_bytes());
    req.set(Known::XForwardedFor.name(), chain);
    if req.authority().is_empty() {
        // HTTP/1.0 without a host.
        req.set_authority(app.to_string().as_bytes());
    }
}

/// The response's head as the client gets it.
pub(super) fn response(x: &mut Exchange, framing: Framing) {
    x.res.strip_hop_by_hop();
    x.res.remove(b"proxy-authenticate");
    x.res.remove(b"proxy-authorization");
    if framing != Framing::Chunked {
        // None can come.
        x.res.remove_known(Known::Trailer);
    }
    // Go's server: of what has no body nothing is said about it.
    if matches!(x.res.status, 204 | 304) {
        x.res.remove_known(Known::ContentLength);
    }
    if x.res.status == 304 {
        x.res.remove_known(Known::ContentType);
    }
}

/// Whether Go's server would find out by itself what the body is.
pub(super) fn is_untyped(x: &Exchange, framing: Framing) -> bool {
    matches!(framing, Framing::Length(1..))
        && !x.res.has(Known::ContentType)
        && !x.req.is_head()
        && x.res.get(b"content-encoding").is_none()
}

/// Trailers that are announced come; the names are kept in `names`.
fn announced(head: &Head, framing: Framing, names: &mut Vec<u8>) -> bool {
    let Some(value) = head.known(Known::Trailer).filter(|_| framing == Framing::Chunked) else {
        return false;
    };
    names.clear();
    names.extend_from_slice(value);
    true
}

#[cfg(test)]
mod tests;
