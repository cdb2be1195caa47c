//! The one table from fault to reply: status, Envoy's response flag and details, whether another try is safe. Nobody else
//! writes a status code. Knows no sockets.

use forebay_http::h1::Reject;
use forebay_net::tls::Failure;
use forebay_telemetry::log::Flag;

mod cause;

pub(crate) use cause::Cause;

/// Everything that can keep a request from being answered by its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request's head broke a rule of HTTP/1.1.
    Head(Reject),
    /// The request's head broke a rule of HTTP/2 (h2 itself resets what breaks framing).
    Head2(&'static str),
    /// The path cannot be normalised, or hides an end or a slash.
    Path,
    /// The target is no path: `*`, or a query alone.
    NotAPath,
    /// A header name has an underscore, and the listener refuses those.
    Underscore,
    /// The same over HTTP/2, where it costs the stream alone.
    Underscore2,
    /// More headers than the limit, over HTTP/2.
    TooManyHeaders2,
    /// The head did not arrive in time.
    HeadersLate,
    /// The request did not arrive in time.
    RequestLate,
    /// No virtual host or no route matches.
    NoRoute,
    /// The route names a cluster that is not there; the route's status for that.
    NoCluster(u16),
    /// The cluster has no endpoint that may be chosen.
    NoEndpoint,
    /// A circuit breaker is open.
    Overflow,
    /// The waiting room has no place left.
    RoomFull,
    /// The waiting room's bytes are spent.
    RoomBytes,
    /// The request waited as long as it may.
    WaitedTooLong,
    /// The endpoint refused the connection, or is not reachable.
    ConnectFailed(Cause),
    /// The endpoint did not answer the connection attempt in time.
    ConnectLate,
    /// The endpoint and we did not agree on TLS.
    UpstreamTls(Failure),
    /// The endpoint closed or reset before a response.
    UpstreamReset,
    /// The endpoint reset a stream that it has not processed.
    UpstreamRefused,
    /// The endpoint's response broke a rule of HTTP.
    UpstreamProtocol,
    /// The route's or the revision's whole time is up.
    Timeout,
    /// The response did not begin in time.
    ResponseStartLate,
    /// One try's time is up.
    TryLate,
    /// Nothing moved within one try for its idle time.
    TryIdle,
    /// The cluster's time for one response is up.
    UpstreamStreamLate,
    /// The same, and the request has not come whole.
    UpstreamStreamLateRequest,
    /// The stream's whole time is up.
    StreamLate,
    /// The same, and the request has not come whole.
    StreamLateRequest,
    /// The endpoint reset the stream.
    UpstreamRemoteReset,
    /// Nothing moved for the idle time.
    Idle,
    /// The same, and the request has not come whole.
    IdleRequest,
    /// The client asks for an upgrade that the route does not allow.
    UpgradeNotAllowed,
    /// The client went away.
    ClientGone,
    /// The client's body broke its framing.
    BadBody,
    /// The worker is shutting down.
    Draining,
}

/// What a fault comes to.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    /// Status to answer with; 0 when there is nobody to answer.
    pub status: u16,
    /// Envoy's `%RESPONSE_FLAGS%`.
    pub flag: Option<Flag>,
    /// Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
    /// The body for plain clusters: Envoy's words.
    pub body: &'static str,
    /// Whether another endpoint may be tried without risking a second execution.
    pub retry: Retry,
    /// Whether the connection can carry another request.
    pub close: bool,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u16>,
}

/// Whether another try is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It could run twice, or could not help.
    Never,
    /// Nothing was processed: any request may be tried elsewhere.
    Safe,
    /// It may have been processed: only for requests that may run twice.
    Idempotent,
}

const fn reply(status: u16, flag: Option<Flag>, details: &'static str, body: &'static str) -> Reply {
    Reply { status, flag, details, body, retry: Retry::Never, close: false, retry_after: None }
}

