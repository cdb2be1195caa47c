//! What a log line can ask about a request. The engine implements it on what it has anyway; nothing here allocates.

use std::net::SocketAddr;

use super::flags::Flags;

/// A finished request (or one that was cut short), seen by the access log.
///
/// Every method but `started` has a default: "not known", which prints as `-`.
pub trait Record {
    /// When the first byte of the request came: microseconds since the Unix epoch.
    fn started(&self) -> u64;

    /// When something happened: microseconds after `started`. None: it did not.
    fn at(&self, point: Point) -> Option<u64> {
        let _ = point;
        None
    }

    /// The status that went to the client; 0 when none did.
    fn status(&self) -> u16 {
        0
    }

    /// Why the response is what it is.
    fn flags(&self) -> Flags {
        Flags::NONE
    }

    /// A size in bytes.
    fn bytes(&self, of: Bytes) -> u64 {
        let _ = of;
        0
    }

    /// An address.
    fn address(&self, of: Address) -> Option<SocketAddr> {
        let _ = of;
        None
    }

    /// A name or a reason.
    fn text(&self, of: Text) -> Option<&str> {
        let _ = of;
        None
    }

    /// First value of a request header; `name` is lower-case, pseudo headers as in HTTP/2 (`:method`).
    fn request_header(&self, name: &str) -> Option<&[u8]> {
        let _ = name;
        None
    }

    /// First value of a header of the response as it went to the client.
    fn response_header(&self, name: &str) -> Option<&[u8]> {
        let _ = name;
        None
    }

    /// First value of a response trailer.
    fn response_trailer(&self, name: &str) -> Option<&[u8]> {
        let _ = name;
        None
    }

    /// How often the request was tried upstream.
    fn attempts(&self) -> u32 {
        0
    }

    /// Number of the client's connection, unique in this process.
    fn connection_id(&self) -> u64 {
        0
    }

    /// Number of the upstream connection.
    fn upstream_connection_id(&self) -> Option<u64> {
        None
    }
}

/// Moments in the life of a request, by Envoy's `COMMON_DURATION` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// DS_RX_BEG: the request began (0, unless the record says else).
    RequestStart,
    /// DS_RX_END: the last byte of the request was read.
    RequestEnd,
    /// US_CX_BEG: connecting upstream began.
    ConnectStart,
    /// US_CX_END: the upstream connection stood.
    ConnectEnd,
    /// US_HS_END: TLS with the upstream was agreed.
    HandshakeEnd,
    /// An upstream connection was at hand, new or pooled.
    PoolReady,
    /// US_TX_BEG: the first byte went upstream.
    UpstreamRequestStart,
    /// US_TX_END: the last byte went upstream.
    UpstreamRequestEnd,
    /// US_RX_BEG: the first byte of the upstream's response came.
    UpstreamResponseStart,
    /// US_RX_END: its last byte came.
    UpstreamResponseEnd,
    /// DS_TX_BEG: the first byte went to the client.
    ResponseStart,
    /// DS_TX_END: the last byte went to the client, or the request ended otherwise: what DURATION measures.
    ResponseEnd,
}

/// Sizes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// Request body.
    Received,
    /// Response body.
    Sent,
    /// Request headers, uncompressed.
    RequestHeaders,
    /// Response headers, uncompressed.
    ResponseHeaders,
    /// Response trailers, uncompressed.
    ResponseTrailers,
    /// Everything read from the client for this request.
    DownstreamWireReceived,
    /// Everything written to the client for this request.
    DownstreamWireSent,
    /// Header bytes read from the client.
    DownstreamHeaderReceived,
    /// Header bytes written to the client.
    DownstreamHeaderSent,
    /// Everything read from the upstream.
    UpstreamWireReceived,
    /// Everything written to the upstream.
    UpstreamWireSent,
    /// Header bytes read from the upstream.
    UpstreamHeaderReceived,
    /// Header bytes written to the upstream.
    UpstreamHeaderSent,
}

/// Addresses of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// The client, as far as it can be trusted: peer, PROXY header or x-forwarded-for.
    DownstreamRemote,
    /// The peer of the client's connection.
    DownstreamDirectRemote,
    /// Our end of the client's connection.
    DownstreamLocal,
    /// Our end before a PROXY header said else.
    DownstreamDirectLocal,
    /// The endpoint that was chosen.
    UpstreamHost,
    /// The peer of the upstream connection.
    UpstreamRemote,
    /// Our end of the upstream connection.
    UpstreamLocal,
}

/// What the client's certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Whom it is for, as RFC 2253 writes it.
    Subject,
    /// Who signed it.
    Issuer,
    /// Hexadecimal.
    Serial,
    /// URIs, between commas.
    Uris,
    /// Host names, between commas.
    DnsNames,
    /// IP addresses, between commas.
    Ips,
    /// E-mail addresses, between commas.
    Emails,
    /// SHA-256 of the whole, hexadecimal.
    Sha256,
    /// SHA-1 of the whole, hexadecimal.
    Sha1,
    /// PEM, with what a URL cannot have escaped.
    Certificate,
}

/// Names and reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// `HTTP/1.1`, `HTTP/2`, `HTTP/1.0`.
    Protocol,
    /// The same towards the upstream.
    UpstreamProtocol,
    /// `via_upstream`, `route_not_found` ..
    ResponseCodeDetails,
    /// Why the connection was cut, when that is not HTTP's doing.
    ConnectionTerminationDetails,
    /// Why TLS with the upstream failed.
    UpstreamTransportFailureReason,
    /// Why TLS with the client failed.
    DownstreamTransportFailureReason,
    /// The cluster the request was routed to.
    UpstreamCluster,
    /// The endpoint's host name, if it has one.
    UpstreamHostName,
    /// The matched route.
    RouteName,
    /// The matched virtual host's virtual cluster.
    VirtualClusterName,
    /// SNI.
    RequestedServerName,
    /// Trace id, 32 hex digits.
    TraceId,
    /// Id of our own span, 16 hex digits.
    SpanId,
    /// Body of a reply that was made here.
    LocalReplyBody,
    /// Name of the filter chain.
    FilterChainName,
    /// TLS version, as `TLSv1.3`.
    DownstreamTlsVersion,
    /// TLS cipher suite.
    DownstreamTlsCipher,
    /// Something that the client's certificate says.
    Peer(Peer),
}
