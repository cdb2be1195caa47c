//! How single values are written: addresses, durations, paths, gRPC's codes, JSON strings. Knows no programs.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::format::{GrpcStatus, Original, Show, Unit};
use super::record::{Point, Record};

pub(super) fn text(value: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

pub(super) fn cut(value: &[u8], max: Option<usize>) -> &[u8] {
    &value[..max.unwrap_or(value.len()).min(value.len())]
}

pub(super) fn number(n: u64, out: &mut Vec<u8>) -> bool {
    // Most numbers of a line are statuses, short times and small bodies.
    match n {
        0..1000 => small(n as u16, out),
        _ => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
    }
    true
}

/// A number below 1,000.
#[inline]
fn small(n: u16, out: &mut Vec<u8>) {
    let digit = |n: u16| b'0' + (n % 10) as u8;
    match n {
        0..10 => out.push(digit(n)),
        10..100 => out.extend_from_slice(&[digit(n / 10), digit(n)]),
        _ => out.extend_from_slice(&[digit(n / 100), digit(n / 10), digit(n)]),
    }
}

pub(super) fn address(address: SocketAddr, show: Show, out: &mut Vec<u8>) -> bool {
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
            for (place, octet) in v4.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                small(u16::from(octet), out);
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

pub(super) fn span(record: &impl Record, from: Point, to: Point, unit: Unit, out: &mut Vec<u8>) -> bool {
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
pub(super) fn path(
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

pub(super) fn query_param<'p>(path: &'p [u8], name: &[u8]) -> Option<&'p [u8]> {
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

pub(super) fn grpc_status(record: &impl Record, style: GrpcStatus, out: &mut Vec<u8>) -> bool {
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
pub(super) fn quote(raw: &[u8], out: &mut Vec<u8>) {
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
