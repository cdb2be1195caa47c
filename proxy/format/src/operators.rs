//! The operators of Envoy's format language by name. Knows not how their values are found.

use super::format::{GrpcStatus, Headers, Op, Original, Show, Token, Unit};
use super::record::{Address, Bytes, Peer, Point, Text};
use super::strftime::Strftime;
use super::unwritten::is_unwritten;

/// One operator. The names are those of Envoy 1.40's substitution formatter for HTTP.
pub(super) fn operator(token: &Token<'_>) -> Result<Op, String> {
    let op = match token.name {
        "REQ" | "REQUEST_HEADER" | "STREAM_INFO_REQ" => header(Headers::Request, token)?,
        "RESP" | "RESPONSE_HEADER" => header(Headers::Response, token)?,
        "TRAILER" | "RESPONSE_TRAILER" => header(Headers::Trailers, token)?,
        "START_TIME" | "START_TIME_LOCAL" => Op::Time { format: time(token)?, emit: false },
        "EMIT_TIME" | "EMIT_TIME_LOCAL" => Op::Time { format: time(token)?, emit: true },
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
        name if is_unwritten(name) => Op::Nothing,
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
        "DOWNSTREAM_DETECTED_CLOSE_TYPE" => Op::Constant("Normal".into()),
        // Where the kernel is not asked, Envoy writes these as well.
        "BYTES_RETRANSMITTED" | "PACKETS_RETRANSMITTED" => Op::Constant("0".into()),
        // Empty where there is none, and nothing here makes one.
        "CUSTOM_FLAGS" | "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID" | "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID" => {
            Op::Constant("".into())
        }
        "SPAN_ID" => Op::Text(Text::SpanId),
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT" => Op::Bytes(Bytes::UpstreamHeaderSent),
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED" => Op::Bytes(Bytes::UpstreamHeaderReceived),
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT" => Op::Bytes(Bytes::DownstreamHeaderSent),
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED" => Op::Bytes(Bytes::DownstreamHeaderReceived),
        "DOWNSTREAM_PEER_SUBJECT" => Op::Text(Text::Peer(Peer::Subject)),
        "DOWNSTREAM_PEER_ISSUER" => Op::Text(Text::Peer(Peer::Issuer)),
        "DOWNSTREAM_PEER_SERIAL" => Op::Text(Text::Peer(Peer::Serial)),
        "DOWNSTREAM_PEER_URI_SAN" => Op::Text(Text::Peer(Peer::Uris)),
        "DOWNSTREAM_PEER_DNS_SAN" => Op::Text(Text::Peer(Peer::DnsNames)),
        "DOWNSTREAM_PEER_IP_SAN" => Op::Text(Text::Peer(Peer::Ips)),
        "DOWNSTREAM_PEER_EMAIL_SAN" => Op::Text(Text::Peer(Peer::Emails)),
        "DOWNSTREAM_PEER_FINGERPRINT_256" => Op::Text(Text::Peer(Peer::Sha256)),
        "DOWNSTREAM_PEER_FINGERPRINT_1" => Op::Text(Text::Peer(Peer::Sha1)),
        "DOWNSTREAM_PEER_CERT" => Op::Text(Text::Peer(Peer::Certificate)),
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
