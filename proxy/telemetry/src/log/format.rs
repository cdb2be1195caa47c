//! Compiles Envoy's format strings. Knows the operators' names, not how their values are found.

use thiserror::Error;

use super::record::{Address, Bytes, Point, Text};
use super::strftime::Strftime;

/// Envoy's own default line.
pub const DEFAULT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
    \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// A compiled format, shared by all workers.
#[derive(Debug, Clone, PartialEq)]
pub struct Format {
    pub(super) pieces: Vec<Piece>,
    /// What stands where a value is missing: `-`, or nothing with `omit_empty_values`.
    pub(super) missing: &'static str,
}

impl Format {
    /// Compiles a text format. What is no operator is copied as it is; a line ends where the format says so.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Ok(Self { pieces: pieces(text)?, missing: "-" })
    }

    /// Prints nothing instead of `-` where a value is missing (`omit_empty_values`).
    #[must_use]
    pub fn omit_empty(mut self) -> Self {
        self.missing = "";
        self
    }
}

/// [`DEFAULT`].
impl Default for Format {
    #[expect(clippy::expect_used, reason = "a constant; a test compiles it")]
    fn default() -> Self {
        Self::parse(DEFAULT).expect("the default format compiles")
    }
}

/// A format that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("access log format, position {at}: {token}: {why}")]
pub struct Invalid {
    /// Byte offset of the operator in the format.
    pub at: usize,
    /// The operator as it is written.
    pub token: String,
    /// Which rule it breaks.
    pub why: String,
}

/// One step of the program.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Literal(Box<str>),
    /// An operator and the length its value is cut to.
    Value(Op, Option<usize>),
    /// A JSON string made of other pieces.
    Quoted(Vec<Piece>),
    /// A JSON value made of one operator: a number stays one, a missing value is `null`.
    Typed(Op, Option<usize>),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    Header {
        of: Headers,
        name: Box<str>,
        or: Option<Box<str>>,
    },
    /// Start of the request, or (`emit`) the moment of logging.
    Time {
        format: Strftime,
        emit: bool,
    },
    Status,
    /// Blanks become underscores unless they are allowed.
    Details {
        blanks: bool,
    },
    Flags {
        long: bool,
    },
    Bytes(Bytes),
    Text(Text),
    Address(Address, Show),
    /// The endpoint's name, or its address.
    HostName {
        port: bool,
    },
    Span(Point, Point, Unit),
    Attempts,
    ConnectionId,
    UpstreamConnectionId,
    GrpcStatus(GrpcStatus),
    Path {
        query: bool,
        original: Original,
    },
    QueryParam(Box<str>),
    /// Known when the format is compiled.
    Constant(Box<str>),
    /// Envoy knows the operator; there is never such a value here.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Headers {
    Request,
    Response,
    Trailers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Whole,
    /// Without port; masked to so many bits when told.
    Ip(Option<u8>),
    Port,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrpcStatus {
    Camel,
    Snake,
    Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Original {
    Only,
    Never,
    First,
}

/// Splits a format into literals and operators.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Invalid> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('%') {
        literal.push_str(&text[at..at + found]);
        at += found;
        if text[at..].starts_with("%%") {
            literal.push('%');
            at += 2;
            continue;
        }
        let token = token(&text[at..]).map_err(|why| {
            // Enough to recognise the place, not the whole rest of a long format.
            let shown: String = text[at..].chars().take(40).collect();
            Invalid { at, token: shown, why }
        })?;
        let piece = operator(&token).map_err(|why| Invalid { at, token: token.whole.to_owned(), why })?;
        match piece {
            Op::Constant(value) => literal.push_str(cut(&value, token.max)),
            op => {
                flush(&mut pieces, &mut literal);
                pieces.push(Piece::Value(op, token.max));
            }
        }
        at += token.whole.len();
    }
    literal.push_str(&text[at..]);
    flush(&mut pieces, &mut literal);
    Ok(pieces)
}

fn flush(pieces: &mut Vec<Piece>, literal: &mut String) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal).into()));
    }
}

fn cut(value: &str, max: Option<usize>) -> &str {
    let mut end = max.unwrap_or(value.len()).min(value.len());
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}

/// `%NAME(args):max%`
struct Token<'f> {
    whole: &'f str,
    name: &'f str,
    args: Option<&'f str>,
    max: Option<usize>,
}

