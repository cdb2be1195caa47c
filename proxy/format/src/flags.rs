//! Envoy's response flags: why a response is not simply what the upstream said. Knows no status codes.

/// One flag. The discriminant is its bit in [`Flags`]; the order is the order in which they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Flag {
    /// URX: retries or connect attempts used up. First, because it is said before the fault of the last try is.
    UpstreamRetryLimitExceeded,
    /// LH: the local service failed its health check.
    FailedLocalHealthCheck,
    /// UH: no healthy upstream host.
    NoHealthyUpstream,
    /// UT: the upstream did not answer in time.
    UpstreamRequestTimeout,
    /// LR: reset by us.
    LocalReset,
    /// UR: reset by the upstream.
    UpstreamRemoteReset,
    /// UF: no connection to the upstream.
    UpstreamConnectionFailure,
    /// UC: the upstream closed the connection.
    UpstreamConnectionTermination,
    /// UO: a limit of the cluster (circuit breaker, waiting room) was reached.
    UpstreamOverflow,
    /// NR: no route.
    NoRouteFound,
    /// DI: delayed on purpose.
    DelayInjected,
    /// FI: aborted on purpose.
    FaultInjected,
    /// RL: rate limited here.
    RateLimited,
    /// UAEX: refused by the authorization service.
    UnauthorizedExternalService,
    /// RLSE: the rate limit service failed.
    RateLimitServiceError,
    /// DC: the client went away.
    DownstreamConnectionTermination,
    /// SI: nothing moved for too long.
    StreamIdleTimeout,
    /// IH: a strictly checked header is invalid.
    InvalidEnvoyRequestHeaders,
    /// DPE: the client broke HTTP.
    DownstreamProtocolError,
    /// UMSDR: the stream lasted too long.
    UpstreamMaxStreamDurationReached,
    /// RFCF: answered from a cache.
    ResponseFromCacheFilter,
    /// NFCF: a filter's configuration is missing.
    NoFilterConfigFound,
    /// DT: the connection lasted too long.
    DurationTimeout,
    /// UPE: the upstream broke HTTP.
    UpstreamProtocolError,
    /// NC: the route's cluster does not exist.
    NoClusterFound,
    /// OM: refused under overload.
    OverloadManagerTerminated,
    /// DF: the name of the upstream did not resolve.
    DnsResolutionFailed,
    /// DO: dropped by the cluster's drop policy.
    DropOverload,
    /// DR: the client reset its stream.
    DownstreamRemoteReset,
    /// UDO: dropped by a drop policy of 100 %.
    UnconditionalDropOverload,
}

impl Flag {
    /// All of them, in printing order.
    pub const ALL: [Flag; 30] = ALL;

    const fn names(self) -> (&'static str, &'static str) {
        NAMES[self as usize]
    }

    /// As in `%RESPONSE_FLAGS%`: `UH`.
    pub const fn short(self) -> &'static str {
        self.names().0
    }

    /// The flag of a short name.
    pub fn of_short(name: &str) -> Option<Self> {
        ALL.into_iter().find(|flag| flag.short() == name)
    }

    /// As in `%RESPONSE_FLAGS_LONG%`: `NoHealthyUpstream`.
    pub const fn long(self) -> &'static str {
        self.names().1
    }
}

/// Short and long names by discriminant.
const NAMES: [(&str, &str); 30] = [
    ("URX", "UpstreamRetryLimitExceeded"),
    ("LH", "FailedLocalHealthCheck"),
    ("UH", "NoHealthyUpstream"),
    ("UT", "UpstreamRequestTimeout"),
    ("LR", "LocalReset"),
    ("UR", "UpstreamRemoteReset"),
    ("UF", "UpstreamConnectionFailure"),
    ("UC", "UpstreamConnectionTermination"),
    ("UO", "UpstreamOverflow"),
    ("NR", "NoRouteFound"),
    ("DI", "DelayInjected"),
    ("FI", "FaultInjected"),
    ("RL", "RateLimited"),
    ("UAEX", "UnauthorizedExternalService"),
    ("RLSE", "RateLimitServiceError"),
    ("DC", "DownstreamConnectionTermination"),
    ("SI", "StreamIdleTimeout"),
    ("IH", "InvalidEnvoyRequestHeaders"),
    ("DPE", "DownstreamProtocolError"),
    ("UMSDR", "UpstreamMaxStreamDurationReached"),
    ("RFCF", "ResponseFromCacheFilter"),
    ("NFCF", "NoFilterConfigFound"),
    ("DT", "DurationTimeout"),
    ("UPE", "UpstreamProtocolError"),
    ("NC", "NoClusterFound"),
    ("OM", "OverloadManagerTerminated"),
    ("DF", "DnsResolutionFailed"),
    ("DO", "DropOverload"),
    ("DR", "DownstreamRemoteReset"),
    ("UDO", "UnconditionalDropOverload"),
];

const ALL: [Flag; 30] = {
    use Flag::*;
    [
        UpstreamRetryLimitExceeded,
        FailedLocalHealthCheck,
        NoHealthyUpstream,
        UpstreamRequestTimeout,
        LocalReset,
        UpstreamRemoteReset,
        UpstreamConnectionFailure,
        UpstreamConnectionTermination,
        UpstreamOverflow,
        NoRouteFound,
        DelayInjected,
        FaultInjected,
        RateLimited,
        UnauthorizedExternalService,
        RateLimitServiceError,
        DownstreamConnectionTermination,
        StreamIdleTimeout,
        InvalidEnvoyRequestHeaders,
        DownstreamProtocolError,
        UpstreamMaxStreamDurationReached,
        ResponseFromCacheFilter,
        NoFilterConfigFound,
        DurationTimeout,
        UpstreamProtocolError,
        NoClusterFound,
        OverloadManagerTerminated,
        DnsResolutionFailed,
        DropOverload,
        DownstreamRemoteReset,
        UnconditionalDropOverload,
    ]
};

/// A set of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u32);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// Adds one.
    pub const fn set(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u32;
    }

    /// With one more.
    #[must_use]
    pub const fn with(mut self, flag: Flag) -> Self {
        self.set(flag);
        self
    }

    /// Whether it is there.
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & 1 << flag as u32 != 0
    }

    /// Whether none is.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those set, in printing order.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        ALL.into_iter().filter(move |&flag| self.has(flag))
    }
}

impl From<Flag> for Flags {
    fn from(flag: Flag) -> Self {
        Self::NONE.with(flag)
    }
}
