//! Kubernetes' rules for names and Go's for durations. Knows nothing of fields.

use std::time::Duration;

use forebay_base::duration::parse_go;

/// Longest label of a DNS name in bytes (RFC 1035 2.3.4).
pub(super) const MAX_LABEL: usize = 63;
/// Longest DNS name in bytes (RFC 1123 2.1).
const MAX_NAME: usize = 253;

/// What is wrong with `name` as a DNS-1035 label, in Kubernetes' words and Go's brackets; none if nothing is.
pub(super) fn not_dns_1035(name: &str) -> Option<String> {
    let mut faults = Vec::new();
    if name.len() > MAX_LABEL {
        faults.push(format!("must be no more than {MAX_LABEL} characters"));
    }
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    if !fits {
        faults.push(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
             validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        );
    }
    (!faults.is_empty()).then(|| format!("[{}]", faults.join(" ")))
}

/// One label of letters, digits and dashes, beginning and ending with no dash.
pub(super) fn is_dns_1123_label(label: &str) -> bool {
    let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    label.len() <= MAX_LABEL
        && edge(label.bytes().next())
        && edge(label.bytes().last())
        && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

/// What is wrong with `name` as the full name of a host; none if nothing is.
pub(super) fn not_a_domain(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("Required value")
    } else if name.len() > MAX_NAME {
        Some("must be no more than 253 characters")
    } else if !name.contains('.') {
        Some("should be a domain with at least two segments separated by dots")
    } else if !name.split('.').all(is_dns_1123_label) {
        Some("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'")
    } else {
        None
    }
}

/// A Kubernetes qualified name without a prefix: what a revision or configuration may be called.
pub(super) fn is_qualified_name(name: &str) -> bool {
    let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= MAX_LABEL
        && edge(name.bytes().next())
        && edge(name.bytes().last())
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

/// A Go duration with its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    Positive(Duration),
    Negative,
}

/// Reads a Go duration; none if it is not one.
pub(crate) fn parse_duration(text: &str) -> Option<Signed> {
    match text.strip_prefix('-') {
        Some(rest) => {
            parse_go(rest).ok().map(|d| if d.is_zero() { Signed::Positive(d) } else { Signed::Negative })
        }
        None => parse_go(text).ok().map(Signed::Positive),
    }
}