fn token(text: &str) -> Result<Token<'_>, String> {
    let body = &text[1..];
    let end = body
        .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .unwrap_or(body.len());
    let (name, mut rest) = body.split_at(end);
    if name.is_empty() {
        return Err("a single % must be written %%".into());
    }
    let mut args = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let close = inner.find(')').ok_or("closing parenthesis is missing")?;
        args = Some(&inner[..close]);
        rest = &inner[close + 1..];
    }
    let mut max = None;
    if let Some(number) = rest.strip_prefix(':') {
        let end = number.find('%').ok_or("closing % is missing")?;
        max = Some(
            number[..end]
                .parse()
                .map_err(|_| format!("length must be an integer, given: {}", &number[..end]))?,
        );
        rest = &number[end..];
    }
    if !rest.starts_with('%') {
        return Err("closing % is missing".into());
    }
    Ok(Token { whole: &text[..text.len() - rest.len() + 1], name, args, max })
}

/// One operator. The names are those of Envoy 1.40's substitution formatter for HTTP.
fn operator(token: &Token<'_>) -> Result<Op, String> {
    let op = match token.name {
        "REQ" | "REQUEST_HEADER" | "STREAM_INFO_REQ" => header(Headers::Request, token)?,
        "RESP" | "RESPONSE_HEADER" => header(Headers::Response, token)?,
        "TRAILER" | "RESPONSE_TRAILER" => header(Headers::Trailers, token)?,
        "START_TIME" => Op::Time { format: time(token)?, emit: false },
        "EMIT_TIME" => Op::Time { format: time(token)?, emit: true },
        "START_TIME_LOCAL" | "EMIT_TIME_LOCAL" => {
            return Err("local time is not supported; START_TIME and EMIT_TIME print UTC".into());
        }
        "RESPONSE_CODE_DETAILS" => match token.args {
            None => Op::Details { blanks: false },
            Some("ALLOW_WHITESPACES") => Op::Details { blanks: true },
            Some(other) => return Err(format!("{other:?} is not ALLOW_WHITESPACES")),
        },
        "COMMON_DURATION" => common_duration(token.args.ok_or("arguments are missing")?)?,
        "GRPC_STATUS" => Op::GrpcStatus(match token.args {
            None | Some("" | "CAMEL_STRING") => GrpcStatus::Camel,
            Some("SNAKE_STRING") => GrpcStatus::Snake,
            Some("NUMBER") => GrpcStatus::Number,
            Some(other) => return Err(format!("{other:?} is none of CAMEL_STRING, SNAKE_STRING, NUMBER")),
        }),
        "PATH" => path(token.args.unwrap_or_default())?,
        "QUERY_PARAM" => Op::QueryParam(token.args.ok_or("arguments are missing")?.into()),
        "ENVIRONMENT" => {
            let name = token.args.ok_or("arguments are missing")?;
            Op::Constant(std::env::var(name).unwrap_or_else(|_| "-".into()).into())
        }
        "HOSTNAME" => Op::Constant(rustix::system::uname().nodename().to_string_lossy().into()),
        "DYNAMIC_METADATA"
        | "CLUSTER_METADATA"
        | "UPSTREAM_METADATA"
        | "METADATA"
        | "FILTER_STATE"
        | "UPSTREAM_FILTER_STATE" => Op::Nothing,
        name => match address(name, token.args)? {
            Some(op) => op,
            None => {
                if token.args.is_some() {
                    return Err(format!("{name} takes no parameters, or is unknown"));
                }
                plain(name).ok_or("unknown operator")?
            }
        },
    };
    let cuttable =
        matches!(op, Op::Header { .. } | Op::Path { .. } | Op::QueryParam(_) | Op::Constant(_) | Op::Nothing);
    if token.max.is_some() && !cuttable {
        return Err(format!("length is not allowed for {}", token.name));
    }
    Ok(op)
}

