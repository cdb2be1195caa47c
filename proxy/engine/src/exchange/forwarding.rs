//! Who a request comes from, and what the upstream is told of it: the forwarding headers, and which of a client's own claims are
//! believed. Envoy's rules (HTTP header manipulation, `x-forwarded-for` and the sections after it). Knows no routes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use forebay_http::{Head, Known, Version};
use forebay_model::HttpManager;
use forebay_net::local_address;

use super::client_cert;
use super::state::{Exchange, Peer};
use crate::conn::Listening;
use crate::worker::Worker;

/// What a request is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Origin {
    /// It comes from an address that the configuration calls internal, and through nobody else.
    internal: bool,
    /// We are the first proxy that can be believed.
    edge: bool,
}

/// Sets the forwarding headers and forgets what an outsider may not say.
pub(super) fn request(worker: &Worker, on: &Listening, peer: &Peer, x: &mut Exchange) {
    let http = on.http();
    let manager = &http.manager;
    let scheme = if peer.secure.is_some() { "https" } else { "http" };
    let (trusted, single) = client(manager, &x.req);
    if x.req.repeats(Known::XForwardedFor) {
        x.req.join(Known::XForwardedFor);
    }
    if manager.use_remote_address {
        if !manager.skip_xff_append {
            // A loopback address means another machine to whoever reads it there.
            let who = if is_loopback(peer.remote.ip()) { local_address() } else { &peer.text };
            x.req.append_to(Known::XForwardedFor, who.as_bytes());
        }
        if manager.xff_trusted_hops == 0 || !x.req.has(Known::XForwardedProto) {
            x.req.set_known(Known::XForwardedProto, scheme.as_bytes());
        }
        if manager.append_x_forwarded_port
            && (manager.xff_trusted_hops == 0 || x.req.get(b"x-forwarded-port").is_none())
        {
            x.req.set(b"x-forwarded-port", peer.local.port().to_string().as_bytes());
        }
    } else if !x.req.has(Known::XForwardedProto) {
        x.req.push_known(Known::XForwardedProto, scheme.as_bytes());
    }
    if x.req.version != Version::H2 {
        // HTTP/1 has no scheme of its own: it is what the last believed proxy says.
        match x.req.known(Known::XForwardedProto) {
            Some(b"https") => x.req.scheme = forebay_http::Scheme::Https,
            Some(b"http") => x.req.scheme = forebay_http::Scheme::Http,
            _ => {}
        }
    }
    // A peer counts as internal only where it is the client.
    let seen = trusted.or_else(|| manager.use_remote_address.then(|| peer.remote.ip()));
    let internal = single && seen.is_some_and(|ip| manager.internal.contains(ip));
    let origin = Origin { internal, edge: manager.use_remote_address && !internal };
    if let Some(ip) = trusted {
        x.remote = Some(SocketAddr::new(ip, 0));
    }
    sanitize(&mut x.req, manager, origin, peer);
    x.internal = origin.internal;
    if origin.internal {
        x.req.push_known(Known::EnvoyInternal, b"true");
        x.tells_request_id = x.req.get(b"x-envoy-force-trace").is_some();
    }
    if let Some(via) = &manager.via {
        append_via(&mut x.req, via);
    }
    if origin.edge {
        match trusted {
            Some(ip) => x.req.set_known(Known::EnvoyExternalAddress, ip.to_string().as_bytes()),
            None => x.req.set_known(Known::EnvoyExternalAddress, peer.text.as_bytes()),
        }
    }
    if manager.generate_request_id {
        let has = x.req.has(Known::XRequestId);
        if !has || (origin.edge && !manager.preserve_external_request_id) {
            x.req.set_known(Known::XRequestId, &request_id(worker));
        }
    }
    x.tells_request_id |= manager.always_set_request_id_in_response;
}

/// The response tells the client what it may know.
pub(super) fn response(manager: &HttpManager, x: &mut Exchange) {
    if x.tells_request_id
        && let Some(id) = x.req.known(Known::XRequestId)
    {
        x.res.set_known(Known::XRequestId, id);
    }
    if let Some(via) = &manager.via {
        append_via(&mut x.res, via);
    }
}

/// The address that a machine's own clients have: by Envoy's rule that one of each family, and no other of 127.0.0.0/8.
fn is_loopback(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip == Ipv4Addr::LOCALHOST,
        IpAddr::V6(ip) => ip.is_loopback(),
    }
}

/// The client's address as `x-forwarded-for` has it, where that may be believed, and whether nobody else is in it.
fn client(manager: &HttpManager, req: &Head) -> (Option<IpAddr>, bool) {
    let hops = manager.xff_trusted_hops;
    match (manager.use_remote_address, hops) {
        (true, 0) => (None, !req.has(Known::XForwardedFor)),
        (true, hops) => (from_the_right(req, hops - 1).0, !req.has(Known::XForwardedFor)),
        (false, hops) => from_the_right(req, hops),
    }
}

/// The address `skip` entries from the right end, and whether it is the only entry.
fn from_the_right(req: &Head, skip: u32) -> (Option<IpAddr>, bool) {
    let Some(first) = req.known(Known::XForwardedFor) else { return (None, false) };
    let joined;
    let list = if req.repeats(Known::XForwardedFor) {
        joined = req.values(b"x-forwarded-for").collect::<Vec<_>>().join(&b","[..]);
        &joined
    } else {
        first
    };
    let mut entries = list.rsplit(|&b| b == b',');
    let entry = entries.nth(skip as usize);
    let ip = entry.and_then(|entry| address(entry.trim_ascii()));
    (ip, ip.is_some() && skip == 0 && entries.next().is_none())
}

fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|at| at.ip()))
}

/// Only an edge removes these: they tell inner proxies what an outer one found.
const EDGE: [&[u8]; 4] = [
    b"x-envoy-decorator-operation",
    b"x-envoy-downstream-service-cluster",
    b"x-envoy-downstream-service-node",
    b"x-envoy-original-path",
];

/// Anybody but an internal client would steer the proxy with these.
const STEERING: [&[u8]; 14] = [
    b"x-envoy-retry-on",
    b"x-envoy-retry-grpc-on",
    b"x-envoy-max-retries",
    b"x-envoy-retriable-status-codes",
    b"x-envoy-retriable-header-names",
    b"x-envoy-upstream-alt-stat-name",
    b"x-envoy-upstream-rq-timeout-ms",
    b"x-envoy-upstream-rq-per-try-timeout-ms",
    b"x-envoy-upstream-rq-timeout-alt-response",
    b"x-envoy-hedge-on-per-try-timeout",
    b"x-envoy-expected-rq-timeout-ms",
    b"x-envoy-force-trace",
    b"x-envoy-ip-tags",
    b"x-envoy-original-url",
];

fn sanitize(req: &mut Head, manager: &HttpManager, origin: Origin, peer: &Peer) {
    // One look at the names first: an ordinary request has none of them.
    let (mut ours, mut certificate) = (false, false);
    for (name, ..) in req.iter() {
        ours |= name.starts_with(b"x-envoy-");
        certificate |= name == client_cert::NAME;
    }
    client_cert::forward(req, &manager.client_cert, peer, certificate);
    if !ours {
        return;
    }
    req.remove_known(Known::EnvoyInternal);
    if origin.edge {
        for name in EDGE {
            req.remove(name);
        }
    }
    if !origin.internal {
        for name in STEERING {
            req.remove(name);
        }
    }
}

fn append_via(head: &mut Head, via: &str) {
    let before: Vec<&[u8]> = head.values(b"via").collect();
    if before.is_empty() {
        head.push(b"via", via.as_bytes());
    } else {
        let joined = [&before.join(&b","[..])[..], via.as_bytes()].join(&b", "[..]);
        head.set(b"via", &joined);
    }
}

/// A random UUID, version 4. Not a secret: it correlates logs.
fn request_id(worker: &Worker) -> [u8; 36] {
    let (hi, lo) = (worker.rng.next_u64(), worker.rng.next_u64());
    uuid(hi & !0xf000 | 0x4000, lo & !(3 << 62) | 1 << 63)
}

fn uuid(hi: u64, lo: u64) -> [u8; 36] {
    let mut out = [b'-'; 36];
    let (time, node) = (digits(hi), digits(lo));
    out[..8].copy_from_slice(&time[..8]);
    out[9..13].copy_from_slice(&time[8..12]);
    out[14..18].copy_from_slice(&time[12..]);
    out[19..23].copy_from_slice(&node[..4]);
    out[24..].copy_from_slice(&node[4..]);
    out
}

/// Sixteen hexadecimal digits, all at once: each request needs two such numbers.
const fn digits(number: u64) -> [u8; 16] {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    // One digit to a byte, the first in the highest, by halving the distance.
    let mut spread = number as u128;
    spread = (spread | spread << 32) & 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f;
    // From ten on it is a letter: six more reach the bit above.
    let letters = (spread + ONES * 6) >> 4 & ONES;
    (spread + ONES * b'0' as u128 + letters * (b'a' - b'0' - 10) as u128).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use forebay_model::InternalRanges;

    use super::*;

    fn forwarded(lines: &[&str], skip: u32) -> (Option<String>, bool) {
        let mut head = Head::default();
        lines.iter().for_each(|line| head.push(b"x-forwarded-for", line.as_bytes()));
        let (ip, single) = from_the_right(&head, skip);
        (ip.map(|ip| ip.to_string()), single)
    }

    #[test]
    fn a_client_is_so_many_entries_from_the_right() {
        let ip = |text: &str| Some(text.to_owned());
        assert_eq!(forwarded(&[], 0), (None, false));
        assert_eq!(forwarded(&["1.2.3.4"], 0), (ip("1.2.3.4"), true));
        assert_eq!(forwarded(&["1.2.3.4"], 1), (None, false));
        assert_eq!(forwarded(&["1.2.3.4, 10.0.0.1"], 0), (ip("10.0.0.1"), false));
        assert_eq!(forwarded(&["1.2.3.4,10.0.0.1"], 1), (ip("1.2.3.4"), false));
        assert_eq!(forwarded(&["1.2.3.4", "::1"], 0), (ip("::1"), false));
        assert_eq!(forwarded(&["[::1]:80"], 0), (ip("::1"), true));
        assert_eq!(forwarded(&["junk"], 0), (None, false));
    }

    #[test]
    fn a_uuid_has_its_dashes_where_they_belong() {
        let id = uuid(0x0123_4567_89ab_4def, 0x8123_4567_89ab_cdef);
        assert_eq!(std::str::from_utf8(&id), Ok("01234567-89ab-4def-8123-456789abcdef"));
    }

    #[test]
    fn ranges_hold_their_addresses_in_either_family() {
        let ranges = InternalRanges(vec![("10.0.0.0".parse().unwrap(), 8), ("fd00::".parse().unwrap(), 8)]);
        for (ip, inside) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("::ffff:10.0.0.1", true),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(ranges.contains(ip.parse().unwrap()), inside, "{ip}");
        }
    }
}
