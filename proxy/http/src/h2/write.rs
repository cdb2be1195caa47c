//! Heads as header blocks: what of them HTTP/2 can say, and what is worth a place in the compression table. Knows no frames.

use super::fields::{is_name, is_value};
use super::hpack::{Encoder, Worth};
use crate::head::{Head, Scheme};
use crate::known::Known;

/// How a request is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form<'f> {
    Plain,
    /// CONNECT: an authority and nothing else.
    Connect,
    /// Extended CONNECT (RFC 8441) for this protocol.
    Tunnel(&'f [u8]),
}

/// Appends a request's block.
pub(crate) fn request(head: &Head, form: Form<'_>, to: &mut Encoder, out: &mut Vec<u8>) {
    to.begin(out);
    let method = match form {
        Form::Plain => head.method(),
        Form::Connect | Form::Tunnel(_) => b"CONNECT",
    };
    match method {
        b"GET" => to.known(2, out),
        b"POST" => to.known(3, out),
        other => to.field(b":method", other, || Worth::Table, out),
    }
    if form != Form::Connect {
        to.known(if head.scheme == Scheme::Https { 7 } else { 6 }, out);
    }
    to.field(b":authority", head.authority(), || Worth::Table, out);
    if form != Form::Connect {
        match head.path() {
            b"/" => to.known(4, out),
            path => to.field(b":path", path, || Worth::Nothing, out),
        }
    }
    if let Form::Tunnel(protocol) = form {
        to.field(b":protocol", protocol, || Worth::Table, out);
    }
    fields(head, to, out);
}

/// Appends a response's block.
pub(crate) fn response(head: &Head, status: u16, to: &mut Encoder, out: &mut Vec<u8>) {
    to.begin(out);
    let number = match status {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => 0,
    };
    if number == 0 {
        let mut digits = itoa::Buffer::new();
        to.field(b":status", digits.format(status).as_bytes(), || Worth::Table, out);
    } else {
        to.known(number, out);
    }
    fields(head, to, out);
}

/// Appends a block of trailers.
pub(crate) fn trailers(head: &Head, to: &mut Encoder, out: &mut Vec<u8>) {
    to.begin(out);
    fields(head, to, out);
}

/// What cannot be said in HTTP/2 is left out.
fn fields(head: &Head, to: &mut Encoder, out: &mut Vec<u8>) {
    for (name, value, known) in head.iter() {
        let hop = matches!(
            known,
            Known::Host
                | Known::TransferEncoding
                | Known::Connection
                | Known::Upgrade
                | Known::KeepAlive
                | Known::ProxyConnection
        );
        if hop || !is_value(value) || known == Known::Other && !is_name(name) {
            continue;
        }
        to.field(name, value, || worth(known, name), out);
    }
}

/// Secrets stay out of the compression table that all streams of a connection share, since one client could guess another's by
/// the size of its own request; and what is new in each message, since it would push out everything that repeats.
fn worth(known: Known, name: &[u8]) -> Worth {
    match known {
        Known::XRequestId => Worth::Secret,
        Known::ContentLength | Known::RetryAfter | Known::EnvoyExpectedRqTimeout => Worth::Name,
        Known::Other => match name {
            b"authorization"
            | b"proxy-authorization"
            | b"cookie"
            | b"set-cookie"
            | b"traceparent"
            | b"tracestate"
            | b"b3"
            | b"x-b3-traceid"
            | b"x-b3-spanid"
            | b"x-b3-parentspanid" => Worth::Secret,
            b"age"
            | b"etag"
            | b"if-modified-since"
            | b"if-none-match"
            | b"last-modified"
            | b"location"
            | b"content-range"
            | b"range"
            | b"x-envoy-upstream-service-time"
            | b"grpc-timeout" => Worth::Name,
            _ => Worth::Table,
        },
        _ => Worth::Table,
    }
}