/// Operators that are a bare name.
fn plain(name: &str) -> Option<Op> {
    use Point::{
        PoolReady, RequestEnd, RequestStart, ResponseEnd, UpstreamRequestEnd, UpstreamResponseStart,
    };
    let since_start = |point| Op::Span(RequestStart, point, Unit::Millis);
    Some(match name {
        "PROTOCOL" => Op::Text(Text::Protocol),
        "UPSTREAM_PROTOCOL" => Op::Text(Text::UpstreamProtocol),
        "RESPONSE_CODE" => Op::Status,
        "RESPONSE_FLAGS" => Op::Flags { long: false },
        "RESPONSE_FLAGS_LONG" => Op::Flags { long: true },
        "CONNECTION_TERMINATION_DETAILS" => Op::Text(Text::ConnectionTerminationDetails),
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => Op::Text(Text::UpstreamTransportFailureReason),
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => Op::Text(Text::DownstreamTransportFailureReason),
        "BYTES_RECEIVED" => Op::Bytes(Bytes::Received),
        "BYTES_SENT" => Op::Bytes(Bytes::Sent),
        "REQUEST_HEADERS_BYTES" => Op::Bytes(Bytes::RequestHeaders),
        "RESPONSE_HEADERS_BYTES" => Op::Bytes(Bytes::ResponseHeaders),
        "RESPONSE_TRAILERS_BYTES" => Op::Bytes(Bytes::ResponseTrailers),
        "DOWNSTREAM_WIRE_BYTES_RECEIVED" => Op::Bytes(Bytes::DownstreamWireReceived),
        "DOWNSTREAM_WIRE_BYTES_SENT" => Op::Bytes(Bytes::DownstreamWireSent),
        "DOWNSTREAM_HEADER_BYTES_RECEIVED" => Op::Bytes(Bytes::DownstreamHeaderReceived),
        "DOWNSTREAM_HEADER_BYTES_SENT" => Op::Bytes(Bytes::DownstreamHeaderSent),
        "UPSTREAM_WIRE_BYTES_RECEIVED" => Op::Bytes(Bytes::UpstreamWireReceived),
        "UPSTREAM_WIRE_BYTES_SENT" => Op::Bytes(Bytes::UpstreamWireSent),
        "UPSTREAM_HEADER_BYTES_RECEIVED" => Op::Bytes(Bytes::UpstreamHeaderReceived),
        "UPSTREAM_HEADER_BYTES_SENT" => Op::Bytes(Bytes::UpstreamHeaderSent),
        "DURATION" => since_start(ResponseEnd),
        "REQUEST_DURATION" => since_start(RequestEnd),
        "REQUEST_TX_DURATION" => since_start(UpstreamRequestEnd),
        "RESPONSE_DURATION" => since_start(UpstreamResponseStart),
        "RESPONSE_TX_DURATION" => Op::Span(UpstreamResponseStart, ResponseEnd, Unit::Millis),
        "UPSTREAM_CONNECTION_POOL_READY_DURATION" => since_start(PoolReady),
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Op::Attempts,
        "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Op::Text(Text::UpstreamCluster),
        "UPSTREAM_HOST_NAME" => Op::HostName { port: true },
        "UPSTREAM_HOST_NAME_WITHOUT_PORT" => Op::HostName { port: false },
        "ROUTE_NAME" => Op::Text(Text::RouteName),
        "VIRTUAL_CLUSTER_NAME" => Op::Text(Text::VirtualClusterName),
        "REQUESTED_SERVER_NAME" => Op::Text(Text::RequestedServerName),
        "FILTER_CHAIN_NAME" => Op::Text(Text::FilterChainName),
        "DOWNSTREAM_TLS_VERSION" => Op::Text(Text::DownstreamTlsVersion),
        "DOWNSTREAM_TLS_CIPHER" => Op::Text(Text::DownstreamTlsCipher),
        "LOCAL_REPLY_BODY" => Op::Text(Text::LocalReplyBody),
        "TRACE_ID" => Op::Text(Text::TraceId),
        "CONNECTION_ID" => Op::ConnectionId,
        "UPSTREAM_CONNECTION_ID" => Op::UpstreamConnectionId,
        // By Envoy's words "the same as %REQ(X-REQUEST-ID)% for HTTP requests".
        "STREAM_ID" => Op::Header { of: Headers::Request, name: "x-request-id".into(), or: None },
        "GRPC_STATUS_NUMBER" => Op::GrpcStatus(GrpcStatus::Number),
        "ACCESS_LOG_TYPE" => Op::Constant("DownstreamEnd".into()),
        "DOWNSTREAM_HANDSHAKE_DURATION"
        | "ROUNDTRIP_DURATION"
        | "DOWNSTREAM_LOCAL_CLOSE_REASON"
        | "UPSTREAM_LOCAL_CLOSE_REASON"
        | "DOWNSTREAM_DETECTED_CLOSE_TYPE"
        | "UPSTREAM_DETECTED_CLOSE_TYPE"
        | "DOWNSTREAM_PEER_SUBJECT"
        | "DOWNSTREAM_PEER_URI_SAN"
        | "DOWNSTREAM_PEER_CERT"
        | "DOWNSTREAM_TLS_SESSION_ID" => Op::Nothing,
        _ => return None,
    })
}

