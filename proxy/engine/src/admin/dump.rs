//! `/config_dump`: Envoy's ways to ask for a part of it, on JSON. Pure.

use forebay_telemetry::Pattern;
use serde_json::{Map, Value};

/// Which resources of a dump are asked for.
pub(super) struct Names(Option<Pattern>);

impl Names {
    /// The pattern has to match the whole name, as in Envoy.
    pub(super) fn new(pattern: Option<&str>) -> Result<Self, String> {
        let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else { return Ok(Self(None)) };
        // Compiled as it is first, for an error that shows what was asked.
        Pattern::new(pattern).map_err(|error| error.to_string())?;
        let whole = Pattern::new(&format!("^(?:{pattern})$")).map_err(|error| error.to_string())?;
        Ok(Self(Some(whole)))
    }

    fn includes(&self, resource: &Value) -> bool {
        self.0.as_ref().is_none_or(|pattern| name_of(resource).is_some_and(|name| pattern.finds(name)))
    }
}

/// The parts of `sections` that are asked for. With `resource`, the entries of the one field that has that name, flat, each
/// with its own type. The error is a status and its text.
pub(super) fn narrow(
    sections: Vec<Value>,
    resource: Option<&str>,
    mask: Option<&str>,
    names: &Names,
) -> Result<Vec<Value>, (u16, String)> {
    let mask = mask.map(Mask::parse);
    let Some(resource) = resource else {
        let sections = sections.into_iter().map(|section| filtered(section, names));
        let Some(mask) = mask else { return Ok(sections.collect()) };
        let masked: Vec<Value> = sections.filter_map(|section| mask.apply_to_section(section)).collect();
        if masked.is_empty() {
            let text = format!("FieldMask {} could not be successfully applied to any configs.", mask.text);
            return Err((400, text));
        }
        return Ok(masked);
    };
    let known =
        sections.iter().find(|section| fields_of(section).iter().any(|(field, _)| *field == resource));
    let Some(known) = known else { return Err((404, format!("{resource} not found in config dump"))) };
    let section_type = known["@type"].as_str().unwrap_or_default().to_owned();
    let Some((_, Some(entry))) = fields_of(known).iter().find(|(field, _)| *field == resource).copied()
    else {
        let text = format!("{resource} is not a repeated field. Use ?mask={resource} to get only this field");
        return Err((400, text));
    };
    let mut found = Vec::new();
    for mut section in sections.into_iter().filter(|section| section["@type"] == section_type.as_str()) {
        let Some(Value::Array(entries)) = section.get_mut(resource).map(Value::take) else { continue };
        for value in entries.into_iter().filter(|value| names.includes(value)) {
            let Value::Object(mut fields) = value else { continue };
            if let Some(mask) = &mask {
                fields = mask.apply(fields);
            }
            let mut typed = Map::new();
            typed.insert("@type".into(), format!("{section_type}.{entry}").into());
            typed.extend(fields);
            found.push(typed.into());
        }
    }
    Ok(found)
}

/// The fields of a section, and for lists the type of their entries.
type Fields = &'static [(&'static str, Option<&'static str>)];

fn fields_of(section: &Value) -> Fields {
    let kind = section["@type"].as_str().unwrap_or_default();
    match kind.rsplit('.').next().unwrap_or_default() {
        "BootstrapConfigDump" => &[("bootstrap", None), ("last_updated", None)],
        "ClustersConfigDump" => &[
            ("version_info", None),
            ("static_clusters", Some("StaticCluster")),
            ("dynamic_active_clusters", Some("DynamicCluster")),
            ("dynamic_warming_clusters", Some("DynamicCluster")),
        ],
        "EndpointsConfigDump" => &[
            ("static_endpoint_configs", Some("StaticEndpointConfig")),
            ("dynamic_endpoint_configs", Some("DynamicEndpointConfig")),
        ],
        "ListenersConfigDump" => &[
            ("version_info", None),
            ("static_listeners", Some("StaticListener")),
            ("dynamic_listeners", Some("DynamicListener")),
        ],
        "RoutesConfigDump" => &[
            ("static_route_configs", Some("StaticRouteConfig")),
            ("dynamic_route_configs", Some("DynamicRouteConfig")),
            // Ours: virtual hosts that came one by one (VHDS) and are part of no route configuration's own bytes.
            ("dynamic_virtual_hosts", Some("DynamicVirtualHost")),
        ],
        "ScopedRoutesConfigDump" => &[
            ("inline_scoped_route_configs", Some("InlineScopedRouteConfigs")),
            ("dynamic_scoped_route_configs", Some("DynamicScopedRouteConfigs")),
        ],
        "SecretsConfigDump" => &[
            ("static_secrets", Some("StaticSecret")),
            ("dynamic_active_secrets", Some("DynamicSecret")),
            ("dynamic_warming_secrets", Some("DynamicSecret")),
        ],
        _ => &[],
    }
}

