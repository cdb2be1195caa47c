use std::collections::HashMap;

use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::core::v3::Metadata;
use forebay_proto::google::protobuf::value::Kind;
use forebay_proto::google::protobuf::{Any, ListValue, Struct, Value};
use forebay_proto::type_url;
use prost::Message;

use super::order_maps;

fn text(s: &str) -> Value {
    Value { kind: Some(Kind::StringValue(s.into())) }
}

/// Every call makes new `HashMap`s, and with them a new order.
fn cluster() -> Cluster {
    let inner = Struct { fields: (0..9).map(|i| (format!("inner-{i}"), text("y"))).collect() };
    let list = ListValue { values: vec![text("z"), Value { kind: Some(Kind::StructValue(inner)) }] };
    let mut fields: HashMap<_, _> = (0..20).map(|i| (format!("field-{i}"), text("x"))).collect();
    fields.insert("list".into(), Value { kind: Some(Kind::ListValue(list)) });
    let any = Any { type_url: "a/b".into(), value: vec![1, 2, 3] };
    Cluster {
        name: "default/hello-00001".into(),
        metadata: Some(Metadata {
            filter_metadata: ["forebay.revision", "other", ""]
                .map(|k| (k.into(), Struct { fields: fields.clone() }))
                .into(),
            ..Metadata::default()
        }),
        typed_extension_protocol_options: (0..5).map(|i| (format!("option-{i}"), any.clone())).collect(),
        ..Cluster::default()
    }
}

#[test]
fn the_same_cluster_has_the_same_bytes_whatever_the_order_of_its_maps() {
    let encode = || {
        let mut bytes = cluster().encode_to_vec();
        order_maps(type_url::CLUSTER, &mut bytes);
        bytes
    };
    let first = encode();
    assert_eq!(Cluster::decode(first.as_slice()).unwrap(), cluster());
    for _ in 0..50 {
        assert_eq!(encode(), first);
    }
}

#[test]
fn what_is_not_protobuf_is_left_alone() {
    for bytes in [&b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\x0a\x7f", b"\x07", b""] {
        let mut copy = bytes.to_vec();
        order_maps(type_url::CLUSTER, &mut copy);
        assert_eq!(copy, bytes);
    }
}
