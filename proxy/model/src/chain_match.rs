//! Which filter chain a connection is for: Envoy's order of properties, the most specific value of each, no way back. Knows
//! no protobuf and no chains, only their places in a list.

use std::net::{IpAddr, SocketAddr};

use foldhash::HashMap;

/// What a connection has to be for a chain to take it. An empty list is anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainMatch {
    /// Where it connected to.
    pub destination_port: Option<u16>,
    /// Where it connected to.
    pub destination_prefixes: Vec<Prefix>,
    /// What its ClientHello asks for: lower case, `*.` in front for every name below. Sorted.
    pub server_names: Vec<Box<str>>,
    /// `tls` or `raw_buffer`.
    pub transport_protocol: Option<Box<str>>,
    /// What its ClientHello offers. Sorted.
    pub application_protocols: Vec<Box<str>>,
    /// Where its last hop is.
    pub direct_source_prefixes: Vec<Prefix>,
    /// Whether it comes from this machine.
    pub source_type: SourceType,
    /// Where it comes from.
    pub source_prefixes: Vec<Prefix>,
    /// Where it comes from.
    pub source_ports: Vec<u16>,
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

/// Whether a connection comes from this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceType {
    /// Either.
    #[default]
    Any,
    /// From a loopback address, or the one it connected to.
    Local,
    /// From elsewhere.
    External,
}

/// A connection before it has a chain.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Where it connected to.
    pub destination: SocketAddr,
    /// The name its ClientHello asks for, in lower case.
    pub server_name: Option<&'a str>,
    /// Whether it begins with a ClientHello.
    pub tls: bool,
    /// What its ClientHello offers.
    pub application_protocols: &'a [Box<[u8]>],
    /// Its last hop.
    pub direct_source: IpAddr,
    /// Where it comes from.
    pub source: SocketAddr,
}

impl Prefix {
    /// The addresses that share `bits` bits with `address`; `None` if it has not that many.
    pub fn new(address: IpAddr, bits: u32) -> Option<Self> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = u8::try_from(bits).ok().filter(|bits| *bits <= most)?;
        Some(Self { address: masked(address, bits), bits })
    }

    fn holds(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && masked(address, self.bits) == self.address
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// What is left to look at once the protocol is known.
type BySource = Prefixes<Types<Prefixes<Ports<Leaf>>>>;

/// The choice between chains by their places in a list.
#[derive(Debug, Clone, Default)]
pub struct Chains(Ports<Prefixes<Names<Texts<Texts<BySource>>>>>);

type Leaf = Option<usize>;

/// Two chains that are for the same connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The place of the one that was there.
    pub first: usize,
}

