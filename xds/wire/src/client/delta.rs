//! The messages of incremental xDS. Knows nothing of the state of a stream.

use std::time::Duration;

use forebay_base::turn;
use forebay_proto::envoy::service::discovery::v3::DeltaDiscoveryRequest;

use super::{DeltaResponse, Draft, Item, Parsed, Rejection, Variant};
use crate::NOT_FOUND;

/// Incremental xDS.
#[derive(Debug)]
pub enum Delta {}

impl Variant for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaResponse;
    const DELTA: bool = true;

    fn parse(response: DeltaResponse) -> Parsed {
        let mut parsed = Parsed {
            type_url: response.type_url,
            nonce: response.nonce,
            version: response.system_version_info,
            removed: response.removed_resources,
            ..Parsed::default()
        };
        for resource in response.resources {
            turn::share();
            let name = match resource.resource_name {
                Some(name) if resource.name.is_empty() => name.name,
                _ => resource.name,
            };
            if name.is_empty() {
                parsed.faults.push(Rejection { name, message: "a resource without a name".into() });
                continue;
            }
            let ttl = resource.ttl.and_then(to_std);
            parsed.items.push(Item { name, version: resource.version, ttl, body: resource.resource });
        }
        parsed.removed.extend(response.removed_resource_names.into_iter().map(|name| name.name));
        for error in response.resource_errors {
            // An error other than "not found" says nothing about what is held.
            if error.error_detail.is_some_and(|status| status.code == NOT_FOUND) {
                parsed.removed.extend(error.resource_name.map(|name| name.name));
            }
        }
        parsed
    }

    fn request(draft: Draft) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: draft.node,
            type_url: draft.type_url,
            resource_names_subscribe: draft.subscribe,
            resource_names_unsubscribe: draft.unsubscribe,
            initial_resource_versions: draft.held.into_iter().collect(),
            response_nonce: draft.nonce,
            error_detail: draft.error,
            ..DeltaDiscoveryRequest::default()
        }
    }
}

/// A time to live; none for a negative one.
pub(super) fn to_std(duration: forebay_proto::google::protobuf::Duration) -> Option<Duration> {
    let seconds = u64::try_from(duration.seconds).ok()?;
    let nanos = u32::try_from(duration.nanos).ok()?;
    Some(Duration::from_secs(seconds) + Duration::from_nanos(nanos.into()))
}
