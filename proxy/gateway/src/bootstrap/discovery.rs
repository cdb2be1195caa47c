//! A file of resources: a `DiscoveryResponse` in YAML, JSON or protobuf's binary form. Knows nothing of what is in it.

use std::path::Path;

use forebay_proto::Any;
use forebay_proto::envoy::service::discovery::v3::DiscoveryResponse;
use prost::Message;

use super::message::Reader;
use super::problem::Problem;
use super::tree::{self, Value};

/// Reads a file of this name.
pub(crate) fn discovery(name: &str, bytes: &[u8]) -> Result<DiscoveryResponse, Problem> {
    let read = match Path::new(name).extension().and_then(|end| end.to_str()) {
        Some("pb") => DiscoveryResponse::decode(bytes)
            .map_err(|error| Problem::whole(format!("is no DiscoveryResponse: {error}"))),
        Some("pb_text" | "textproto") => {
            Err(Problem::whole("protobuf's text form is not supported; YAML, JSON and .pb are"))
        }
        _ => {
            std::str::from_utf8(bytes).map_err(|_| Problem::whole("not YAML: it is not UTF-8")).and_then(text)
        }
    };
    read.map_err(|problem| problem.within(name))
}

fn text(text: &str) -> Result<DiscoveryResponse, Problem> {
    let tree = tree::parse(text)?;
    // Whoever truncates a file does not mean that everything is gone: that is `resources: []`.
    let Some(tree) = tree else { return Err(Problem::whole("is empty")) };
    if !matches!(tree.value, Value::Map(_)) {
        return Err(Problem::at(
            tree.line,
            "",
            format!("expected a DiscoveryResponse, found {}", tree.value),
        ));
    }
    let pool = forebay_proto::json::descriptors().map_err(|error| Problem::whole(error.to_string()))?;
    let reader = Reader { pool: &pool };
    let mut response = DiscoveryResponse::default();
    for (field, node) in tree.fields() {
        match field.as_str() {
            "version_info" | "versionInfo" => {
                response.version_info = node.text().unwrap_or_default().to_owned()
            }
            "resources" => {
                for (index, node) in node.items().iter().enumerate() {
                    let (type_url, value) = reader.any(node, &format!("resources[{index}]"))?;
                    response.resources.push(Any { type_url, value });
                }
            }
            // What a stream needs, and a file does not.
            "type_url" | "typeUrl" | "nonce" | "canary" | "control_plane" | "controlPlane" => {}
            other => {
                return Err(Problem::at(
                    node.line,
                    "",
                    format!("a DiscoveryResponse has no field {other:?} in a file"),
                ));
            }
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "version_info: \"7\"\nresources:\n- \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\n  name: a\n";

    #[test]
    fn yaml_json_and_binary_are_the_same() {
        let yaml = discovery("cds.yaml", YAML.as_bytes()).unwrap();
        assert_eq!((yaml.version_info.as_str(), yaml.resources.len()), ("7", 1));
        let json = r#"{"versionInfo": "7", "resources": [{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "a"}]}"#;
        assert_eq!(discovery("cds.json", json.as_bytes()).unwrap(), yaml);
        assert_eq!(discovery("cds.pb", &yaml.encode_to_vec()).unwrap(), yaml);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (name, text, problem) in [
            ("a.yaml", "", "a.yaml: is empty"),
            (
                "a.yaml",
                "version_info: x\nresource: []\n",
                "a.yaml:2: a DiscoveryResponse has no field \"resource\" in a file",
            ),
            ("a.yaml", "resources:\n- name: x\n", "a.yaml:2: resources[0]: has no \"@type\""),
            ("a.yaml", "- 1\n", "a.yaml:1: expected a DiscoveryResponse, found a list"),
            ("a.pb_text", "", "a.pb_text: protobuf's text form is not supported; YAML, JSON and .pb are"),
        ] {
            assert_eq!(discovery(name, text.as_bytes()).unwrap_err().to_string(), problem);
        }
        let broken = discovery("a.pb", b"\xff").unwrap_err().to_string();
        assert!(broken.starts_with("a.pb: is no DiscoveryResponse"), "{broken}");
    }
}
