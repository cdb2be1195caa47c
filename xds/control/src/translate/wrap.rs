//! Protobuf's ceremony: wrapped numbers, durations, addresses, `Any`. Knows no Knative.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_proto::Any;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::google::protobuf as pb;
use prost::{Message, Name};

pub(super) fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

pub(super) fn yes() -> Option<pb::BoolValue> {
    Some(pb::BoolValue { value: true })
}

pub(super) fn number(value: u32) -> Option<pb::UInt32Value> {
    Some(pb::UInt32Value { value })
}

pub(super) fn duration(value: Duration) -> Option<pb::Duration> {
    Some(pb::Duration { seconds: value.as_secs() as i64, nanos: value.subsec_nanos() as i32 })
}

/// "By the stream that this came by."
pub(super) fn ads() -> Option<core::ConfigSource> {
    Some(core::ConfigSource {
        resource_api_version: core::ApiVersion::V3 as i32,
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(Default::default())),
        ..Default::default()
    })
}

pub(super) fn address(socket: SocketAddr) -> Option<core::Address> {
    use core::socket_address::PortSpecifier::PortValue;
    let socket = core::SocketAddress {
        address: socket.ip().to_string(),
        // `[::]` is for both families, as people expect of a program they start by hand.
        ipv4_compat: socket.is_ipv6() && socket.ip().is_unspecified(),
        port_specifier: Some(PortValue(socket.port().into())),
        ..Default::default()
    };
    Some(core::Address { address: Some(core::address::Address::SocketAddress(socket)) })
}
