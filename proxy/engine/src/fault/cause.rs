//! Why a connection could not be opened, in Envoy's words. Knows no replies.

/// Why a connection could not be opened, as far as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nobody listens there.
    Refused,
    /// No way to the host.
    HostUnreachable,
    /// No way to its network.
    NetworkUnreachable,
    /// The host broke the attempt off.
    Reset,
    /// The kernel gave up waiting.
    TimedOut,
    /// Something else, or nobody knows.
    Other,
}

impl Cause {
    /// Of the kernel's verdict.
    pub fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Cause::Refused,
            std::io::ErrorKind::HostUnreachable => Cause::HostUnreachable,
            std::io::ErrorKind::NetworkUnreachable => Cause::NetworkUnreachable,
            std::io::ErrorKind::ConnectionReset => Cause::Reset,
            std::io::ErrorKind::TimedOut => Cause::TimedOut,
            _ => Cause::Other,
        }
    }

    /// Envoy's `%UPSTREAM_TRANSPORT_FAILURE_REASON%`; empty where there is nothing to say.
    pub const fn reason(self) -> &'static str {
        match self {
            Cause::Refused => "delayed_connect_error:_Connection_refused",
            Cause::HostUnreachable => "delayed_connect_error:_No_route_to_host",
            Cause::NetworkUnreachable => "immediate_connect_error:_Network_is_unreachable",
            Cause::Reset => "delayed_connect_error:_Connection_reset_by_peer",
            Cause::TimedOut => "delayed_connect_error:_Connection_timed_out",
            Cause::Other => "",
        }
    }

    /// Envoy's `%RESPONSE_CODE_DETAILS%` of a request that had no other endpoint.
    pub(super) const fn details(self) -> &'static str {
        match self {
            Cause::Refused => {
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
            }
            Cause::HostUnreachable => {
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_No_route_to_host}"
            }
            Cause::NetworkUnreachable => {
                "upstream_reset_before_response_started{remote_connection_failure|immediate_connect_error:_Network_is_unreachable}"
            }
            Cause::Reset => {
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_reset_by_peer}"
            }
            Cause::TimedOut => {
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_timed_out}"
            }
            Cause::Other => "upstream_reset_before_response_started{remote_connection_failure}",
        }
    }
}
