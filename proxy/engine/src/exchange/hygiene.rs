//! What is done to a request's head before and after it is routed: paths normalised, hop-by-hop fields dropped, forwarding
//! headers set, the route's operations applied. Knows no sockets.

use forebay_http::path::{self, Outcome, Rules};
use forebay_http::{Head, Known, Version};
use forebay_model::{EscapedSlashes, StripPort, Underscores};
use forebay_route::{Forward, HostRewrite, Matched, Split};

use super::state::{Exchange, Peer, View};
use super::{forwarding, headers};
use crate::conn::Listening;
use crate::fault::Fault;
use crate::worker::Worker;

/// Before routing.
pub(crate) fn request(worker: &Worker, on: &Listening, peer: &Peer, x: &mut Exchange) -> Result<(), Fault> {
    let http = on.http();
    let manager = &http.manager;
    if !x.req.path().starts_with(b"/") && x.req.method() != b"CONNECT" {
        return Err(Fault::NotAPath);
    }
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
    forwarding::request(worker, on, peer, x);
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
    if x.req.is_connect() {
        // It has none.
        return Ok(());
    }
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
        // What is no port stays, and finds no host.
        StripPort::Any => {
            let digits = port.get(1..).unwrap_or_default();
            std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok())
        }
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
        return Err(if req.version == Version::H2 { Fault::Underscore2 } else { Fault::Underscore });
    }
    for name in bad {
        req.remove(&name);
    }
    Ok(())
}

/// Host and path as the route wants them upstream, and what the upstream is told of it where it is told anything.
pub(crate) fn rewrite(req: &mut Head, matched: &Matched<'_>, split: &Split, forward: &Forward, tells: bool) {
    if tells && let Some(timeout) = forward.timeout {
        let mut digits = itoa::Buffer::new();
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        req.set_known(Known::EnvoyExpectedRqTimeout, digits.format(millis).as_bytes());
    }
    // The split has its say first, and the route the last word.
    if let (Some(host), Some(_)) = (&split.host_rewrite, forward.host_rewrite()) {
        req.set_authority(host.as_bytes());
    }
    let host = match (&split.host_rewrite, forward.host_rewrite()) {
        (_, Some(HostRewrite::Literal(host))) => Some(host.as_bytes().to_vec()),
        (_, Some(rewrite)) => rewrite.apply(&View(req)).map(std::borrow::Cow::into_owned),
        (Some(host), None) => Some(host.as_bytes().to_vec()),
        (None, None) => None,
    };
    if let Some(host) = host {
        rehost(req, &host, forward, tells);
    }
    if forward.path_rewrite().is_some()
        && !req.is_connect()
        && let Some(path) = matched.route.rewritten_path(req.path())
    {
        if tells {
            let before = req.path().to_vec();
            req.set_known(Known::EnvoyOriginalPath, &before);
        }
        req.set_path(&path);
    }
}

/// A new host, and what the upstream is told of the old one.
fn rehost(req: &mut Head, host: &[u8], forward: &Forward, tells: bool) {
    let before = req.authority().to_vec();
    if forward.rare.as_ref().is_some_and(|rare| rare.forwarded_host) && !before.is_empty() {
        let told = req.values(b"x-forwarded-host").collect::<Vec<_>>().join(&b","[..]);
        let last = told.rsplit(|&b| b == b',').next().map(<[u8]>::trim_ascii);
        if told.is_empty() {
            req.set(b"x-forwarded-host", &before);
        } else if last != Some(&*before) {
            req.set(b"x-forwarded-host", &[&*told, b",", &*before].concat());
        }
    }
    if tells {
        req.set(b"x-envoy-original-host", &before);
    }
    req.set_authority(host);
}

/// A route that calls an endpoint by its own name does so when it is chosen.
pub(super) fn call_by_name(req: &mut Head, hostname: Option<&str>, forward: &Forward, tells: bool) {
    if let (Some(HostRewrite::Endpoint), Some(name)) = (forward.host_rewrite(), hostname) {
        rehost(req, name.as_bytes(), forward, tells);
    }
}

/// `x-envoy-upstream-service-time`: milliseconds from the request's end to the response's head.
pub(crate) fn service_time(x: &mut Exchange) {
    let sent = x.times.request_end.or(x.times.sent).unwrap_or_default();
    let took = x.times.first_byte.unwrap_or(sent).saturating_sub(sent) / 1000;
    let mut digits = itoa::Buffer::new();
    x.res.set_known(Known::EnvoyServiceTime, digits.format(took).as_bytes());
}

/// The response's head as the client gets it.
pub(crate) fn response(worker: &Worker, on: &Listening, matched: Option<&Matched<'_>>, x: &mut Exchange) {
    x.res.strip_hop_by_hop();
    if let Some(matched) = matched {
        headers::response(worker, x, matched);
    }
    finish(worker, on, matched, x);
}

/// What every response gets last, wherever it comes from.
pub(crate) fn finish(worker: &Worker, on: &Listening, matched: Option<&Matched<'_>>, x: &mut Exchange) {
    let http = on.http();
    if let Some(chain) = &http.filters {
        chain.response(worker, matched, x);
    }
    http.server_header(&mut x.res);
    if !x.res.has(Known::Date) {
        let date = worker.date.now(&worker.clock);
        x.res.push_known(Known::Date, &date);
    }
    forwarding::response(&http.manager, x);
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
    x.res.push_known(Known::ServerTiming, text.bytes());
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
