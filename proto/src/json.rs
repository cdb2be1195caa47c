//! Envoy's messages as JSON, by their descriptors. The descriptors take some MiB while they are loaded: load them for one
//! job and drop them. Knows no particular message.

use prost_reflect::{DescriptorError, DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Value, json};

/// All messages of the vocabulary, described.
pub fn descriptors() -> Result<DescriptorPool, DescriptorError> {
    DescriptorPool::decode(&include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"))[..])
}

/// The message of type `name` (the part of a type URL behind its slash) in `bytes` as Envoy prints it: fields by their names
/// in the `.proto`, without those that have their default, `Any` with its content.
pub fn print(pool: &DescriptorPool, name: &str, bytes: &[u8]) -> Value {
    let Some(descriptor) = pool.get_message_by_name(name) else {
        return json!({ "@type": format!("type.googleapis.com/{name}"), "error": "unknown type" });
    };
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(true);
    let printed =
        DynamicMessage::decode(descriptor, bytes).map_err(|error| error.to_string()).and_then(|message| {
            message
                .serialize_with_options(serde_json::value::Serializer, &options)
                .map_err(|error| error.to_string())
        });
    printed.unwrap_or_else(|error| json!({ "error": error }))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::envoy::config::core::v3::{Node, TypedExtensionConfig};
    use crate::google::protobuf::{Any, UInt32Value};

    #[test]
    fn the_descriptors_hold_together_and_print() {
        let pool = descriptors().unwrap();
        let node = Node { id: "n".to_owned(), user_agent_name: "x".to_owned(), ..Node::default() };
        let printed = print(&pool, "envoy.config.core.v3.Node", &node.encode_to_vec());
        assert_eq!(printed, json!({ "id": "n", "user_agent_name": "x" }));
        let any = Any {
            type_url: "type.googleapis.com/google.protobuf.UInt32Value".to_owned(),
            value: UInt32Value { value: 7 }.encode_to_vec(),
        };
        let extension = TypedExtensionConfig { name: "e".to_owned(), typed_config: Some(any) };
        let printed = print(&pool, "envoy.config.core.v3.TypedExtensionConfig", &extension.encode_to_vec());
        let inner = json!({ "@type": "type.googleapis.com/google.protobuf.UInt32Value", "value": 7 });
        assert_eq!(printed, json!({ "name": "e", "typed_config": inner }));
        assert!(print(&pool, "a.b.C", &[])["error"].is_string());
    }
}