impl Fault {
    /// The table.
    pub const fn reply(self) -> Reply {
        match self {
            Fault::Head(why) => Reply { close: true, ..head_reply(why) },
            Fault::Head2(details) => reply(400, Some(Flag::DownstreamProtocolError), details, ""),
            Fault::Path => Reply { close: true, ..reply(400, None, "path_normalization_failed", "") },
            Fault::NotAPath => reply(404, None, "absolute_path_rejected", ""),
            Fault::Underscore => Reply {
                close: true,
                ..reply(
                    400,
                    Some(Flag::DownstreamProtocolError),
                    "http1.unexpected_underscore",
                    "Bad Request",
                )
            },
            Fault::Underscore2 => reply(400, None, "http2.unexpected_underscore", ""),
            Fault::TooManyHeaders2 => reply(
                431,
                Some(Flag::DownstreamProtocolError),
                "http2.too_many_headers",
                "Request Header Fields Too Large",
            ),
            Fault::HeadersLate => {
                Reply { close: true, ..reply(408, None, "request_header_timeout", "request header timeout") }
            }
            Fault::RequestLate => {
                Reply { close: true, ..reply(408, None, "request_overall_timeout", "request timeout") }
            }
            Fault::NoRoute => reply(404, Some(Flag::NoRouteFound), "route_not_found", ""),
            Fault::NoCluster(status) => reply(status, Some(Flag::NoClusterFound), "cluster_not_found", ""),
            Fault::NoEndpoint => Reply {
                retry_after: Some(1),
                ..reply(503, Some(Flag::NoHealthyUpstream), "no_healthy_upstream", "no healthy upstream")
            },
            Fault::Overflow => Reply {
                retry_after: Some(1),
                ..reply(
                    503,
                    Some(Flag::UpstreamOverflow),
                    "upstream_reset_before_response_started{overflow}",
                    "upstream connect error or disconnect/reset before headers. reset reason: overflow",
                )
            },
            Fault::RoomFull => Reply {
                retry_after: Some(1),
                ..reply(503, Some(Flag::UpstreamOverflow), "forebay_waiting_room_full", "waiting room full")
            },
            Fault::RoomBytes => Reply {
                retry_after: Some(1),
                ..reply(503, Some(Flag::UpstreamOverflow), "forebay_waiting_room_bytes", "waiting room full")
            },
            Fault::WaitedTooLong => Reply {
                retry_after: Some(5),
                ..reply(504, Some(Flag::UpstreamRequestTimeout), "forebay_wait_timeout", "waited too long")
            },
            // What was wrong is told by the exchange, which knows it.
            Fault::UpstreamTls(_) => Reply {
                retry: Retry::Safe,
                retry_after: Some(1),
                ..reply(
                    503,
                    Some(Flag::UpstreamConnectionFailure),
                    "upstream_reset_before_response_started{remote_connection_failure}",
                    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
                )
            },
            Fault::ConnectFailed(cause) => Reply {
                retry: Retry::Safe,
                retry_after: Some(1),
                ..reply(
                    503,
                    Some(Flag::UpstreamConnectionFailure),
                    cause.details(),
                    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
                )
            },
            Fault::ConnectLate => Reply {
                retry: Retry::Safe,
                retry_after: Some(1),
                ..reply(
                    503,
                    Some(Flag::UpstreamConnectionFailure),
                    "upstream_reset_before_response_started{connection_timeout}",
                    "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
                )
            },
            Fault::UpstreamReset => Reply {
                retry: Retry::Idempotent,
                ..reply(
                    503,
                    Some(Flag::UpstreamConnectionTermination),
                    "upstream_reset_before_response_started{connection_termination}",
                    "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
                )
            },
            Fault::UpstreamRefused => Reply {
                retry: Retry::Safe,
                ..reply(
                    503,
                    Some(Flag::UpstreamRemoteReset),
                    "upstream_reset_before_response_started{remote_refused_stream_reset}",
                    "upstream connect error or disconnect/reset before headers. reset reason: remote refused stream reset",
                )
            },
            Fault::UpstreamProtocol => reply(
                502,
                Some(Flag::UpstreamProtocolError),
                "upstream_reset_before_response_started{protocol_error}",
                "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
            ),
            Fault::Timeout => {
                reply(504, Some(Flag::UpstreamRequestTimeout), "response_timeout", "upstream request timeout")
            }
            Fault::ResponseStartLate => reply(
                504,
                Some(Flag::UpstreamRequestTimeout),
                "forebay_response_start_timeout",
                "upstream request timeout",
            ),
            Fault::TryLate => reply(
                504,
                Some(Flag::UpstreamRequestTimeout),
                "upstream_per_try_timeout",
                "upstream request timeout",
            ),
            Fault::TryIdle => reply(
                504,
                Some(Flag::UpstreamRequestTimeout),
                "upstream_per_try_idle_timeout",
                "upstream request timeout",
            ),
            Fault::UpstreamStreamLate => upstream_stream_late(504),
            Fault::UpstreamStreamLateRequest => Reply { close: true, ..upstream_stream_late(408) },
            Fault::StreamLate => stream_late(504),
            Fault::StreamLateRequest => Reply { close: true, ..stream_late(408) },
            Fault::UpstreamRemoteReset => reply(
                503,
                Some(Flag::UpstreamRemoteReset),
                "upstream_reset_before_response_started{remote_reset}",
                "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
            ),
            Fault::Idle => idle(504),
            Fault::IdleRequest => Reply { close: true, ..idle(408) },
            Fault::UpgradeNotAllowed => reply(403, None, "upgrade_failed", ""),
            Fault::ClientGone => Reply {
                close: true,
                ..reply(0, Some(Flag::DownstreamConnectionTermination), "downstream_remote_disconnect", "")
            },
            Fault::BadBody => Reply {
                close: true,
                ..reply(400, Some(Flag::DownstreamProtocolError), "http1.codec_error", "Bad Request")
            },
            Fault::Draining => Reply {
                close: true,
                retry_after: Some(1),
                ..reply(503, None, "forebay_draining", "draining")
            },
        }
    }

