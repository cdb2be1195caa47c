//! What is done to a request's head before and after it is routed: paths normalised, hop-by-hop fields dropped, forwarding
//! headers set, the route's operations applied. Knows no sockets.

use forebay_http::path::{self, Outcome, Rules};
use forebay_http::{Head, Known};
use forebay_model::{EscapedSlashes, StripPort, Underscores};
use forebay_route::{Forward, HostRewrite, Matched, Split};

use super::headers;
use super::state::{Exchange, Peer, View};
use crate::conn::Listening;
use crate::fault::Fault;
use crate::worker::Worker;

/// Before routing.
pub(crate) fn request(worker: &Worker, on: &Listening, peer: &Peer, x: &mut Exchange) -> Result<(), Fault> {
    let http = on.http();
    let manager = &http.manager;
    clean_path(x, http.path_rules)?;
    clean_authority(&mut x.req, peer, manager.strip_port, manager.strip_trailing_host_dot);
    if x.req.authority().is_empty()
        && let Some(host) = &manager.default_host_for_http_10
    {
        x.req.set_authority(host.as_bytes());
    }
    underscores(&mut x.req, manager.underscores)?;
    x.req.strip_hop_by_hop();
    if x.asked.expects_continue {
        x.req.remove_known(Known::Expect);
    }
    if manager.use_remote_address {
        if !manager.skip_xff_append {
            x.req.append_to(Known::XForwardedFor, peer.text.as_bytes());
        }
        if manager.xff_trusted_hops == 0 || !x.req.has(Known::XForwardedProto) {
            x.req.set(b"x-forwarded-proto", x.req.scheme.as_str().as_bytes());
        }
    } else if !x.req.has(Known::XForwardedProto) {
        x.req.push(b"x-forwarded-proto", x.req.scheme.as_str().as_bytes());
    }
    if manager.generate_request_id && !x.req.has(Known::XRequestId) {
        x.req.push(b"x-request-id", &request_id(worker));
    }
    Ok(())
}

/// The rules of a listener, made once when it is configured.
pub(crate) fn path_rules(normalize: Option<bool>, merge_slashes: bool, escaped: EscapedSlashes) -> Rules {
    Rules {
        // Our own default where the listener says nothing: on, as Envoy's edge recommendation has it.
        normalize: normalize.unwrap_or(true),
        merge_slashes,
        escaped_slashes: match escaped {
            EscapedSlashes::Keep => path::EscapedSlashes::Keep,
            EscapedSlashes::Reject => path::EscapedSlashes::Reject,
            EscapedSlashes::UnescapeAndForward => path::EscapedSlashes::UnescapeAndForward,
            EscapedSlashes::UnescapeAndRedirect => path::EscapedSlashes::UnescapeAndRedirect,
        },
    }
}

fn clean_path(x: &mut Exchange, rules: Rules) -> Result<(), Fault> {
    let changed = match path::apply(x.req.path(), rules) {
        Outcome::Path(std::borrow::Cow::Borrowed(_)) => return Ok(()),
        Outcome::Path(std::borrow::Cow::Owned(path)) => path,
        Outcome::Redirect(path) => {
            x.redirect_to = Some(path.clone());
            path
        }
        Outcome::Reject => return Err(Fault::Path),
    };
    x.req.set_path(&changed);
    Ok(())
}

fn clean_authority(req: &mut Head, peer: &Peer, strip: StripPort, dot: bool) {
    if strip == StripPort::No && !dot {
        return;
    }
    let authority = req.authority();
    let colon = memchr_port(authority);
    let (mut host, port) = authority.split_at(colon.unwrap_or(authority.len()));
    let drop_port = match strip {
        StripPort::Any => !port.is_empty(),
        StripPort::Matching => {
            std::str::from_utf8(port).is_ok_and(|p| p == format!(":{}", peer.local.port()))
        }
        StripPort::No => false,
    };
    if dot && let Some(bare) = host.strip_suffix(b".") {
        host = bare;
    }
    let clean = if drop_port { host.to_vec() } else { [host, port].concat() };
    if clean != authority {
        req.set_authority(&clean);
    }
}

fn memchr_port(authority: &[u8]) -> Option<usize> {
    let colon = authority.iter().rposition(|&b| b == b':')?;
    match authority.iter().rposition(|&b| b == b']') {
        Some(bracket) if bracket > colon => None,
        _ => Some(colon),
    }
}

