//! What the protocol itself knows about each resource type: the order of sending, who refers to whom, how names match.
//! Knows nothing of what is inside a resource.

use forebay_proto::type_url;

/// A resource type as the protocol sees it, in the order in which additions are sent: what is referred to goes before
/// what refers to it (xDS protocol, "eventual consistency considerations").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// CDS.
    Cluster,
    /// EDS.
    Endpoints,
    /// LDS.
    Listener,
    /// RDS.
    Route,
    /// VHDS.
    VirtualHost,
    /// Any other type: sent last, refers to nothing.
    Other,
}

impl Kind {
    /// The kind of a type URL. The part before the last `/` is arbitrary in protobuf and not looked at.
    pub fn of(url: &str) -> Self {
        const KINDS: [(&str, Kind); 5] = [
            (type_url::CLUSTER, Kind::Cluster),
            (type_url::ENDPOINTS, Kind::Endpoints),
            (type_url::LISTENER, Kind::Listener),
            (type_url::ROUTE, Kind::Route),
            (type_url::VIRTUAL_HOST, Kind::VirtualHost),
        ];
        let wanted = message(url);
        KINDS.iter().find(|(known, _)| message(known) == wanted).map_or(Kind::Other, |&(_, kind)| kind)
    }

    /// In state of the world a response lists everything there is, so what it leaves out is gone. True for listeners and
    /// clusters only.
    pub const fn is_listed_in_full(self) -> bool {
        matches!(self, Kind::Cluster | Kind::Listener)
    }

    /// A first request without names asks for everything. So it always was for listeners and clusters; and Envoy opens
    /// VHDS without a name, since the namespace it means is not a resource (`NewGrpcMuxImpl::updateWatch`), and expects
    /// virtual hosts to be pushed.
    pub const fn is_opened_without_names(self) -> bool {
        matches!(self, Kind::Cluster | Kind::Listener | Kind::VirtualHost)
    }

    /// A subscribed name `a` also matches every resource `a/...` (as Envoy matches namespaces on its side, VHDS only).
    pub const fn has_namespaces(self) -> bool {
        matches!(self, Kind::VirtualHost)
    }

    /// The types whose resources name resources of this one. A removal waits until they let go.
    pub const fn referrers(self) -> &'static [Kind] {
        match self {
            Kind::Cluster => &[Kind::Listener, Kind::Route, Kind::VirtualHost],
            Kind::Endpoints => &[Kind::Cluster],
            Kind::Route => &[Kind::Listener],
            Kind::VirtualHost => &[Kind::Route],
            Kind::Listener | Kind::Other => &[],
        }
    }

    /// The order of removals within one batch: who refers goes before what it refers to.
    pub const fn removal_rank(self) -> u8 {
        match self {
            Kind::Other => 0,
            Kind::Listener => 1,
            Kind::Route => 2,
            Kind::VirtualHost => 3,
            Kind::Cluster => 4,
            Kind::Endpoints => 5,
        }
    }
}

/// The namespace of a resource name: what stands before its last `/` (Envoy's `namespaceFromName`).
pub fn namespace(name: &str) -> Option<&str> {
    name.rfind('/').and_then(|at| name.get(..at))
}

/// The message name of a type URL.
fn message(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_a_type_url_is_arbitrary() {
        assert_eq!(Kind::of("example.org/x/envoy.config.cluster.v3.Cluster"), Kind::Cluster);
        assert_eq!(Kind::of("type.googleapis.com/google.protobuf.Struct"), Kind::Other);
    }

    #[test]
    fn a_namespace_ends_at_the_last_slash() {
        assert_eq!(namespace("services/hello"), Some("services"));
        assert_eq!(namespace("a/b/c"), Some("a/b"));
        assert_eq!(namespace("services"), None);
    }
}
