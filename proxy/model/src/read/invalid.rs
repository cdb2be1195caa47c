//! Why a resource is refused: one variant per rule, with the path to the culprit. Knows no message.

use std::fmt::{self, Write as _};

/// A broken rule and where it is broken, relative to the resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// For example `load_assignment.endpoints[2].lb_endpoints[0].endpoint.address`; empty for the resource itself.
    pub path: String,
    /// What is wrong there.
    pub rule: Rule,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { self.rule.fmt(f) } else { write!(f, "{}: {}", self.path, self.rule) }
    }
}

/// The rules that a resource can break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// A header value that is neither text nor tab.
    #[error("{0:?} has a byte that a header value cannot have")]
    BadHeaderValue(String),
    /// A name that no header can have, or that may not be changed this way.
    #[error("{0:?} is not a header that can be named here")]
    BadHeaderName(String),
    /// A header value whose variables are not known here.
    #[error("{0}")]
    BadFormat(String),
    /// A regular expression that does not compile.
    #[error("{0}")]
    BadRegex(String),
    /// A wildcard anywhere but at one end.
    #[error("{0:?} is not a domain: `*` may stand alone, first or last")]
    BadDomain(String),
    /// One domain claimed twice in one route configuration.
    #[error("domain {domain:?} belongs to virtual host {first:?} and cannot belong to {second:?} as well")]
    DuplicateDomain {
        /// The domain, in lower case.
        domain: String,
        /// Who has it.
        first: String,
        /// Who wants it.
        second: String,
    },
    /// Two things of one name where a name has to be unique.
    #[error("{0:?} is there twice")]
    DuplicateName(String),
    /// Text or list that has to have something in it.
    #[error("is empty")]
    Empty,
    /// A field that has to be there.
    #[error("is missing")]
    Missing,
    /// Two filter chains for the same connections.
    #[error("is for the same connections as filter_chains[{first}] {name:?}")]
    OverlappingChains {
        /// The place of the other one.
        first: usize,
        /// Its name.
        name: String,
    },
    /// A server name with a wildcard that is not its first label, or without a letter.
    #[error("{0:?} is not a server name: `*.` may stand in front and nowhere else")]
    BadServerName(String),
    /// Names that a certificate has to have, and nobody who has to have signed it.
    #[error("SAN-based verification of peer certificates without trusted CA is insecure and not allowed")]
    NamesWithoutAuthority,
    /// A file or a variable of the environment that cannot be read.
    #[error("{name:?} cannot be read: {error}")]
    Unreadable {
        /// Its name.
        name: String,
        /// The system's words.
        error: String,
    },
    /// Certificates, keys or names of ciphers that TLS cannot do with.
    #[error("{0}")]
    Tls(forebay_net::tls::Why),
    /// The last HTTP filter has to be the router.
    #[error("the last HTTP filter has to be envoy.filters.http.router")]
    NoRouter,
    /// Weights that give no cluster a chance, or do not add up to what was announced.
    #[error("the weights add up to {0}")]
    BadWeights(u64),
    /// Text that is no IP address.
    #[error("{0:?} is not an IP address")]
    NotAnAddress(String),
    /// A number that is no port.
    #[error("{0} is not a port")]
    NotAPort(u32),
    /// A number that is no HTTP status.
    #[error("{0} is not a status")]
    NotAStatus(u32),
    /// A protobuf duration that is negative, or has more than a second of nanoseconds.
    #[error("{seconds}s {nanos}ns is not a duration")]
    NotADuration {
        /// Its seconds.
        seconds: i64,
        /// Its nanoseconds.
        nanos: i32,
    },
    /// A number outside what the field allows.
    #[error("{value} is not between {min} and {max}")]
    OutOfRange {
        /// What was said.
        value: i64,
        /// Least allowed.
        min: i64,
        /// Most allowed.
        max: i64,
    },
    /// A message that does not decode as what it says it is.
    #[error("does not decode as {kind}: {error}")]
    Undecodable {
        /// The message's type.
        kind: String,
        /// The decoder's words.
        error: String,
    },
    /// A resource whose own name differs from the name it came under.
    #[error("{inner:?} came under the name {outer:?}")]
    Misnamed {
        /// The name in the resource.
        inner: String,
        /// The name in the envelope.
        outer: String,
    },
    /// An extension nobody here implements, by its `@type`.
    #[error("extension type {0:?} is not supported")]
    UnknownExtension(String),
    /// A resource type nobody here reads.
    #[error("resource type {0:?} is not supported")]
    UnknownResource(String),
    /// A field or value that Envoy knows, that would change behaviour, and that we do not have.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A value of an enumeration that the vocabulary does not know.
    #[error("{0} is not a value of this enumeration")]
    UnknownValue(i32),
}

/// 80 characters of a refused value: enough to find it, little enough for one line of a log.
const SHOWN: usize = 80;

impl Rule {
    /// [`Rule::Unsupported`] with the value as it prints, cut to a line.
    pub(crate) fn unsupported(value: &dyn fmt::Debug) -> Rule {
        let mut cut = Cut { text: String::new() };
        // The writer refuses what does not fit: that is the cut, not a failure.
        if write!(cut, "{value:?}").is_err() {
            cut.text.push('…');
        }
        Rule::Unsupported(cut.text)
    }
}

struct Cut {
    text: String,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for c in s.chars() {
            if self.text.len() >= SHOWN {
                return Err(fmt::Error);
            }
            self.text.push(c);
        }
        Ok(())
    }
}
