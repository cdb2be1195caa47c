//! Header names the data plane acts on, resolved once when a head is parsed. Knows no values.

macro_rules! known {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// A header name that some rule looks at; all others are [`Known::Other`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum Known { $($variant),+, Other }

        impl Known {
            /// How many names are known.
            pub const COUNT: usize = Known::Other as usize;

            /// Resolves a lower-case name.
            #[inline]
            pub fn of(name: &[u8]) -> Known {
                match name { $($text => Known::$variant,)+ _ => Known::Other }
            }

            /// The lower-case name; empty for `Other`.
            pub const fn name(self) -> &'static [u8] {
                match self { $(Known::$variant => $text,)+ Known::Other => b"" }
            }
        }
    };
}

known! {
    Host = b"host",
    Connection = b"connection",
    ContentLength = b"content-length",
    TransferEncoding = b"transfer-encoding",
    Te = b"te",
    Trailer = b"trailer",
    Upgrade = b"upgrade",
    Expect = b"expect",
    KeepAlive = b"keep-alive",
    ProxyConnection = b"proxy-connection",
    Http2Settings = b"http2-settings",
    XForwardedFor = b"x-forwarded-for",
    XForwardedProto = b"x-forwarded-proto",
    XRequestId = b"x-request-id",
    UserAgent = b"user-agent",
    Date = b"date",
    Server = b"server",
    ContentType = b"content-type",
    RetryAfter = b"retry-after",
    ServerTiming = b"server-timing",
    GrpcStatus = b"grpc-status",
    EnvoyAttemptCount = b"x-envoy-attempt-count",
    EnvoyExternalAddress = b"x-envoy-external-address",
    EnvoyExpectedRqTimeout = b"x-envoy-expected-rq-timeout-ms",
    EnvoyHedge = b"x-envoy-hedge-on-per-try-timeout",
    EnvoyInternal = b"x-envoy-internal",
    EnvoyMaxRetries = b"x-envoy-max-retries",
    EnvoyOriginalPath = b"x-envoy-original-path",
    EnvoyPerTryTimeout = b"x-envoy-upstream-rq-per-try-timeout-ms",
    EnvoyRetriableHeaderNames = b"x-envoy-retriable-header-names",
    EnvoyRetriableStatusCodes = b"x-envoy-retriable-status-codes",
    EnvoyRetryGrpcOn = b"x-envoy-retry-grpc-on",
    EnvoyRetryOn = b"x-envoy-retry-on",
    EnvoyRqTimeout = b"x-envoy-upstream-rq-timeout-ms",
    EnvoyServiceTime = b"x-envoy-upstream-service-time",
    KProxyRequest = b"k-proxy-request",
    KNetworkProbe = b"k-network-probe",
    KNetworkHash = b"k-network-hash",
    KKubeletProbe = b"k-kubelet-probe",
    KOriginalHost = b"k-original-host",
    ServingRevision = b"knative-serving-revision",
    ServingNamespace = b"knative-serving-namespace",
    Forwarded = b"forwarded",
    XForwardedHost = b"x-forwarded-host",
}

impl Known {
    /// Its place in a set of known names; [`Known::Other`] has none.
    #[inline]
    pub(crate) const fn bit(self) -> u64 {
        match self {
            Known::Other => 0,
            known => 1 << known as u64,
        }
    }

    /// Whether the name belongs to one connection and is never forwarded (RFC 9110 7.6.1, and the obsolete ones beside it).
    #[inline]
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Known::Connection
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::Te
                | Known::Trailer
                | Known::TransferEncoding
                | Known::Upgrade
                | Known::Http2Settings
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_resolves_to_itself() {
        assert_eq!(Known::of(b"content-length"), Known::ContentLength);
        assert_eq!(Known::of(Known::KNetworkProbe.name()), Known::KNetworkProbe);
        assert_eq!(Known::of(b"x-other"), Known::Other);
        const { assert!(Known::COUNT < 64, "a head counts repeats in a 64-bit set") };
    }
}
