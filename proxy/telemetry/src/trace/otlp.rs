//! Spans as OpenTelemetry's export request, laid out as Envoy does. Knows no transport.

use forebay_report::otlp as pb;
use prost::Message;

use super::span::{Kind, Span};

pub use forebay_report::otlp::EXPORT_PATH;

/// Who sends spans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Speaker {
    /// `node.id` of the bootstrap.
    pub node_id: String,
    /// `node.locality.zone` of the bootstrap.
    pub zone: String,
}

/// The body of one export.
pub fn encode(speaker: &Speaker, service_name: &str, spans: Vec<Span>) -> Vec<u8> {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    let resource = pb::Resource {
        attributes: vec![
            pb::KeyValue::text("service.name", service_name),
            pb::KeyValue::text("telemetry.sdk.language", "rust"),
            pb::KeyValue::text("telemetry.sdk.name", "forebay"),
            pb::KeyValue::text("telemetry.sdk.version", VERSION),
        ],
    };
    let scope = pb::Scope { name: "forebay".to_owned(), version: VERSION.to_owned() };
    let spans = spans.into_iter().map(|span| message(speaker, span)).collect();
    let request = pb::ExportRequest {
        resource_spans: vec![pb::ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![pb::ScopeSpans { scope: Some(scope), spans }],
        }],
    };
    request.encode_to_vec()
}

fn message(speaker: &Speaker, span: Span) -> pb::Span {
    let mut attributes = Vec::with_capacity(span.attributes.len() + 2);
    if span.kind == Kind::Server {
        attributes.push(pb::KeyValue::text("node_id", speaker.node_id.as_str()));
        attributes.push(pb::KeyValue::text("zone", speaker.zone.as_str()));
    }
    attributes.extend(span.attributes.into_iter().map(|(key, value)| pb::KeyValue::text(key, value)));
    let event = |(at, name): (u64, &str)| pb::Event { time_unix_nano: at * 1000, name: name.to_owned() };
    pb::Span {
        trace_id: span.trace.to_vec(),
        span_id: span.id.to_vec(),
        trace_state: span.state,
        parent_span_id: span.parent.map(|parent| parent.id.to_vec()).unwrap_or_default(),
        name: span.name,
        kind: match span.kind {
            Kind::Server => pb::SERVER,
            Kind::Client => pb::CLIENT,
        },
        start_time_unix_nano: span.start * 1000,
        end_time_unix_nano: span.end * 1000,
        attributes,
        events: span.events.into_iter().map(event).collect(),
        status: span.failed.then_some(pb::Status { message: String::new(), code: pb::ERROR }),
        flags: SAMPLED
            | PARENT_IS_KNOWN
            | if span.parent.is_some_and(|parent| parent.remote) { PARENT_IS_REMOTE } else { 0 },
    }
}

const SAMPLED: u32 = 1;
/// Bit 8: bit 9 means something.
const PARENT_IS_KNOWN: u32 = 1 << 8;
const PARENT_IS_REMOTE: u32 = 1 << 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Parent;

    #[test]
    fn a_span_is_laid_out_as_envoys() {
        let span = Span {
            trace: [1; 16],
            id: [2; 8],
            parent: Some(Parent { id: [3; 8], remote: true }),
            state: "a=b".into(),
            name: "ingress".into(),
            kind: Kind::Server,
            start: 5,
            end: 7,
            attributes: vec![("http.method".into(), "GET".into())],
            events: vec![(6, "first_upstream_tx_byte_sent")],
            failed: true,
        };
        let speaker = Speaker { node_id: "n".into(), zone: String::new() };
        let bytes = encode(&speaker, "kourier-knative", vec![span]);
        let request = pb::ExportRequest::decode(&*bytes).unwrap();
        let spans = &request.resource_spans[0];
        let named = |list: &[pb::KeyValue]| -> Vec<(String, String)> {
            let text = |kv: &pb::KeyValue| kv.value.clone().unwrap().string_value.unwrap();
            list.iter().map(|kv| (kv.key.clone(), text(kv))).collect()
        };
        let resource = named(&spans.resource.as_ref().unwrap().attributes);
        assert!(resource.contains(&("service.name".into(), "kourier-knative".into())));
        let span = &spans.scope_spans[0].spans[0];
        // The zone is there, and empty, where the node has none.
        assert_eq!(
            named(&span.attributes),
            [("node_id", "n"), ("zone", ""), ("http.method", "GET")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
        );
        assert_eq!((span.kind, span.flags, span.status.as_ref().unwrap().code), (2, 769, 2));
        assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (5_000, 7_000));
        assert_eq!(span.events[0].time_unix_nano, 6_000);
        assert_eq!(span.trace_state, "a=b");
    }
}
