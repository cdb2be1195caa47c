//! What one stream asked for, per type. Knows nothing of versions, nonces or bodies.

use forebay_base::tree::Tree;

use crate::kind::{Kind, namespace};

/// The name that stands for every resource of a type.
pub const WILDCARD: &str = "*";

/// What one stream asked for, of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// The first request named nothing: everything (LDS, CDS, VHDS). The same as a subscription to `*`, but only while
    /// no name was ever given on this stream; after that an empty list means "nothing" (xDS protocol, "wildcard").
    Legacy,
    /// Names, and whether `*` is among them. In delta a name does not end the wildcard; only dropping `*` does.
    Explicit {
        /// `*` was subscribed.
        wildcard: bool,
        /// The other names.
        names: Tree<Box<str>, ()>,
    },
}

impl Subscription {
    /// Nothing yet.
    pub const fn none() -> Self {
        Self::Explicit { wildcard: false, names: Tree::new() }
    }

    /// What the list of names in a complete (first, or state-of-the-world) request means.
    pub fn of_list(kind: Kind, legacy_allowed: bool, list: impl IntoIterator<Item = String>) -> Self {
        let mut subscription = Self::none();
        let mut empty = true;
        for name in list {
            empty = false;
            subscription.add(name);
        }
        if empty && legacy_allowed && kind.is_opened_without_names() { Self::Legacy } else { subscription }
    }

    /// Adds a name or `*`; true when it was not there. Legacy turns into the explicit form and stays a wildcard.
    pub fn add(&mut self, name: String) -> bool {
        match self {
            Self::Legacy if name == WILDCARD => {
                *self = Self::Explicit { wildcard: true, names: Tree::new() };
                false
            }
            Self::Legacy => {
                *self = Self::Explicit { wildcard: true, names: Tree::from_iter([(name.into(), ())]) };
                true
            }
            Self::Explicit { wildcard, .. } if name == WILDCARD => !std::mem::replace(wildcard, true),
            Self::Explicit { names, .. } => names.insert(name.into(), ()).is_none(),
        }
    }

    /// Drops a name or `*`; true when it was there.
    pub fn drop_name(&mut self, name: &str) -> bool {
        match self {
            Self::Legacy if name == WILDCARD => {
                *self = Self::none();
                true
            }
            Self::Legacy => false,
            Self::Explicit { wildcard, .. } if name == WILDCARD => std::mem::replace(wildcard, false),
            Self::Explicit { names, .. } => names.remove(name).is_some(),
        }
    }

    /// Everything is asked for.
    pub const fn is_wildcard(&self) -> bool {
        matches!(self, Self::Legacy | Self::Explicit { wildcard: true, .. })
    }

    /// Nothing is asked for.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Explicit { wildcard: false, names } if names.is_empty())
    }

    /// The resource is asked for: by `*`, by its name, or by its namespace where the type has such.
    pub fn covers(&self, kind: Kind, name: &str) -> bool {
        match self {
            Self::Legacy | Self::Explicit { wildcard: true, .. } => true,
            Self::Explicit { names, .. } => {
                names.contains_key(name)
                    || (kind.has_namespaces()
                        && namespace(name).is_some_and(|space| names.contains_key(space)))
            }
        }
    }

    /// The name itself was given, whatever `*` covers.
    pub fn names(&self, name: &str) -> bool {
        matches!(self, Self::Explicit { names, .. } if names.contains_key(name))
    }

    /// The list of a complete request: empty for legacy, otherwise `*` first and then the names.
    pub fn list(&self) -> Vec<String> {
        match self {
            Self::Legacy => Vec::new(),
            Self::Explicit { wildcard, names } => wildcard
                .then(|| WILDCARD.to_owned())
                .into_iter()
                .chain(names.keys().map(|name| name.to_string()))
                .collect(),
        }
    }

    /// The explicit names, without `*`.
    pub fn explicit(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Legacy => None,
            Self::Explicit { names, .. } => Some(names),
        };
        names.into_iter().flat_map(|names| names.keys()).map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_first_list_is_everything_for_clusters_and_nothing_for_endpoints() {
        assert_eq!(Subscription::of_list(Kind::Cluster, true, []), Subscription::Legacy);
        assert!(Subscription::of_list(Kind::Endpoints, true, []).is_empty());
        assert!(Subscription::of_list(Kind::Cluster, false, []).is_empty());
    }

    #[test]
    fn a_name_does_not_end_the_wildcard_and_dropping_the_star_does() {
        let mut s = Subscription::Legacy;
        assert!(s.add("a".into()));
        assert!(s.is_wildcard() && s.covers(Kind::Cluster, "b"));
        assert_eq!(s.list(), ["*", "a"]);
        assert!(s.drop_name("*"));
        assert!(s.covers(Kind::Cluster, "a") && !s.covers(Kind::Cluster, "b"));
    }

    #[test]
    fn a_namespace_covers_virtual_hosts_only() {
        let s = Subscription::of_list(Kind::VirtualHost, true, ["services".to_owned()]);
        assert!(s.covers(Kind::VirtualHost, "services/hello"));
        assert!(!s.covers(Kind::VirtualHost, "services/a/b"));
        assert!(!s.covers(Kind::Endpoints, "services/hello"));
    }
}
