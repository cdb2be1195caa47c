//! How a listener treats its HTTP connections. Knows nothing of protobuf or sockets.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use forebay_route::Table;

use crate::access_log::AccessLogConfig;
use crate::cluster::Http2;
use crate::filter::Filter;
use crate::local_reply::LocalReplies;
use crate::tracing::Tracing;

/// The settings of Envoy's HTTP connection manager that we have. Timeouts of zero are off.
#[derive(Clone, PartialEq)]
pub struct HttpManager {
    /// What its counters are called.
    pub stat_prefix: Arc<str>,
    /// Which versions of HTTP are spoken.
    pub codec: Codec,
    /// Where its routes come from.
    pub routes: RouteSource,
    /// What a request passes before it is forwarded, in order.
    pub filters: Vec<Filter>,
    /// Which requests are traced, and who hears of it; `None`: none.
    pub tracing: Option<Arc<Tracing>>,
    /// What becomes of answers of the proxy's own; `None` leaves them as they are.
    pub local_replies: Option<LocalReplies>,
    /// Whose requests are internal when nobody else had them in between.
    pub internal: InternalRanges,
    /// What becomes of `x-forwarded-client-cert`.
    pub client_cert: ClientCert,
    /// Whether the router sets headers of its own (`x-envoy-upstream-service-time` and the like).
    pub envoy_headers: bool,
    /// Where requests are written down.
    pub access_logs: Vec<AccessLogConfig>,
    /// What becomes of the `server` response header.
    pub server_header: ServerHeader,
    /// Whether the peer is the client, and so joins `x-forwarded-for`.
    pub use_remote_address: bool,
    /// How many proxies in front of us may be believed.
    pub xff_trusted_hops: u32,
    /// Leave `x-forwarded-for` as it came even if the peer is the client.
    pub skip_xff_append: bool,
    /// What is appended to `via` in both directions, if anything.
    pub via: Option<Arc<str>>,
    /// A connection without a request is closed after this.
    pub idle_timeout: Duration,
    /// Any connection is drained after this.
    pub max_connection_duration: Duration,
    /// After how many requests a connection is closed.
    pub max_requests_per_connection: Option<u32>,
    /// A request is ended when nothing moved for this long.
    pub stream_idle_timeout: Duration,
    /// A request has to have arrived whole within this.
    pub request_timeout: Duration,
    /// A request's head has to have arrived within this.
    pub request_headers_timeout: Duration,
    /// A request is ended after this.
    pub max_stream_duration: Duration,
    /// Between the two GOAWAYs of a drain.
    pub drain_timeout: Duration,
    /// How long a closed connection lingers for the peer to read the last answer.
    pub delayed_close_timeout: Duration,
    /// KiB that a request's head may have.
    pub max_request_headers_kb: u32,
    /// Headers that a request may have.
    pub max_headers_count: u32,
    /// What becomes of header names with underscores.
    pub underscores: Underscores,
    /// HTTP/2 settings we announce.
    pub http2: Http2,
    /// Upgrades for routes that say nothing: protocol in lower case, and whether it may.
    pub upgrades: Vec<(Arc<str>, bool)>,
    /// Whether a request without `x-request-id` gets one.
    pub generate_request_id: bool,
    /// Whether an outsider's `x-request-id` is kept.
    pub preserve_external_request_id: bool,
    /// Whether every response repeats `x-request-id`.
    pub always_set_request_id_in_response: bool,
    /// Whether HTTP/1.0 is answered.
    pub accept_http_10: bool,
    /// How the names of fields are written in HTTP/1.
    pub header_case: HeaderCase,
    /// Who an HTTP/1.0 request without `host` is for.
    pub default_host_for_http_10: Option<Arc<str>>,
    /// Whether `..` and the like are resolved before routing; `None` is our own default.
    pub normalize_path: Option<bool>,
    /// Whether `//` is one slash.
    pub merge_slashes: bool,
    /// What becomes of `%2F` and `%5C` in a path.
    pub escaped_slashes: EscapedSlashes,
    /// Which ports leave the host before routing.
    pub strip_port: StripPort,
    /// Whether one dot at the host's end is dropped.
    pub strip_trailing_host_dot: bool,
    /// Whether `x-forwarded-port` is set.
    pub append_x_forwarded_port: bool,
    /// Whether `expect: 100-continue` goes on to the upstream instead of being answered here.
    pub proxy_100_continue: bool,
}

/// What becomes of `x-forwarded-client-cert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCert {
    /// It is dropped.
    Sanitize,
    /// It is passed on by connections with a client's certificate.
    Forward,
    /// The same, and the connection's own certificate joins it.
    Append(CertDetails),
    /// It tells of the connection's own certificate and of nothing else.
    Set(CertDetails),
    /// It is passed on as it came.
    AlwaysForward,
}

/// What is told of a certificate beside its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CertDetails {
    /// Whom it is for.
    pub subject: bool,
    /// The certificate itself.
    pub cert: bool,
    /// The whole chain.
    pub chain: bool,
    /// Its host names.
    pub dns: bool,
    /// Its URI.
    pub uri: bool,
}

/// Address ranges.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InternalRanges(pub Vec<(IpAddr, u8)>);

impl InternalRanges {
    /// Whether an address is in one of them.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|(base, bits)| match (base.to_canonical(), ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                (base.to_bits() ^ ip.to_bits()).leading_zeros() >= u32::from(*bits)
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                (base.to_bits() ^ ip.to_bits()).leading_zeros() >= u32::from(*bits)
            }
            _ => false,
        })
    }
}

/// Which versions of HTTP a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Whatever the connection begins with.
    Auto,
    /// Only HTTP/1.
    Http1,
    /// Only HTTP/2.
    Http2,
}

/// Where a listener's routes come from.
#[derive(Clone)]
pub enum RouteSource {
    /// From the table of this name, in [`Update::tables`](crate::Update::tables); not there yet: nothing is routed.
    Rds(Arc<str>),
    /// From the listener itself.
    Inline(Arc<Table>),
}

impl PartialEq for RouteSource {
    /// Tables of two listeners are different even if they say the same: comparing them would cost what they hold.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (RouteSource::Rds(a), RouteSource::Rds(b)) => a == b,
            (RouteSource::Inline(a), RouteSource::Inline(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// What becomes of the `server` response header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerHeader {
    /// Set to this if the upstream did not set it.
    AppendIfAbsent(Arc<str>),
    /// Always this.
    Overwrite(Arc<str>),
    /// The upstream's, or none.
    PassThrough,
}

/// How the names of fields are written in HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderCase {
    /// In lower case.
    #[default]
    Lower,
    /// With a capital at the start of each word.
    Proper,
    /// Heads that come are remembered as they were written, and go on so.
    AsWritten,
}

/// What becomes of header names with underscores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underscores {
    /// Nothing.
    Allow,
    /// The header is dropped.
    Drop,
    /// The request is answered 400.
    Reject,
}

/// What becomes of escaped slashes in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// Nothing.
    Keep,
    /// The request is answered 400.
    Reject,
    /// Unescaped, and the request goes on.
    UnescapeAndForward,
    /// Unescaped, and the client is sent to the new path.
    UnescapeAndRedirect,
}

/// Which ports leave the host before routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripPort {
    /// All.
    Any,
    /// The listener's own.
    Matching,
    /// None.
    No,
}
