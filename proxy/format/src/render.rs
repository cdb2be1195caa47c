//! Runs a compiled format over a record, into a buffer. Allocates nothing once a second's time stamps are made.

use std::net::SocketAddr;
use std::sync::Arc;

use super::format::{Format, GrpcStatus, Headers, Op, Piece, Show};
use super::record::{Address, Point, Record, Text};
use super::strftime::Stamp;
use super::values::{address, cut, grpc_status, number, path, query_param, quote, span, text};

/// A format in the hands of one worker: the program is shared, the cached time stamps are its own.
pub struct Formatter {
    format: Arc<Format>,
    stamps: Vec<Stamp>,
    /// For values that must be escaped or cut after they were written.
    scratch: Vec<u8>,
}

impl Formatter {
    /// A formatter for one worker.
    pub fn new(format: Arc<Format>) -> Self {
        Self { format, stamps: Vec::new(), scratch: Vec::new() }
    }

    /// Appends the line of `record` to `out`.
    pub fn write(&mut self, record: &impl Record, out: &mut Vec<u8>) {
        let Self { format, stamps, scratch } = self;
        let mut run = Run { record, missing: format.missing, stamps, next_stamp: 0, scratch };
        run.pieces(&format.pieces, out);
    }
}

/// One line being written.
struct Run<'r, R> {
    record: &'r R,
    missing: &'static str,
    /// One per time operator, in the order they are met.
    stamps: &'r mut Vec<Stamp>,
    next_stamp: usize,
    scratch: &'r mut Vec<u8>,
}

impl<R: Record> Run<'_, R> {
    fn pieces(&mut self, pieces: &[Piece], out: &mut Vec<u8>) {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => literal(text.as_bytes(), out),
                Piece::Value(op, max) => {
                    if !self.value(op, *max, out) {
                        out.extend_from_slice(self.missing.as_bytes());
                    }
                }
                Piece::Quoted(inner) => {
                    let mut raw = std::mem::take(self.scratch);
                    raw.clear();
                    self.pieces(inner, &mut raw);
                    quote(&raw, out);
                    *self.scratch = raw;
                }
                Piece::Typed(op, max) => {
                    let mut raw = std::mem::take(self.scratch);
                    raw.clear();
                    match (self.value(op, *max, &mut raw), op.is_number()) {
                        (false, _) => out.extend_from_slice(b"null"),
                        (true, true) => out.extend_from_slice(&raw),
                        (true, false) => quote(&raw, out),
                    }
                    *self.scratch = raw;
                }
            }
        }
    }

    /// Writes one value; false when there is none.
    fn value(&mut self, op: &Op, max: Option<usize>, out: &mut Vec<u8>) -> bool {
        let record = self.record;
        match op {
            Op::Header { of, name, or } => {
                let of = *of;
                let found = header(record, of, name).or_else(|| header(record, of, or.as_deref()?));
                text(found.map(|value| cut(value, max)), out)
            }
            Op::Time { format, emit } => {
                let after = if *emit { record.at(Point::ResponseEnd).unwrap_or(0) } else { 0 };
                if self.stamps.len() <= self.next_stamp {
                    self.stamps.resize_with(self.next_stamp + 1, Stamp::default);
                }
                self.stamps[self.next_stamp].write(format, record.started() + after, out);
                self.next_stamp += 1;
                true
            }
            Op::Status => number(u64::from(record.status()), out),
            Op::Details { blanks } => {
                let Some(details) = record.text(Text::ResponseCodeDetails) else { return false };
                let start = out.len();
                out.extend_from_slice(details.as_bytes());
                if !blanks {
                    out[start..].iter_mut().filter(|b| b.is_ascii_whitespace()).for_each(|b| *b = b'_');
                }
                true
            }
            Op::Flags { long } => {
                let flags = record.flags();
                if flags.is_empty() {
                    // Always a value of its own, also where missing ones are left out.
                    out.push(b'-');
                    return true;
                }
                for (place, flag) in flags.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(if *long { flag.long() } else { flag.short() }.as_bytes());
                }
                true
            }
            Op::Bytes(of) => number(record.bytes(*of), out),
            Op::Text(of) => {
                // A reply without a body has an empty one; other names are missing when they are empty.
                let has = |text: &&str| !text.is_empty() || *of == Text::LocalReplyBody;
                text(record.text(*of).filter(has).map(str::as_bytes), out)
            }
            Op::Address(of, show) => match of_record(record, *of) {
                Some(found) => address(found, *show, out),
                None => false,
            },
            Op::HostName { port } => match record.text(Text::UpstreamHostName) {
                Some(name) => text(Some(name.as_bytes()), out),
                None => match record.address(Address::UpstreamHost) {
                    Some(found) => address(found, if *port { Show::Whole } else { Show::Ip(None) }, out),
                    None => false,
                },
            },
            Op::Span(from, to, unit) => span(record, *from, *to, *unit, out),
            Op::Attempts => number(u64::from(record.attempts()), out),
            Op::ConnectionId => number(record.connection_id(), out),
            Op::UpstreamConnectionId => record.upstream_connection_id().is_some_and(|id| number(id, out)),
            Op::GrpcStatus(style) => grpc_status(record, *style, out),
            Op::Path { query, original } => path(record, *query, *original, max, out),
            Op::QueryParam(name) => {
                let found =
                    record.request_header(":path").and_then(|path| query_param(path, name.as_bytes()));
                text(found.map(|value| cut(value, max)), out)
            }
            Op::Constant(value) => text(Some(value.as_bytes()), out),
            Op::Nothing => false,
        }
    }
}

impl Op {
    /// Whether typed JSON shows it as a number.
    fn is_number(&self) -> bool {
        matches!(
            self,
            Op::Status
                | Op::Bytes(_)
                | Op::Span(..)
                | Op::Attempts
                | Op::ConnectionId
                | Op::UpstreamConnectionId
                | Op::GrpcStatus(GrpcStatus::Number)
                | Op::Address(_, Show::Port)
        )
    }
}

/// What stands between two values is mostly a blank or a quotation mark and a blank, for which a call to copy them is dear.
#[inline]
fn literal(text: &[u8], out: &mut Vec<u8>) {
    match *text {
        [a] => out.push(a),
        [a, b] => out.extend_from_slice(&[a, b]),
        [a, b, c] => out.extend_from_slice(&[a, b, c]),
        _ => out.extend_from_slice(text),
    }
}

fn header<'r>(record: &'r impl Record, of: Headers, name: &str) -> Option<&'r [u8]> {
    match of {
        Headers::Request => record.request_header(name),
        Headers::Response if name == ":status" => None,
        Headers::Response => record.response_header(name),
        Headers::Trailers => record.response_trailer(name),
    }
}

fn of_record(record: &impl Record, of: Address) -> Option<SocketAddr> {
    record.address(of).or_else(|| match of {
        Address::DownstreamRemote => record.address(Address::DownstreamDirectRemote),
        Address::DownstreamDirectLocal => record.address(Address::DownstreamLocal),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
