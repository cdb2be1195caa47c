//! The messages of state-of-the-world xDS. Knows nothing of the state of a stream.

use forebay_base::turn;
use forebay_proto::Body;
use forebay_proto::envoy::service::discovery::v3::{DiscoveryRequest, Resource};
use prost::{Message, Name};

use super::delta::to_std;
use super::{Draft, Item, Parsed, Rejection, Variant, WorldResponse, Wrapped};

/// State-of-the-world xDS.
#[derive(Debug)]
pub enum StateOfTheWorld {}

impl Variant for StateOfTheWorld {
    type Request = DiscoveryRequest;
    type Response = WorldResponse;
    const DELTA: bool = false;

    fn parse(response: WorldResponse) -> Parsed {
        let mut parsed = Parsed {
            type_url: response.type_url,
            nonce: response.nonce,
            version: response.version_info,
            ..Parsed::default()
        };
        for any in response.resources {
            turn::share();
            match item(any, &parsed.version) {
                Ok(item) => parsed.items.push(item),
                Err(message) => parsed.faults.push(Rejection { name: String::new(), message }),
            }
        }
        parsed
    }

    fn request(draft: Draft) -> DiscoveryRequest {
        DiscoveryRequest {
            version_info: draft.version,
            node: draft.node,
            resource_names: draft.names,
            type_url: draft.type_url,
            response_nonce: draft.nonce,
            error_detail: draft.error,
            ..DiscoveryRequest::default()
        }
    }
}

/// The one field that every xDS resource has in common: its name is field 1 (Listener, RouteConfiguration, VirtualHost,
/// Cluster, ClusterLoadAssignment, Secret, Runtime, ScopedRouteConfiguration).
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

/// A resource, out of its wrapper if it has one (a server wraps to give a time to live).
fn item(any: Body, version: &str) -> Result<Item, String> {
    if any.type_url == Resource::type_url() {
        let wrapper =
            Wrapped::decode(any.value).map_err(|e| format!("a resource wrapper does not decode: {e}"))?;
        let ttl = wrapper.ttl.and_then(to_std);
        let name = match &wrapper.resource {
            Some(body) if wrapper.name.is_empty() => name_of(body)?,
            _ => wrapper.name,
        };
        return Ok(Item { name, version: version.to_owned(), ttl, body: wrapper.resource });
    }
    Ok(Item { name: name_of(&any)?, version: version.to_owned(), ttl: None, body: Some(any) })
}

fn name_of(any: &Body) -> Result<String, String> {
    match Named::decode(&*any.value) {
        Ok(Named { name }) if name.is_empty() => Err(format!("a {} without a name", any.type_url)),
        Ok(Named { name }) => Ok(name),
        Err(e) => Err(format!("a {} does not decode: {e}", any.type_url)),
    }
}
