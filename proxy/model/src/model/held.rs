//! Accepted resources as they came, and what was wrong with those that were not. Knows no message.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use forebay_base::alike::{Examples, Packed};
use forebay_base::version::Version;
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
    pub(crate) version: Version,
    content: Content,
    pub(crate) since: Instant,
}

#[derive(Clone)]
enum Content {
    /// Of listeners and route configurations, which are few: behind a pointer, so that the others need no room for it.
    Whole(Box<Bytes>),
    Packed(Packed),
}

impl Held {
    /// Its content may be shared with what was read from it.
    pub(crate) fn whole(version: &str, bytes: Bytes, since: Instant) -> Self {
        Held { version: version.into(), content: Content::Whole(Box::new(bytes)), since }
    }

    /// One of thousands that are alike: `examples` is of its type.
    pub(crate) fn packed(version: &str, bytes: &[u8], since: Instant, examples: &mut Examples) -> Self {
        Held { version: version.into(), content: Content::Packed(examples.pack(bytes)), since }
    }

    /// As it came.
    pub(crate) fn bytes(&self, examples: &Examples) -> Bytes {
        match &self.content {
            Content::Whole(bytes) => Bytes::clone(bytes),
            Content::Packed(packed) => examples.unpack(packed.example, &packed.bytes).into_owned().into(),
        }
    }

    /// Whether these are the same bytes; if so, they are now known under this version.
    pub(crate) fn same(&mut self, version: &str, bytes: &[u8], examples: &Examples) -> bool {
        let same = match &self.content {
            Content::Whole(own) => **own == *bytes,
            Content::Packed(packed) => *examples.unpack(packed.example, &packed.bytes) == *bytes,
        };
        if same {
            self.version = version.into();
        }
        same
    }
}

/// What resources are packed by, each type for itself.
#[derive(Default)]
pub(crate) struct AllExamples {
    pub(crate) clusters: Examples,
    pub(crate) endpoints: Examples,
    pub(crate) hosts: Examples,
    /// Nothing is packed by these: listeners and route configurations are few.
    pub(crate) others: Examples,
}

impl AllExamples {
    pub(crate) fn of(&self, kind: Kind) -> &Examples {
        match kind {
            Kind::Cluster => &self.clusters,
            Kind::Endpoints => &self.endpoints,
            Kind::VirtualHost => &self.hosts,
            Kind::Listener | Kind::Route => &self.others,
        }
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