impl Chains {
    /// One more chain, at `place` of the list.
    pub fn add(&mut self, place: usize, matches: &ChainMatch) -> Result<(), Overlap> {
        let ports = self.0.at(matches.destination_port);
        for prefix in or_any(&matches.destination_prefixes) {
            let names = ports.at(prefix);
            for name in or_any(&matches.server_names) {
                let transports = names.at(name.as_deref());
                let protocols = transports.at(matches.transport_protocol.as_deref());
                for protocol in or_any(&matches.application_protocols) {
                    let sources = protocols.at(protocol.as_deref());
                    for prefix in or_any(&matches.direct_source_prefixes) {
                        let types = sources.at(prefix);
                        let sources = types.at(matches.source_type);
                        for prefix in or_any(&matches.source_prefixes) {
                            let ports = sources.at(prefix);
                            for port in or_any(&matches.source_ports) {
                                match ports.at(port) {
                                    Some(first) => return Err(Overlap { first: *first }),
                                    leaf @ None => *leaf = Some(place),
                                }
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The chain that a connection is for.
    pub fn find(&self, arrival: &Arrival<'_>) -> Option<usize> {
        let local = arrival.source.ip().is_loopback() || arrival.source.ip() == arrival.destination.ip();
        *self
            .0
            .get(arrival.destination.port())?
            .get(arrival.destination.ip())?
            .get(arrival.server_name)?
            .get([if arrival.tls { "tls" } else { "raw_buffer" }.as_bytes()])?
            .get(arrival.application_protocols.iter().map(|protocol| &**protocol))?
            .get(arrival.direct_source)?
            .get(local)?
            .get(arrival.source.ip())?
            .get(arrival.source.port())?
    }
}

/// Each value, or the one that stands for any.
fn or_any<T: Clone>(values: &[T]) -> Vec<Option<T>> {
    if values.is_empty() { vec![None] } else { values.iter().cloned().map(Some).collect() }
}

/// By port. Few.
#[derive(Debug, Clone)]
struct Ports<T>(Vec<(Option<u16>, T)>);

impl<T: Default> Ports<T> {
    fn at(&mut self, port: Option<u16>) -> &mut T {
        at(&mut self.0, &port, || port)
    }

    fn get(&self, port: u16) -> Option<&T> {
        exact(&self.0, |key| *key == Some(port)).or_else(|| exact(&self.0, Option::is_none))
    }
}

/// By range of addresses, the longest that holds one. Few.
#[derive(Debug, Clone)]
struct Prefixes<T>(Vec<(Option<Prefix>, T)>);

impl<T: Default> Prefixes<T> {
    fn at(&mut self, prefix: Option<Prefix>) -> &mut T {
        at(&mut self.0, &prefix, || prefix)
    }

    fn get(&self, address: IpAddr) -> Option<&T> {
        let address = address.to_canonical();
        let holds = |key: &Option<Prefix>| key.is_none_or(|prefix| prefix.holds(address));
        let fits = self.0.iter().filter(|(key, _)| holds(key));
        fits.max_by_key(|(key, _)| key.map_or(-1, |prefix| i16::from(prefix.bits))).map(|(_, value)| value)
    }
}

/// By name of a server: the name, the longest wildcard over it, any. Thousands.
#[derive(Debug, Clone)]
struct Names<T> {
    /// Wildcards with their `*.`.
    named: HashMap<Box<str>, T>,
    any: Option<Box<T>>,
}

impl<T: Default> Names<T> {
    fn at(&mut self, name: Option<&str>) -> &mut T {
        match name {
            Some(name) => self.named.entry(name.into()).or_default(),
            None => self.any.get_or_insert_default(),
        }
    }

    fn get(&self, name: Option<&str>) -> Option<&T> {
        if let Some(name) = name
            && !self.named.is_empty()
        {
            if let Some(found) = self.named.get(name) {
                return Some(found);
            }
            let parents = name.match_indices('.').filter_map(|(dot, _)| name.get(dot..));
            let wild = |parent: &str| self.named.get(format!("*{parent}").as_str());
            if let Some(found) = parents.filter(|parent| parent.len() > 1).find_map(wild) {
                return Some(found);
            }
        }
        self.any.as_deref()
    }
}

/// By a word, the first of several that is there. Few.
#[derive(Debug, Clone)]
struct Texts<T>(Vec<(Option<Box<str>>, T)>);

impl<T: Default> Texts<T> {
    fn at(&mut self, text: Option<&str>) -> &mut T {
        let place = self.0.iter().position(|(key, _)| key.as_deref() == text).unwrap_or(self.0.len());
        if place == self.0.len() {
            self.0.push((text.map(Into::into), T::default()));
        }
        &mut self.0[place].1
    }

    fn get<'t>(&self, texts: impl IntoIterator<Item = &'t [u8]>) -> Option<&T> {
        let is =
            |key: &Option<Box<str>>, text: &[u8]| key.as_deref().is_some_and(|key| key.as_bytes() == text);
        let found = texts.into_iter().find_map(|text| exact(&self.0, |key| is(key, text)));
        found.or_else(|| exact(&self.0, Option::is_none))
    }
}

/// By where a connection comes from.
#[derive(Debug, Clone)]
struct Types<T>([Option<Box<T>>; 3]);

impl<T: Default> Types<T> {
    fn at(&mut self, kind: SourceType) -> &mut T {
        self.0[kind as usize].get_or_insert_default()
    }

    fn get(&self, local: bool) -> Option<&T> {
        let [any, here, elsewhere] = &self.0;
        if local { here } else { elsewhere }.as_deref().or(any.as_deref())
    }
}

fn at<'l, K: PartialEq, T: Default>(
    list: &'l mut Vec<(K, T)>,
    key: &K,
    own: impl FnOnce() -> K,
) -> &'l mut T {
    let place = list.iter().position(|(known, _)| known == key).unwrap_or(list.len());
    if place == list.len() {
        list.push((own(), T::default()));
    }
    &mut list[place].1
}

fn exact<K, T>(list: &[(K, T)], is: impl Fn(&K) -> bool) -> Option<&T> {
    list.iter().find(|(key, _)| is(key)).map(|(_, value)| value)
}

macro_rules! empty {
    ($($name:ident => $empty:expr),*) => {
        $(impl<T> Default for $name<T> {
            fn default() -> Self {
                $empty
            }
        })*
    };
}
empty!(
    Ports => Ports(Vec::new()), Prefixes => Prefixes(Vec::new()), Texts => Texts(Vec::new()),
    Names => Names { named: HashMap::default(), any: None }, Types => Types([None, None, None])
);

#[cfg(test)]
mod tests;