/// The name of one entry of a section: its own, or that of the configuration it wraps.
fn name_of(resource: &Value) -> Option<&str> {
    let fields = resource.as_object()?;
    let direct = ["name", "cluster_name"].iter().find_map(|field| fields.get(*field)?.as_str());
    direct.or_else(|| {
        let inner = [
            "cluster",
            "listener",
            "route_config",
            "endpoint_config",
            "virtual_host",
            "active_state",
            // Of what was refused and is not in force at all.
            "error_state",
            "failed_configuration",
        ];
        inner.iter().filter_map(|field| fields.get(*field)).find_map(name_of)
    })
}

fn filtered(mut section: Value, names: &Names) -> Value {
    if names.0.is_some()
        && let Some(fields) = section.as_object_mut()
    {
        for entries in fields.values_mut().filter_map(Value::as_array_mut) {
            entries.retain(|entry| names.includes(entry));
        }
        // As in a protobuf message, a list of nothing is not there.
        fields.retain(|_, value| value.as_array().is_none_or(|entries| !entries.is_empty()));
    }
    section
}

/// A field mask: which fields to keep, by paths.
struct Mask {
    text: String,
    paths: Vec<Vec<String>>,
}

impl Mask {
    fn parse(text: &str) -> Self {
        let path = |path: &str| path.split('.').map(str::to_owned).collect();
        let paths = text.split(',').filter(|path| !path.is_empty()).map(path).collect();
        Self { text: text.to_owned(), paths }
    }

    /// A section of which every path of the mask names a field.
    fn apply_to_section(&self, section: Value) -> Option<Value> {
        let known = fields_of(&section);
        let fits =
            |path: &Vec<String>| path.first().is_some_and(|first| known.iter().any(|(f, _)| f == first));
        if self.paths.is_empty() || !self.paths.iter().all(fits) {
            return None;
        }
        let Value::Object(fields) = section else { return None };
        Some(self.apply(fields).into())
    }

    fn apply(&self, fields: Map<String, Value>) -> Map<String, Value> {
        let paths: Vec<&[String]> = self.paths.iter().map(Vec::as_slice).collect();
        masked(fields, &paths)
    }
}

/// Keeps what the paths name. An entry of a list is masked by the same path; `@type` stays, or nobody could read the rest.
fn masked(fields: Map<String, Value>, paths: &[&[String]]) -> Map<String, Value> {
    let mut kept = Map::new();
    for (name, value) in fields {
        if name == "@type" {
            kept.insert(name, value);
            continue;
        }
        let below: Vec<&[String]> = paths
            .iter()
            .filter_map(|path| path.split_first())
            .filter(|(first, _)| **first == name)
            .map(|(_, rest)| rest)
            .collect();
        if below.iter().any(|rest| rest.is_empty()) {
            kept.insert(name, value);
        } else if !below.is_empty() {
            let inner = match value {
                Value::Object(inner) => Value::Object(masked(inner, &below)),
                Value::Array(entries) => entries
                    .into_iter()
                    .map(|entry| match entry {
                        Value::Object(inner) => masked(inner, &below).into(),
                        other => other,
                    })
                    .collect(),
                // A path that goes on below a leaf names nothing.
                _ => continue,
            };
            kept.insert(name, inner);
        }
    }
    kept
}
