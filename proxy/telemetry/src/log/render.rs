//! Runs a compiled format over a record, into a buffer. Allocates nothing once a second's time stamps are made.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::format::{Format, GrpcStatus, Headers, Op, Original, Piece, Show, Unit};
use super::record::{Address, Point, Record, Text};
use super::strftime::Stamp;

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
        let format = self.format.clone();
        let mut run = Run {
            record,
            missing: format.missing,
            stamps: &mut self.stamps,
            next_stamp: 0,
            scratch: &mut self.scratch,
        };
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
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
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
                for (place, flag) in flags.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(if *long { flag.long() } else { flag.short() }.as_bytes());
                }
                !flags.is_empty()
            }
            Op::Bytes(of) => number(record.bytes(*of), out),
            Op::Text(of) => text(record.text(*of).filter(|text| !text.is_empty()).map(str::as_bytes), out),
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
        Address::UpstreamRemote => record.address(Address::UpstreamHost),
        Address::DownstreamRemote => record.address(Address::DownstreamDirectRemote),
        Address::DownstreamDirectLocal => record.address(Address::DownstreamLocal),
        _ => None,
    })
}

fn text(value: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

fn cut(value: &[u8], max: Option<usize>) -> &[u8] {
    &value[..max.unwrap_or(value.len()).min(value.len())]
}

fn number(n: u64, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    true
}

fn address(address: SocketAddr, show: Show, out: &mut Vec<u8>) -> bool {
    match show {
        Show::Port => return number(u64::from(address.port()), out),
        Show::Whole => {
            // A Vec takes everything that is written to it, here and below.
            let _ = match address {
                SocketAddr::V4(v4) => ip(IpAddr::V4(*v4.ip()), out),
                SocketAddr::V6(v6) => write!(out, "[{}]", v6.ip()),
            };
            out.push(b':');
            return number(u64::from(address.port()), out);
        }
        Show::Ip(None) => {
            let _ = ip(address.ip(), out);
        }
        Show::Ip(Some(bits)) => {
            let (masked, bits) = mask(address.ip(), bits);
            let _ = ip(masked, out);
            out.push(b'/');
            number(u64::from(bits), out);
        }
    }
    true
}

/// IPv4 by hand: most addresses are, and formatting machinery costs as much as the rest of the line's numbers.
fn ip(ip: IpAddr, out: &mut Vec<u8>) -> std::io::Result<()> {
    match ip {
        IpAddr::V4(v4) => {
            let mut digits = itoa::Buffer::new();
            for (place, octet) in v4.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(digits.format(octet).as_bytes());
            }
            Ok(())
        }
        IpAddr::V6(v6) => write!(out, "{v6}"),
    }
}

fn mask(ip: IpAddr, bits: u8) -> (IpAddr, u8) {
    match ip {
        IpAddr::V4(v4) => {
            let bits = bits.min(32);
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            (Ipv4Addr::from_bits(v4.to_bits() & mask).into(), bits)
        }
        IpAddr::V6(v6) => {
            let bits = bits.min(128);
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            (Ipv6Addr::from_bits(v6.to_bits() & mask).into(), bits)
        }
    }
}

fn span(record: &impl Record, from: Point, to: Point, unit: Unit, out: &mut Vec<u8>) -> bool {
    let at = |point| match point {
        Point::RequestStart => Some(record.at(point).unwrap_or(0)),
        point => record.at(point),
    };
    let (Some(from), Some(to)) = (at(from), at(to)) else { return false };
    // Half-closed streams can end one way before they end the other.
    let (less, micros) = (to < from, to.abs_diff(from));
    let n = match unit {
        Unit::Millis => micros / 1000,
        Unit::Micros => micros,
        Unit::Nanos => micros * 1000,
    };
    if less && n > 0 {
        out.push(b'-');
    }
    number(n, out)
}

/// The path without or with its query, as the client sent it or as it went upstream.
fn path(
    record: &impl Record,
    query: bool,
    original: Original,
    max: Option<usize>,
    out: &mut Vec<u8>,
) -> bool {
    let sent = || record.request_header("x-envoy-original-path");
    let current = || record.request_header(":path");
    let found = match original {
        Original::Only => sent(),
        Original::Never => current(),
        Original::First => sent().or_else(current),
    };
    let found = found.map(|path| match path.iter().position(|&b| b == b'?') {
        Some(at) if !query => &path[..at],
        _ => path,
    });
    text(found.map(|path| cut(path, max)), out)
}

fn query_param<'p>(path: &'p [u8], name: &[u8]) -> Option<&'p [u8]> {
    let at = path.iter().position(|&b| b == b'?')?;
    path[at + 1..].split(|&b| b == b'&').find_map(|pair| {
        let rest = pair.strip_prefix(name)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"=") }
    })
}

/// gRPC's codes in order: <https://grpc.io/docs/guides/status-codes/>.
const GRPC_CODES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

fn grpc_status(record: &impl Record, style: GrpcStatus, out: &mut Vec<u8>) -> bool {
    let is_grpc =
        record.request_header("content-type").and_then(|kind| kind.strip_prefix(b"application/grpc"));
    if !is_grpc.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';'))) {
        return false;
    }
    let raw = record.response_trailer("grpc-status").or_else(|| record.response_header("grpc-status"));
    let Some(code) = raw.and_then(|raw| str::from_utf8(raw).ok()?.parse::<usize>().ok()) else {
        return false;
    };
    match (style, GRPC_CODES.get(code)) {
        (GrpcStatus::Camel, Some((camel, _))) => text(Some(camel.as_bytes()), out),
        (GrpcStatus::Snake, Some((_, snake))) => text(Some(snake.as_bytes()), out),
        _ => number(code as u64, out),
    }
}

/// Appends `raw` as a JSON string. Bytes that are no UTF-8 become the replacement character.
fn quote(raw: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in raw.utf8_chunks() {
        for b in chunk.valid().bytes() {
            match b {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0..0x20 => {
                    let _ = write!(out, "\\u{b:04x}");
                }
                b => out.push(b),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
