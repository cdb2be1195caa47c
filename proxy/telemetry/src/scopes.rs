//! What is counted, with Envoy's names. Forebay's own statistics carry `forebay_` in theirs.

use crate::cells::{Block, Cells};

/// A family of statistics that belong to one kind of thing.
pub trait Scope: Copy + 'static {
    /// The measured durations of the family.
    type Time: Copy + 'static;
    /// Its storage.
    type Block: Cells + Default;
    /// Counters and gauges, in the order of the variants.
    const COUNTERS: &'static [Def];
    /// Names of the histograms, in the order of the variants of `Time`.
    const TIMES: &'static [&'static str];
    /// First word of every name: `cluster` in `cluster.<name>.upstream_rq_total`.
    const PREFIX: &'static str;
    /// Prometheus label that carries the thing's name.
    const LABEL: &'static str;
    /// Place in `COUNTERS`.
    fn index(self) -> usize;
    /// Place in `TIMES`.
    fn time_index(time: Self::Time) -> usize;
}

/// One counter or gauge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Def {
    /// Envoy's name without the scope: `upstream_rq_total`.
    pub name: &'static str,
    /// Whether it may fall.
    pub kind: Kind,
}

/// What a number means over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// A level: grows and falls.
    Gauge,
}

macro_rules! scope {
    (
        $(#[$doc:meta])* $scope:ident ($prefix:literal, $label:literal) { $($variant:ident $kind:ident $name:literal,)* }
        $(#[$tdoc:meta])* $time:ident { $($tvariant:ident $tname:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $scope { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        $(#[$tdoc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $time { $(#[doc = concat!("`", $tname, "`")] $tvariant,)* }

        impl Scope for $scope {
            type Time = $time;
            type Block = Block<{ [$($name),*].len() }, { [$($tname),*].len() }>;
            const COUNTERS: &'static [Def] = &[$(Def { name: $name, kind: Kind::$kind }),*];
            const TIMES: &'static [&'static str] = &[$($tname),*];
            const PREFIX: &'static str = $prefix;
            const LABEL: &'static str = $label;

            #[inline]
            fn index(self) -> usize {
                self as usize
            }

            #[inline]
            fn time_index(time: $time) -> usize {
                time as usize
            }
        }
    };
}

scope! {
    /// Statistics of an HTTP connection manager and of the router inside it: `http.<stat_prefix>.`
    Http("http", "envoy_http_conn_manager_prefix") {
        DownstreamCxTotal Counter "downstream_cx_total",
        DownstreamCxActive Gauge "downstream_cx_active",
        DownstreamCxHttp1Total Counter "downstream_cx_http1_total",
        DownstreamCxHttp1Active Gauge "downstream_cx_http1_active",
        DownstreamCxHttp2Total Counter "downstream_cx_http2_total",
        DownstreamCxHttp2Active Gauge "downstream_cx_http2_active",
        DownstreamCxSslTotal Counter "downstream_cx_ssl_total",
        DownstreamCxSslActive Gauge "downstream_cx_ssl_active",
        DownstreamCxUpgradesTotal Counter "downstream_cx_upgrades_total",
        DownstreamCxUpgradesActive Gauge "downstream_cx_upgrades_active",
        DownstreamCxDestroy Counter "downstream_cx_destroy",
        DownstreamCxDestroyLocal Counter "downstream_cx_destroy_local",
        DownstreamCxDestroyRemote Counter "downstream_cx_destroy_remote",
        DownstreamCxDestroyActiveRq Counter "downstream_cx_destroy_active_rq",
        DownstreamCxDestroyLocalActiveRq Counter "downstream_cx_destroy_local_active_rq",
        DownstreamCxDestroyRemoteActiveRq Counter "downstream_cx_destroy_remote_active_rq",
        DownstreamCxProtocolError Counter "downstream_cx_protocol_error",
        Http2KeepaliveTimeout Counter "http2.keepalive_timeout",
        DownstreamCxDrainClose Counter "downstream_cx_drain_close",
        DownstreamCxIdleTimeout Counter "downstream_cx_idle_timeout",
        DownstreamCxMaxDurationReached Counter "downstream_cx_max_duration_reached",
        DownstreamCxMaxRequestsReached Counter "downstream_cx_max_requests_reached",
        DownstreamCxDelayedCloseTimeout Counter "downstream_cx_delayed_close_timeout",
        DownstreamCxRxBytesTotal Counter "downstream_cx_rx_bytes_total",
        DownstreamCxTxBytesTotal Counter "downstream_cx_tx_bytes_total",
        DownstreamRqTotal Counter "downstream_rq_total",
        DownstreamRqActive Gauge "downstream_rq_active",
        DownstreamRqHttp1Total Counter "downstream_rq_http1_total",
        DownstreamRqHttp2Total Counter "downstream_rq_http2_total",
        DownstreamRqCompleted Counter "downstream_rq_completed",
        DownstreamRq1xx Counter "downstream_rq_1xx",
        DownstreamRq2xx Counter "downstream_rq_2xx",
        DownstreamRq3xx Counter "downstream_rq_3xx",
        DownstreamRq4xx Counter "downstream_rq_4xx",
        DownstreamRq5xx Counter "downstream_rq_5xx",
        DownstreamRqRxReset Counter "downstream_rq_rx_reset",
        DownstreamRqTxReset Counter "downstream_rq_tx_reset",
        DownstreamRqTooLarge Counter "downstream_rq_too_large",
        DownstreamRqTimeout Counter "downstream_rq_timeout",
        DownstreamRqHeaderTimeout Counter "downstream_rq_header_timeout",
        DownstreamRqIdleTimeout Counter "downstream_rq_idle_timeout",
        DownstreamRqMaxDurationReached Counter "downstream_rq_max_duration_reached",
        DownstreamRqNonRelativePath Counter "downstream_rq_non_relative_path",
        DownstreamRqFailedPathNormalization Counter "downstream_rq_failed_path_normalization",
        DownstreamRqRedirectedWithNormalizedPath Counter "downstream_rq_redirected_with_normalized_path",
        DownstreamRqResponseBeforeRqComplete Counter "downstream_rq_response_before_rq_complete",
        DownstreamRqWsOnNonWsRoute Counter "downstream_rq_ws_on_non_ws_route",
        NoRoute Counter "no_route",
        NoCluster Counter "no_cluster",
        RqTotal Counter "rq_total",
        TracingRandomSampling Counter "tracing.random_sampling",
        TracingServiceForced Counter "tracing.service_forced",
        TracingClientEnabled Counter "tracing.client_enabled",
        TracingNotTraceable Counter "tracing.not_traceable",
        RqRedirect Counter "rq_redirect",
        RqDirectResponse Counter "rq_direct_response",
        RqResetAfterDownstreamResponseStarted Counter "rq_reset_after_downstream_response_started",
        ExtAuthzOk Counter "ext_authz.ok",
        ExtAuthzDenied Counter "ext_authz.denied",
        ExtAuthzError Counter "ext_authz.error",
        ExtAuthzDisabled Counter "ext_authz.disabled",
        ExtAuthzFailureModeAllowed Counter "ext_authz.failure_mode_allowed",
        RbacAllowed Counter "rbac.allowed",
        RbacDenied Counter "rbac.denied",
        RbacShadowAllowed Counter "rbac.shadow_allowed",
        RbacShadowDenied Counter "rbac.shadow_denied",
    }
    /// Durations of a connection manager.
    HttpTime {
        DownstreamRq "downstream_rq_time",
        DownstreamCxLength "downstream_cx_length_ms",
    }
}

scope! {
    /// Statistics of a listener's sockets: `listener.<address>.`
    Listener("listener", "envoy_listener_address") {
        DownstreamCxTotal Counter "downstream_cx_total",
        DownstreamCxActive Gauge "downstream_cx_active",
        DownstreamCxDestroy Counter "downstream_cx_destroy",
        DownstreamCxOverflow Counter "downstream_cx_overflow",
        DownstreamGlobalCxOverflow Counter "downstream_global_cx_overflow",
        DownstreamPreCxTimeout Counter "downstream_pre_cx_timeout",
        AcceptErrors Counter "forebay_accept_errors",
        NoFilterChainMatch Counter "no_filter_chain_match",
        DownstreamPreCxActive Gauge "downstream_pre_cx_active",
        DownstreamListenerFilterRemoteClose Counter "downstream_listener_filter_remote_close",
        DownstreamCxTransportSocketConnectTimeout Counter "downstream_cx_transport_socket_connect_timeout",
        HandshakeOverflow Counter "forebay_handshake_overflow",
        SslHandshake Counter "ssl.handshake",
        SslConnectionError Counter "ssl.connection_error",
        SslSessionReused Counter "ssl.session_reused",
        SslNoCertificate Counter "ssl.no_certificate",
        SslFailVerifyNoCert Counter "ssl.fail_verify_no_cert",
        SslFailVerifyError Counter "ssl.fail_verify_error",
        SslFailVerifySan Counter "ssl.fail_verify_san",
        SslFailVerifyCertHash Counter "ssl.fail_verify_cert_hash",
        SslTls12 Counter "ssl.versions.TLSv1.2",
        SslTls13 Counter "ssl.versions.TLSv1.3",
        ProxyV1Found Counter "proxy_proto.versions.v1.found",
        ProxyV1Disallowed Counter "proxy_proto.versions.v1.disallowed",
        ProxyV1Error Counter "proxy_proto.versions.v1.error",
        ProxyV2Found Counter "proxy_proto.versions.v2.found",
        ProxyV2Disallowed Counter "proxy_proto.versions.v2.disallowed",
        ProxyV2Error Counter "proxy_proto.versions.v2.error",
        ProxyNotFoundAllowed Counter "proxy_proto.not_found_allowed",
        ProxyNotFoundDisallowed Counter "proxy_proto.not_found_disallowed",
    }
    /// Durations of a listener.
    ListenerTime {
        DownstreamCxLength "downstream_cx_length_ms",
    }
}

scope! {
    /// Statistics of a cluster's upstream traffic and of its waiting room: `cluster.<name>.`
    Cluster("cluster", "envoy_cluster_name") {
        UpstreamCxTotal Counter "upstream_cx_total",
        UpstreamCxActive Gauge "upstream_cx_active",
        UpstreamCxHttp1Total Counter "upstream_cx_http1_total",
        UpstreamCxHttp2Total Counter "upstream_cx_http2_total",
        UpstreamCxConnectFail Counter "upstream_cx_connect_fail",
        UpstreamCxConnectTimeout Counter "upstream_cx_connect_timeout",
        UpstreamCxOverflow Counter "upstream_cx_overflow",
        UpstreamCxIdleTimeout Counter "upstream_cx_idle_timeout",
        UpstreamCxMaxDurationReached Counter "upstream_cx_max_duration_reached",
        Http2KeepaliveTimeout Counter "http2.keepalive_timeout",
        UpstreamCxMaxRequests Counter "upstream_cx_max_requests",
        UpstreamCxNoneHealthy Counter "upstream_cx_none_healthy",
        UpstreamCxProtocolError Counter "upstream_cx_protocol_error",
        UpstreamCxDestroy Counter "upstream_cx_destroy",
        UpstreamCxDestroyLocal Counter "upstream_cx_destroy_local",
        UpstreamCxDestroyRemote Counter "upstream_cx_destroy_remote",
        UpstreamCxDestroyWithActiveRq Counter "upstream_cx_destroy_with_active_rq",
        UpstreamCxDestroyLocalWithActiveRq Counter "upstream_cx_destroy_local_with_active_rq",
        UpstreamCxDestroyRemoteWithActiveRq Counter "upstream_cx_destroy_remote_with_active_rq",
        UpstreamCxRxBytesTotal Counter "upstream_cx_rx_bytes_total",
        UpstreamCxTxBytesTotal Counter "upstream_cx_tx_bytes_total",
        UpstreamRqTotal Counter "upstream_rq_total",
        UpstreamRqActive Gauge "upstream_rq_active",
        UpstreamRqActiveOverflow Counter "upstream_rq_active_overflow",
        UpstreamRqPendingTotal Counter "upstream_rq_pending_total",
        UpstreamRqPendingActive Gauge "upstream_rq_pending_active",
        UpstreamRqPendingOverflow Counter "upstream_rq_pending_overflow",
        UpstreamRqPendingFailureEject Counter "upstream_rq_pending_failure_eject",
        UpstreamRqCancelled Counter "upstream_rq_cancelled",
        UpstreamRqCompleted Counter "upstream_rq_completed",
        UpstreamRq1xx Counter "upstream_rq_1xx",
        UpstreamRq2xx Counter "upstream_rq_2xx",
        UpstreamRq3xx Counter "upstream_rq_3xx",
        UpstreamRq4xx Counter "upstream_rq_4xx",
        UpstreamRq5xx Counter "upstream_rq_5xx",
        UpstreamRqTimeout Counter "upstream_rq_timeout",
        UpstreamRqPerTryTimeout Counter "upstream_rq_per_try_timeout",
        UpstreamRqPerTryIdleTimeout Counter "upstream_rq_per_try_idle_timeout",
        UpstreamRqMaxDurationReached Counter "upstream_rq_max_duration_reached",
        UpstreamRqRxReset Counter "upstream_rq_rx_reset",
        UpstreamRqTxReset Counter "upstream_rq_tx_reset",
        UpstreamRqRetry Counter "upstream_rq_retry",
        UpstreamRqRetryBackoffExponential Counter "upstream_rq_retry_backoff_exponential",
        UpstreamRqRetryBackoffRatelimited Counter "upstream_rq_retry_backoff_ratelimited",
        UpstreamRqRetrySuccess Counter "upstream_rq_retry_success",
        UpstreamRqRetryLimitExceeded Counter "upstream_rq_retry_limit_exceeded",
        UpstreamRqRetryOverflow Counter "upstream_rq_retry_overflow",
        RetryOrShadowAbandoned Counter "retry_or_shadow_abandoned",
        UpstreamRqDropOverload Counter "upstream_rq_drop_overload",
        SslHandshake Counter "ssl.handshake",
        SslConnectionError Counter "ssl.connection_error",
        SslSessionReused Counter "ssl.session_reused",
        SslFailVerifyError Counter "ssl.fail_verify_error",
        SslFailVerifySan Counter "ssl.fail_verify_san",
        SslTls12 Counter "ssl.versions.TLSv1.2",
        SslTls13 Counter "ssl.versions.TLSv1.3",
        ExtAuthzOk Counter "ext_authz.ok",
        ExtAuthzDenied Counter "ext_authz.denied",
        ExtAuthzError Counter "ext_authz.error",
        ExtAuthzFailureModeAllowed Counter "ext_authz.failure_mode_allowed",
        Waiting Gauge "forebay_waiting",
        WaitTotal Counter "forebay_wait_total",
        WaitAdmitted Counter "forebay_wait_admitted",
        WaitRefusedCount Counter "forebay_wait_refused_count",
        WaitRefusedBytes Counter "forebay_wait_refused_bytes",
        WaitTimeout Counter "forebay_wait_timeout",
        WaitCancelled Counter "forebay_wait_cancelled",
        ColdStart Counter "forebay_cold_start",
    }
    /// Durations of a cluster.
    ClusterTime {
        UpstreamRq "upstream_rq_time",
        UpstreamCxConnect "upstream_cx_connect_ms",
        UpstreamCxLength "upstream_cx_length_ms",
        Wait "forebay_wait_time",
    }
}