    /// Whether it is the cluster's, and not of the listener's own clocks: those know nothing of tries.
    pub const fn is_upstreams(self) -> bool {
        !matches!(
            self,
            Fault::Idle
                | Fault::IdleRequest
                | Fault::StreamLate
                | Fault::StreamLateRequest
                | Fault::RequestLate
                | Fault::HeadersLate
        )
    }

    /// The cause in words, for the JSON that a revision's callers get.
    pub const fn cause(self) -> &'static str {
        match self {
            Fault::NoEndpoint => "the revision has no replica that can be chosen",
            Fault::Overflow => "the cluster's circuit breaker is open",
            Fault::RoomFull => "too many requests wait for this revision",
            Fault::RoomBytes => "the requests that wait for this revision hold too many bytes",
            Fault::WaitedTooLong => "no replica became free in time",
            Fault::ConnectFailed(_) => "the replica refused the connection",
            Fault::UpstreamTls(_) => "the replica and the gateway did not agree on TLS",
            Fault::ConnectLate => "the replica did not accept the connection in time",
            Fault::UpstreamReset => "the replica closed the connection before it answered",
            Fault::UpstreamRefused => "the replica refused the stream",
            Fault::UpstreamProtocol => "the replica's answer is not valid HTTP",
            Fault::Timeout => "the request took longer than timeoutSeconds",
            Fault::ResponseStartLate => "the response did not start within responseStartTimeoutSeconds",
            Fault::UpstreamRemoteReset => "the replica reset the stream",
            Fault::Idle | Fault::IdleRequest => "nothing moved for idleTimeoutSeconds",
            _ => "the request could not be served",
        }
    }

    /// Which clock ran out, by the name of its setting.
    pub const fn clock(self) -> Option<&'static str> {
        match self {
            Fault::WaitedTooLong => Some("waitTimeout"),
            Fault::Timeout => Some("timeoutSeconds"),
            Fault::ResponseStartLate => Some("responseStartTimeoutSeconds"),
            Fault::Idle | Fault::IdleRequest => Some("idleTimeoutSeconds"),
            Fault::ConnectLate => Some("connectTimeout"),
            _ => None,
        }
    }
}

const fn idle(status: u16) -> Reply {
    reply(status, Some(Flag::StreamIdleTimeout), "stream_idle_timeout", "stream timeout")
}

const fn stream_late(status: u16) -> Reply {
    reply(status, None, "max_duration_timeout", "downstream duration timeout")
}

const fn upstream_stream_late(status: u16) -> Reply {
    reply(
        status,
        Some(Flag::UpstreamMaxStreamDurationReached),
        "upstream_max_stream_duration_reached",
        "upstream max stream duration reached",
    )
}

/// With the words and details that Envoy 1.40 has for them (`conformance/lockstep`).
const fn head_reply(why: Reject) -> Reply {
    const BROKEN: Option<Flag> = Some(Flag::DownstreamProtocolError);
    const BAD: &str = "Bad Request";
    const LARGE: &str = "Request Header Fields Too Large";
    match why {
        Reject::TooLarge => reply(431, BROKEN, "http1.headers_too_large", LARGE),
        Reject::TooManyHeaders => reply(431, BROKEN, "http1.too_many_headers", LARGE),
        Reject::Version => reply(426, BROKEN, "low_version", "Upgrade Required"),
        Reject::Encoding => reply(501, BROKEN, "http1.invalid_transfer_encoding", "Not Implemented"),
        Reject::LengthAndEncoding => reply(400, BROKEN, "http1.content_length_and_chunked_not_allowed", BAD),
        Reject::NoHost => reply(400, None, "missing_host_header", ""),
        Reject::BadHost => reply(400, BROKEN, "http.invalid_authority", BAD),
        Reject::RepeatedHost => reply(400, BROKEN, "http1.invalid_host", BAD),
        Reject::Target => reply(400, BROKEN, "http1.invalid_url", BAD),
        Reject::Scheme => reply(400, BROKEN, "http1.invalid_scheme", BAD),
        Reject::Fragment => reply(400, None, "path_normalization_failed", ""),
        Reject::Characters => reply(400, BROKEN, "http1.invalid_characters", BAD),
        Reject::ConnectBody => reply(400, BROKEN, "http1.body_disallowed", BAD),
        _ => reply(400, BROKEN, "http1.codec_error", BAD),
    }
}

#[cfg(test)]
mod tests;