fn underscores(req: &mut Head, action: Underscores) -> Result<(), Fault> {
    if action == Underscores::Allow {
        return Ok(());
    }
    let bad: Vec<Vec<u8>> =
        req.iter().filter(|(n, ..)| n.contains(&b'_')).map(|(n, ..)| n.to_vec()).collect();
    if bad.is_empty() {
        return Ok(());
    }
    if action == Underscores::Reject {
        return Err(Fault::Underscore);
    }
    for name in bad {
        req.remove(&name);
    }
    Ok(())
}

/// A random UUID, version 4. Not a secret: it correlates logs.
fn request_id(worker: &Worker) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let (mut hi, mut lo) = (worker.rng.next_u64(), worker.rng.next_u64());
    hi = hi & !0xf000 | 0x4000;
    lo = lo & !(3 << 62) | 1 << 63;
    let mut out = [b'-'; 36];
    let mut nibbles = (0..16).rev().map(|i| hi >> (4 * i)).chain((0..16).rev().map(|i| lo >> (4 * i)));
    for (i, slot) in out.iter_mut().enumerate() {
        if !matches!(i, 8 | 13 | 18 | 23)
            && let Some(n) = nibbles.next()
            && let Some(digit) = HEX.get((n & 15) as usize)
        {
            *slot = *digit;
        }
    }
    out
}

/// Host and path as the route wants them upstream.
pub(crate) fn rewrite(req: &mut Head, matched: &Matched<'_>, split: &Split, forward: &Forward) {
    let host = match (&split.host_rewrite, &forward.host_rewrite) {
        (Some(host), _) => Some(host.as_bytes().to_vec()),
        (None, Some(HostRewrite::Literal(host))) => Some(host.as_bytes().to_vec()),
        (None, Some(rewrite)) => rewrite.apply(&View(req)).map(std::borrow::Cow::into_owned),
        (None, None) => None,
    };
    if let Some(host) = host {
        req.set_authority(&host);
    }
    if forward.path_rewrite.is_some()
        && let Some(path) = matched.route.rewritten_path(req.path())
    {
        req.set_path(&path);
    }
}

/// The response's head as the client gets it.
pub(crate) fn response(worker: &Worker, on: &Listening, matched: Option<&Matched<'_>>, x: &mut Exchange) {
    x.res.strip_hop_by_hop();
    if let Some(matched) = matched {
        headers::response(worker, x, matched);
    }
    let http = on.http();
    if let Some(chain) = &http.filters {
        chain.response(x);
    }
    http.server_header(&mut x.res);
    if !x.res.has(Known::Date) {
        let date = worker.date.now(&worker.clock);
        x.res.push(b"date", &date);
    }
    timing_header(worker, x);
}

/// `Server-Timing`: where the time of a revision's request went, in milliseconds.
fn timing_header(worker: &Worker, x: &mut Exchange) {
    if !x.clocks.tells {
        return;
    }
    let mut text = Stack::default();
    if let Some((waited, cold)) = x.times.waited {
        text.part(if cold { b"start;dur=" } else { b"queue;dur=" }, waited);
    }
    if let Some(connect) = x.times.connect {
        text.part(b"connect;dur=", connect);
    }
    let first = x.times.first_byte.unwrap_or_else(|| x.elapsed(worker));
    text.part(b"ttfb;dur=", first.saturating_sub(x.times.sent.unwrap_or_default()));
    x.res.push(b"server-timing", text.bytes());
}

/// Text built on the stack, without the formatting machinery: every response has one. Three parts with numbers of 64 bits fit.
struct Stack {
    data: [u8; 128],
    len: usize,
}

impl Default for Stack {
    fn default() -> Self {
        Self { data: [0; 128], len: 0 }
    }
}

impl Stack {
    /// A name and its microseconds, as milliseconds with one decimal; commas between parts.
    fn part(&mut self, name: &[u8], micros: u64) {
        if self.len > 0 {
            self.push(b", ");
        }
        self.push(name);
        let mut digits = itoa::Buffer::new();
        self.push(digits.format(micros / 1000).as_bytes());
        self.push(b".");
        self.push(digits.format(micros % 1000 / 100).as_bytes());
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(slot) = self.data.get_mut(self.len..self.len + bytes.len()) {
            slot.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn bytes(&self) -> &[u8] {
        self.data.get(..self.len).unwrap_or_default()
    }
}