fn header(of: Headers, token: &Token<'_>) -> Result<Op, String> {
    let args = token.args.filter(|args| !args.is_empty()).ok_or("a header name in parentheses is missing")?;
    let mut names = args.split('?');
    let name = names.next().unwrap_or_default().to_ascii_lowercase();
    let or = names.next().map(|or| or.to_ascii_lowercase().into());
    if names.next().is_some() {
        return Err("more than one alternative header".into());
    }
    if args.contains(['\r', '\n', '\0']) {
        return Err("a header name contains a line break".into());
    }
    Ok(Op::Header { of, name: name.into(), or })
}

fn time(token: &Token<'_>) -> Result<Strftime, String> {
    match token.args {
        None | Some("") => Ok(Strftime::iso_millis()),
        Some(format) => Strftime::parse(format).map_err(|spec| format!("unknown time specifier {spec}")),
    }
}

fn common_duration(args: &str) -> Result<Op, String> {
    let mut parts = args.split(':');
    let (Some(from), Some(to), Some(unit), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("expected START:END:PRECISION".into());
    };
    let point = |name: &str| {
        Ok(match name {
            "DS_RX_BEG" => Point::RequestStart,
            "DS_RX_END" => Point::RequestEnd,
            "US_CX_BEG" => Point::ConnectStart,
            "US_CX_END" => Point::ConnectEnd,
            "US_HS_END" => Point::HandshakeEnd,
            "US_TX_BEG" => Point::UpstreamRequestStart,
            "US_TX_END" => Point::UpstreamRequestEnd,
            "US_RX_BEG" => Point::UpstreamResponseStart,
            "US_RX_END" => Point::UpstreamResponseEnd,
            "DS_TX_BEG" => Point::ResponseStart,
            "DS_TX_END" => Point::ResponseEnd,
            other => return Err(format!("unknown point in time {other:?}")),
        })
    };
    let unit = match unit {
        "ms" => Unit::Millis,
        "us" => Unit::Micros,
        "ns" => Unit::Nanos,
        other => return Err(format!("precision {other:?} is none of ms, us, ns")),
    };
    Ok(Op::Span(point(from)?, point(to)?, unit))
}

fn path(args: &str) -> Result<Op, String> {
    let (query, original) = args.split_once(':').unwrap_or((args, ""));
    let query = match query {
        "" | "WQ" => true,
        "NQ" => false,
        other => return Err(format!("invalid PATH option {other:?}, only WQ and NQ are allowed")),
    };
    let original = match original {
        "" | "ORIG_OR_PATH" => Original::First,
        "ORIG" => Original::Only,
        "PATH" => Original::Never,
        other => {
            return Err(format!(
                "invalid PATH option {other:?}, only ORIG, PATH and ORIG_OR_PATH are allowed"
            ));
        }
    };
    Ok(Op::Path { query, original })
}

/// The operators that print an address or a part of one.
fn address(name: &str, args: Option<&str>) -> Result<Option<Op>, String> {
    const ADDRESSES: [(&str, Address); 6] = [
        ("DOWNSTREAM_DIRECT_REMOTE", Address::DownstreamDirectRemote),
        ("DOWNSTREAM_DIRECT_LOCAL", Address::DownstreamDirectLocal),
        ("DOWNSTREAM_REMOTE", Address::DownstreamRemote),
        ("DOWNSTREAM_LOCAL", Address::DownstreamLocal),
        ("UPSTREAM_REMOTE", Address::UpstreamRemote),
        ("UPSTREAM_LOCAL", Address::UpstreamLocal),
    ];
    if name == "UPSTREAM_HOST" && args.is_none() {
        return Ok(Some(Op::Address(Address::UpstreamHost, Show::Whole)));
    }
    let Some((rest, of)) = ADDRESSES.iter().find_map(|(stem, of)| Some((name.strip_prefix(stem)?, *of)))
    else {
        return Ok(None);
    };
    let show = match (rest, args) {
        ("_ADDRESS", None) => Show::Whole,
        ("_PORT", None) => Show::Port,
        ("_ADDRESS_WITHOUT_PORT", None) => Show::Ip(None),
        ("_ADDRESS_WITHOUT_PORT", Some(bits)) => match bits.parse() {
            Ok(bits @ 0..=128) => Show::Ip(Some(bits)),
            _ => {
                return Err(format!(
                    "mask {bits:?} is no number of bits (0 to 32 for IPv4, 0 to 128 for IPv6)"
                ));
            }
        },
        _ => return Ok(None),
    };
    Ok(Some(Op::Address(of, show)))
}

#[cfg(test)]
mod tests;
