//! One byte string for one meaning: prost writes a map in the order of its `HashMap`, which differs from one run to the
//! next, so entries of the maps we know are put in key order before hashing. Knows the fields that lead to maps in the
//! five xDS types, and nothing else of them.
//!
//! The order of map entries means nothing in protobuf, so sorting is always right. A map that is not listed here (one
//! inside an `Any`, say) costs a needless push after a restart and nothing worse.

use forebay_proto::type_url;

/// The fields of a message that are maps, or lead to some.
struct Shape {
    /// Map fields, and the shape of an entry.
    maps: &'static [(u64, &'static Shape)],
    /// Fields of message type.
    inside: &'static [(u64, &'static Shape)],
}

/// A map entry whose value holds no maps.
static PLAIN: Shape = Shape { maps: &[], inside: &[] };
/// google.protobuf.Struct: fields = 1; an entry's value is field 2.
static STRUCT: Shape = Shape { maps: &[(1, &Shape { maps: &[], inside: &[(2, &VALUE)] })], inside: &[] };
/// google.protobuf.Value: struct_value = 5, list_value = 6.
static VALUE: Shape =
    Shape { maps: &[], inside: &[(5, &STRUCT), (6, &Shape { maps: &[], inside: &[(1, &VALUE)] })] };
/// core.v3.Metadata: filter_metadata = 1, typed_filter_metadata = 2.
static METADATA: Shape =
    Shape { maps: &[(1, &Shape { maps: &[], inside: &[(2, &STRUCT)] }), (2, &PLAIN)], inside: &[] };
/// endpoint.v3.LbEndpoint: metadata = 3.
static LB_ENDPOINT: Shape = Shape { maps: &[], inside: &[(3, &METADATA)] };
/// endpoint.v3.LocalityLbEndpoints: lb_endpoints = 2, metadata = 9.
static LOCALITY: Shape = Shape { maps: &[], inside: &[(2, &LB_ENDPOINT), (9, &METADATA)] };
/// endpoint.v3.ClusterLoadAssignment: endpoints = 2, named_endpoints = 5.
static ENDPOINTS: Shape = Shape { maps: &[(5, &PLAIN)], inside: &[(2, &LOCALITY)] };
/// cluster.v3.Cluster: metadata = 25, load_assignment = 33, typed_extension_protocol_options = 36.
static CLUSTER: Shape = Shape { maps: &[(36, &PLAIN)], inside: &[(25, &METADATA), (33, &ENDPOINTS)] };
/// listener.v3.Listener: filter_chains = 3, metadata = 6; FilterChain: metadata = 5.
static LISTENER: Shape =
    Shape { maps: &[], inside: &[(3, &Shape { maps: &[], inside: &[(5, &METADATA)] }), (6, &METADATA)] };
/// route.v3.WeightedCluster.ClusterWeight: metadata_match = 3, typed_per_filter_config = 10.
static CLUSTER_WEIGHT: Shape = Shape { maps: &[(10, &PLAIN)], inside: &[(3, &METADATA)] };
/// route.v3.RouteAction: weighted_clusters = 3 (clusters = 1), metadata_match = 4.
static ROUTE_ACTION: Shape = Shape {
    maps: &[],
    inside: &[(3, &Shape { maps: &[], inside: &[(1, &CLUSTER_WEIGHT)] }), (4, &METADATA)],
};
/// route.v3.Route: route = 2, metadata = 4, typed_per_filter_config = 13.
static ROUTE: Shape = Shape { maps: &[(13, &PLAIN)], inside: &[(2, &ROUTE_ACTION), (4, &METADATA)] };
/// route.v3.VirtualHost: routes = 3, typed_per_filter_config = 15, metadata = 24.
static VIRTUAL_HOST: Shape = Shape { maps: &[(15, &PLAIN)], inside: &[(3, &ROUTE), (24, &METADATA)] };
/// route.v3.RouteConfiguration: virtual_hosts = 2, typed_per_filter_config = 16, metadata = 17.
static ROUTE_CONFIGURATION: Shape =
    Shape { maps: &[(16, &PLAIN)], inside: &[(2, &VIRTUAL_HOST), (17, &METADATA)] };

/// Deepest nesting that is followed: prost's own limit when it decodes.
const DEPTH: u8 = 100;

/// Puts map entries in key order, in place.
pub(crate) fn order_maps(url: &str, message: &mut [u8]) {
    let shape = match url {
        type_url::CLUSTER => &CLUSTER,
        type_url::ENDPOINTS => &ENDPOINTS,
        type_url::LISTENER => &LISTENER,
        type_url::ROUTE => &ROUTE_CONFIGURATION,
        type_url::VIRTUAL_HOST => &VIRTUAL_HOST,
        _ => return,
    };
    order(shape, message, DEPTH);
}

fn order(shape: &Shape, message: &mut [u8], depth: u8) {
    if depth == 0 || (shape.maps.is_empty() && shape.inside.is_empty()) {
        return;
    }
    let mut at = 0;
    // A run of entries of one map; prost writes them next to each other.
    let mut run: Vec<Field> = Vec::new();
    while let Some(field) = Field::read(message, at) {
        at = field.end;
        if run.first().is_some_and(|first| first.number != field.number) {
            sort(message, &run);
            run.clear();
        }
        let map = shape.maps.iter().find(|(number, _)| *number == field.number);
        let inner = map.or_else(|| shape.inside.iter().find(|(number, _)| *number == field.number));
        if let (Some((_, inner)), true, Some(content)) =
            (inner, field.has_length, message.get_mut(field.content..field.end))
        {
            order(inner, content, depth - 1);
        }
        if map.is_some() {
            run.push(field);
        }
    }
    sort(message, &run);
}

fn sort(message: &mut [u8], run: &[Field]) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
    let mut entries: Vec<(&[u8], &[u8])> =
        run.iter().map(|field| (field.key(message), field.whole(message))).collect();
    if entries.is_sorted_by_key(|(key, _)| *key) {
        return;
    }
    entries.sort_by_key(|(key, _)| *key);
    let sorted: Vec<u8> = entries.iter().flat_map(|(_, whole)| whole.iter().copied()).collect();
    if let Some(place) = message.get_mut(first.start..last.end) {
        place.copy_from_slice(&sorted);
    }
}

/// One field of an encoded message, by position.
#[derive(Debug, Clone, Copy)]
struct Field {
    number: u64,
    has_length: bool,
    start: usize,
    content: usize,
    end: usize,
}

impl Field {
    /// The field that starts at `start`; none at the end or in what is not protobuf.
    fn read(message: &[u8], start: usize) -> Option<Self> {
        let (tag, content) = varint(message, start)?;
        let number = tag >> 3;
        let (content, end) = match tag & 7 {
            0 => (content, varint(message, content)?.1),
            1 => (content, content.checked_add(8)?),
            2 => {
                let (length, content) = varint(message, content)?;
                (content, content.checked_add(usize::try_from(length).ok()?)?)
            }
            5 => (content, content.checked_add(4)?),
            _ => return None,
        };
        (end <= message.len()).then_some(Self { number, has_length: tag & 7 == 2, start, content, end })
    }

    fn whole<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        message.get(self.start..self.end).unwrap_or_default()
    }

    /// A map entry's key: its field 1, which prost leaves out when it is empty.
    fn key<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        let entry = message.get(self.content..self.end).unwrap_or_default();
        match Field::read(entry, 0) {
            Some(key) if key.number == 1 => entry.get(key.content..key.end).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// A varint and where it ends.
fn varint(message: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *message.get(at)?;
        at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
    }
    None
}

#[cfg(test)]
mod tests;
