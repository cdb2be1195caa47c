//! Accepted resources as they came, and what was wrong with those that were not. Knows no message.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use forebay_proto::type_url;

/// The five resource types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Cluster,
    Endpoints,
    Listener,
    Route,
    VirtualHost,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] =
        [Kind::Cluster, Kind::Endpoints, Kind::Listener, Kind::Route, Kind::VirtualHost];

    pub(crate) fn of(url: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.type_url() == url)
    }

    pub(crate) fn type_url(self) -> &'static str {
        match self {
            Kind::Cluster => type_url::CLUSTER,
            Kind::Endpoints => type_url::ENDPOINTS,
            Kind::Listener => type_url::LISTENER,
            Kind::Route => type_url::ROUTE,
            Kind::VirtualHost => type_url::VIRTUAL_HOST,
        }
    }
}

/// A resource as it came: kept once, for the dump and for telling whether the next one is the same.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) version: Box<str>,
    pub(crate) bytes: Bytes,
    pub(crate) since: Instant,
}

impl Held {
    pub(crate) fn new(version: &str, bytes: &[u8], since: Instant) -> Self {
        Held { version: version.into(), bytes: Bytes::copy_from_slice(bytes), since }
    }

    /// Whether these are the same bytes; if so, they are now known under this version.
    pub(crate) fn same(&mut self, version: &str, bytes: &[u8]) -> bool {
        let same = self.bytes == bytes;
        if same && *self.version != *version {
            self.version = version.into();
        }
        same
    }
}

/// Why the last version of a resource is not in force.
pub(crate) struct Failure {
    pub(crate) version: Box<str>,
    pub(crate) message: String,
    /// The refused resource as it came: whoever looks for the mistake has to see it.
    pub(crate) bytes: Bytes,
    pub(crate) since: Instant,
}

/// What a resource is called in failures.
pub(crate) type FailureKey = (Kind, Arc<str>);
