//! Operators of Envoy 1.40 that print `-` here whatever their value is, or UTC instead of local time. A log without one value is better
//! than a listener that is refused for it; whoever reads a configuration says so.

const UNWRITTEN: &[&str] = &[
    "COALESCE",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "DOWNSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_LOCAL_EMAIL_SAN",
    "DOWNSTREAM_LOCAL_IP_SAN",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_CERT_V_END",
    "DOWNSTREAM_PEER_CERT_V_START",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
    "DOWNSTREAM_PEER_CHAIN_SERIALS",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER_SERIAL",
    "DOWNSTREAM_PEER_OTHERNAME_SAN",
    "DOWNSTREAM_TLS_GROUP",
    "DOWNSTREAM_TLS_SESSION_ID",
    "EMIT_TIME_LOCAL",
    "QUERY_PARAMS",
    "ROUNDTRIP_DURATION",
    "START_TIME_LOCAL",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "UNIQUE_ID",
    "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
    "UPSTREAM_DETECTED_CLOSE_TYPE",
    "UPSTREAM_HOSTS_ATTEMPTED",
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAMES_ATTEMPTED",
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_LOCAL_CLOSE_REASON",
    "UPSTREAM_LOCAL_DNS_SAN",
    "UPSTREAM_LOCAL_IP_SAN",
    "UPSTREAM_LOCAL_URI_SAN",
    "UPSTREAM_PEER_CERT",
    "UPSTREAM_PEER_CERT_V_END",
    "UPSTREAM_PEER_CERT_V_START",
    "UPSTREAM_PEER_DNS_SAN",
    "UPSTREAM_PEER_IP_SAN",
    "UPSTREAM_PEER_ISSUER",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PEER_URI_SAN",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_GROUP",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_TLS_VERSION",
];

pub(super) fn is_unwritten(name: &str) -> bool {
    UNWRITTEN.binary_search(&name).is_ok()
}

/// Those that a format names.
pub fn unwritten(format: &str) -> Vec<&'static str> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let names = format.split('%').map(|part| part.split(|c| !is_name(c)).next().unwrap_or_default());
    let known = |name: &str| UNWRITTEN.binary_search(&name).ok().map(|at| UNWRITTEN[at]);
    let mut found: Vec<_> = names.filter_map(known).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    #[test]
    fn formats_with_them_are_taken_and_name_them() {
        assert!(UNWRITTEN.is_sorted());
        for name in UNWRITTEN {
            assert!(Format::parse(&format!("a %{name}% b")).is_ok(), "{name}");
        }
        let format = "%START_TIME_LOCAL(%s)% %UNIQUE_ID% %COALESCE({\"operators\":[\"TRACE_ID\"]}):3% %UNIQUE_ID% %PROTOCOL%";
        assert!(Format::parse(format).is_ok());
        assert_eq!(unwritten(format), ["COALESCE", "START_TIME_LOCAL", "UNIQUE_ID"]);
        assert_eq!(unwritten("%PROTOCOL% UNIQUE_ID"), [""; 0]);
    }
}
