//! From host to virtual host: exact names, wildcards, the default. Knows nothing of paths.

use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::shards::{Keyed, Own, Shards};
use crate::virtual_host::VirtualHost;

/// Which kind of domain let a host in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via<'t> {
    /// `*`.
    Any,
    /// The name itself.
    Exact,
    /// `a.*`; the part before the star.
    Prefix(&'t str),
    /// `*.a`; the part after the star.
    Suffix(&'t str),
}

impl fmt::Display for Via<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("default domain *"),
            Self::Exact => f.write_str("exact domain"),
            Self::Prefix(literal) => write!(f, "wildcard domain {literal}*"),
            Self::Suffix(literal) => write!(f, "wildcard domain *{literal}"),
        }
    }
}

/// All domains of a table; persistent as [`Shards`] are.
#[derive(Clone)]
pub(crate) struct Domains {
    any: Option<Arc<VirtualHost>>,
    exact: Shards<Own>,
    prefix: Wildcards,
    suffix: Wildcards,
}

/// A domain's text, taken apart.
#[derive(Clone, Copy)]
enum Kind<'d> {
    Any,
    Exact,
    Prefix(&'d str),
    Suffix(&'d str),
}

impl Domains {
    pub(crate) fn new(hasher: &RandomState) -> Self {
        Self {
            any: None,
            exact: Shards::new(hasher.clone()),
            prefix: Wildcards::new(hasher, Edge::Last),
            suffix: Wildcards::new(hasher, Edge::First),
        }
    }

    /// The virtual host for a lower-case host, in Envoy's order: exact, suffix wildcards longest first, prefix wildcards
    /// longest first, default. A wildcard stands for at least one character.
    #[inline]
    pub(crate) fn find(&self, host: &[u8]) -> Option<(&Arc<VirtualHost>, Via<'_>)> {
        if let Some(entry) = self.exact.get(host) {
            return Some((&entry.host, Via::Exact));
        }
        if let Some(entry) = self.suffix.find(host) {
            return Some((&entry.host, Via::Suffix(&entry.key)));
        }
        if let Some(entry) = self.prefix.find(host) {
            return Some((&entry.host, Via::Prefix(&entry.key)));
        }
        self.any.as_ref().map(|host| (host, Via::Any))
    }

    /// Who has this very domain.
    pub(crate) fn holder(&self, domain: &str) -> Option<&Arc<VirtualHost>> {
        match kind(domain) {
            Kind::Any => self.any.as_ref(),
            Kind::Exact => self.exact.get(domain.as_bytes()).map(|entry| &entry.host),
            Kind::Prefix(literal) => self.prefix.literals.get(literal.as_bytes()).map(|entry| &entry.host),
            Kind::Suffix(literal) => self.suffix.literals.get(literal.as_bytes()).map(|entry| &entry.host),
        }
    }

    /// Gives every domain of `host` to it; the caller has seen to it that nobody else has one.
    pub(crate) fn insert(&mut self, host: &Arc<VirtualHost>) {
        for (place, domain) in host.domains.places() {
            match kind(domain) {
                Kind::Any => self.any = Some(Arc::clone(host)),
                Kind::Exact => {
                    self.exact.insert(Own { host: Arc::clone(host), domain: place });
                }
                Kind::Prefix(literal) => self.prefix.insert(literal, host),
                Kind::Suffix(literal) => self.suffix.insert(literal, host),
            }
        }
    }

    /// Takes every domain of `host` away.
    pub(crate) fn remove(&mut self, host: &Arc<VirtualHost>) {
        for domain in host.domains.iter() {
            match kind(domain) {
                Kind::Any => {
                    if self.any.as_ref().is_some_and(|any| Arc::ptr_eq(any, host)) {
                        self.any = None;
                    }
                }
                Kind::Exact => {
                    self.exact.remove_of(domain, host);
                }
                Kind::Prefix(literal) => self.prefix.remove(literal, host),
                Kind::Suffix(literal) => self.suffix.remove(literal, host),
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn shared(&self, other: &Self) -> (usize, usize) {
        self.exact.shared(&other.exact)
    }
}

/// As Envoy reads a domain: a star first makes a suffix wildcard even when another star ends it.
fn kind(domain: &str) -> Kind<'_> {
    match (domain, domain.strip_prefix('*'), domain.strip_suffix('*')) {
        ("*", ..) => Kind::Any,
        (_, Some(literal), _) => Kind::Suffix(literal),
        (_, None, Some(literal)) => Kind::Prefix(literal),
        (_, None, None) => Kind::Exact,
    }
}

/// The wildcards of one side, by their literal part.
#[derive(Clone)]
struct Wildcards {
    edge: Edge,
    literals: Shards<Keyed>,
    /// Longest first. One hash per shape is a lookup's price, so a shape also tells the byte next to the star: almost
    /// every wildcard has a dot or a colon there, and almost every host fails on it without hashing.
    shapes: Arc<Vec<Shape>>,
}

/// Which end of the literal touches the star.
#[derive(Clone, Copy)]
enum Edge {
    First,
    Last,
}

#[derive(Clone, Copy)]
struct Shape {
    len: usize,
    /// `None` for an empty literal.
    byte: Option<u8>,
    /// Literals of this shape.
    count: usize,
}

impl Wildcards {
    fn new(hasher: &RandomState, edge: Edge) -> Self {
        Self { edge, literals: Shards::new(hasher.clone()), shapes: Arc::default() }
    }

    #[inline]
    fn find(&self, host: &[u8]) -> Option<&Keyed> {
        self.shapes.iter().filter(|shape| shape.len < host.len()).find_map(|shape| {
            let part = match self.edge {
                Edge::First => &host[host.len() - shape.len..],
                Edge::Last => &host[..shape.len],
            };
            if self.edge_of(part) != shape.byte {
                return None;
            }
            self.literals.get(part)
        })
    }

    fn insert(&mut self, literal: &str, host: &Arc<VirtualHost>) {
        let replaced = self.literals.insert(Keyed { key: literal.into(), host: Arc::clone(host) });
        if replaced.is_some() {
            return;
        }
        let (len, byte) = (literal.len(), self.edge_of(literal.as_bytes()));
        let shapes = Arc::make_mut(&mut self.shapes);
        let at = shapes.partition_point(|shape| (shape.len, shape.byte) > (len, byte));
        match shapes.get_mut(at) {
            Some(shape) if (shape.len, shape.byte) == (len, byte) => shape.count += 1,
            _ => shapes.insert(at, Shape { len, byte, count: 1 }),
        }
    }

    fn remove(&mut self, literal: &str, host: &Arc<VirtualHost>) {
        if !self.literals.remove_of(literal, host) {
            return;
        }
        let (len, byte) = (literal.len(), self.edge_of(literal.as_bytes()));
        let shapes = Arc::make_mut(&mut self.shapes);
        if let Some(at) = shapes.iter().position(|shape| (shape.len, shape.byte) == (len, byte)) {
            shapes[at].count -= 1;
            if shapes[at].count == 0 {
                shapes.remove(at);
            }
        }
    }

    #[inline]
    fn edge_of(&self, literal: &[u8]) -> Option<u8> {
        match self.edge {
            Edge::First => literal.first().copied(),
            Edge::Last => literal.last().copied(),
        }
    }
}
