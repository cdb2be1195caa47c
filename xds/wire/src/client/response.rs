//! Responses as a client takes them: the same on the wire as the messages of `envoy.service.discovery.v3`, but for what nobody reads,
//! and with bodies that are not copied. Knows nothing of the state of a stream.

use forebay_proto::Body;
use forebay_proto::envoy::service::discovery::v3::{ResourceError, ResourceName};
use forebay_proto::google::protobuf::Duration;
use prost::Message;

/// `DiscoveryResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct WorldResponse {
    #[prost(string, tag = "1")]
    pub version_info: String,
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Body>,
    #[prost(string, tag = "4")]
    pub type_url: String,
    #[prost(string, tag = "5")]
    pub nonce: String,
}

/// `DeltaDiscoveryResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct DeltaResponse {
    #[prost(string, tag = "1")]
    pub system_version_info: String,
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Wrapped>,
    #[prost(string, tag = "4")]
    pub type_url: String,
    #[prost(string, tag = "5")]
    pub nonce: String,
    #[prost(string, repeated, tag = "6")]
    pub removed_resources: Vec<String>,
    #[prost(message, repeated, tag = "8")]
    pub removed_resource_names: Vec<ResourceName>,
    #[prost(message, repeated, tag = "9")]
    pub resource_errors: Vec<ResourceError>,
}

/// `Resource`: a body with what is told of it.
#[derive(Clone, PartialEq, Message)]
pub struct Wrapped {
    #[prost(string, tag = "1")]
    pub version: String,
    #[prost(message, optional, tag = "2")]
    pub resource: Option<Body>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(message, optional, tag = "8")]
    pub resource_name: Option<ResourceName>,
    #[prost(message, optional, tag = "6")]
    pub ttl: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use forebay_proto::Any;
    use forebay_proto::envoy::service::discovery::v3 as pb;
    use prost::bytes::Bytes;

    use super::*;

    fn any() -> Any {
        Any { type_url: "a/b.C".into(), value: vec![7; 100] }
    }

    #[test]
    fn reads_what_the_world_is_told() {
        let sent = pb::DiscoveryResponse {
            version_info: "v".into(),
            resources: vec![any(), any()],
            canary: true,
            type_url: "t".into(),
            nonce: "n".into(),
            control_plane: Some(Default::default()),
            ..Default::default()
        };
        let wanted = WorldResponse {
            version_info: "v".into(),
            resources: vec![any().into(), any().into()],
            type_url: "t".into(),
            nonce: "n".into(),
        };
        assert_eq!(WorldResponse::decode(sent.encode_to_vec().as_slice()).unwrap(), wanted);
    }

    #[test]
    fn reads_what_a_difference_is_told() {
        let name = |name: &str| pb::ResourceName { name: name.into(), ..Default::default() };
        let ttl = Duration { seconds: 3, nanos: 4 };
        let error = pb::ResourceError { resource_name: Some(name("e")), error_detail: None };
        let sent = pb::DeltaDiscoveryResponse {
            system_version_info: "s".into(),
            resources: vec![pb::Resource {
                name: "a".into(),
                resource_name: Some(name("b")),
                aliases: vec!["other".into()],
                version: "1".into(),
                resource: Some(any()),
                ttl: Some(ttl),
                ..Default::default()
            }],
            type_url: "t".into(),
            removed_resources: vec!["x".into()],
            removed_resource_names: vec![name("y")],
            nonce: "n".into(),
            control_plane: Some(Default::default()),
            resource_errors: vec![error.clone()],
        };
        let wanted = DeltaResponse {
            system_version_info: "s".into(),
            resources: vec![Wrapped {
                version: "1".into(),
                resource: Some(any().into()),
                name: "a".into(),
                resource_name: Some(name("b")),
                ttl: Some(ttl),
            }],
            type_url: "t".into(),
            nonce: "n".into(),
            removed_resources: vec!["x".into()],
            removed_resource_names: vec![name("y")],
            resource_errors: vec![error],
        };
        assert_eq!(DeltaResponse::decode(sent.encode_to_vec().as_slice()).unwrap(), wanted);
    }

    #[test]
    fn a_body_lies_where_its_message_came() {
        let message = Bytes::from(
            pb::DiscoveryResponse { resources: vec![any()], ..Default::default() }.encode_to_vec(),
        );
        let read = WorldResponse::decode(message.clone()).unwrap();
        let (body, whole) = (read.resources[0].value.as_ptr_range(), message.as_ptr_range());
        assert!(whole.start < body.start && body.end <= whole.end);
    }
}
