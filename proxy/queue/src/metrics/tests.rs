use super::*;
use crate::metrics::text::CONTENT_TYPE;

fn metrics() -> Metrics {
    let get = |name: &str| {
        Some(match name {
            "CONTAINER_CONCURRENCY" | "REVISION_TIMEOUT_SECONDS" => "1".to_owned(),
            name if name.ends_with("_PORT") => "8012".to_owned(),
            name if name.starts_with("SERVING_") && !name.ends_with("PROBE") => name.to_lowercase(),
            _ => return None,
        })
    };
    Metrics::new(&Config::from_env(get).unwrap_or_else(|e| panic!("{e}")))
}

fn asked(authority: &str, fields: &[(&str, &str)]) -> Head {
    let mut req = Head::default();
    req.set_request(b"GET", b"/", authority.as_bytes());
    fields.iter().for_each(|(name, value)| req.push(name.as_bytes(), value.as_bytes()));
    req
}

#[test]
fn a_request_is_told_by_the_new_names_and_the_old() {
    let metrics = metrics();
    let labels = metrics.began(&asked("h:8080", &[("knative-serving-tag", "a\"b")]), false, true, 1_000_000);
    metrics.entered(Some(3));
    metrics.forwarded(&labels, &Forwarded::Answered(200), 20_000, 5);
    metrics.invoked(&labels, 200, 30_000);
    metrics.served(&labels, 200, 1_040_000, 5, 2);
    let text = metrics.text();
    for line in [
        "http_server_request_duration_seconds_bucket{http_request_method=\"GET\",http_response_status_code=\"200\",kn_route_tag=\"a\\\"b\",network_protocol_name=\"http\",network_protocol_version=\"1.1\",otel_scope_name=\"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp\",otel_scope_schema_url=\"\",otel_scope_version=\"0.69.0\",server_address=\"h\",server_port=\"8080\",url_scheme=\"http\",le=\"0.05\"} 1",
        "kn_serving_queue_depth{otel_scope_name=\"knative.dev/serving/pkg/queue\",otel_scope_schema_url=\"\",otel_scope_version=\"\"} 3",
        "kn_serving_invocation_duration_seconds_sum{http_response_status_code=\"200\",otel_scope_name=\"knative.dev/serving/pkg/queue\",otel_scope_schema_url=\"\",otel_scope_version=\"\"} 0.03",
        "revision_request_latencies_bucket{configuration_name=\"serving_configuration\",container_name=\"queue-proxy\",namespace_name=\"serving_namespace\",pod_name=\"serving_pod\",response_code=\"200\",response_code_class=\"2xx\",revision_name=\"serving_revision\",route_tag=\"a\\\"b\",service_name=\"serving_service\",le=\"40\"} 1",
        "revision_app_request_latencies_sum{configuration_name=\"serving_configuration\",container_name=\"queue-proxy\",namespace_name=\"serving_namespace\",pod_name=\"serving_pod\",response_code=\"200\",response_code_class=\"2xx\",revision_name=\"serving_revision\",route_tag=\"a\\\"b\",service_name=\"serving_service\"} 30",
        "# TYPE revision_request_count counter",
        "revision_queue_depth{configuration_name=\"serving_configuration\",container_name=\"queue-proxy\",namespace_name=\"serving_namespace\",pod_name=\"serving_pod\",revision_name=\"serving_revision\",service_name=\"serving_service\"} 3",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}\nis not in\n{text}");
    }
    assert!(CONTENT_TYPE.starts_with("text/plain; version=0.0.4"));
}

#[test]
fn labels_that_clients_make_up_are_bounded() {
    let metrics = metrics();
    for n in 0..SERIES + 100 {
        let labels = metrics.began(&asked(&format!("h{n}"), &[]), false, true, 0);
        metrics.served(&labels, 200, 0, 0, 0);
    }
    assert_eq!(metrics.server.borrow().0.len(), SERIES + 1);
    assert!(
        metrics
            .text()
            .contains("http_server_request_duration_seconds_count{otel_metric_overflow=\"true\"} 100")
    );
    assert_eq!(method(b"BREW"), "_OTHER");
}

#[test]
fn tags_are_the_references() {
    for (fields, expected) in [
        (&[][..], "kn:disabled"),
        (&[("knative-serving-default-route", "true")], "kn:default"),
        (&[("knative-serving-tag", "t")], "t"),
        (&[("knative-serving-tag", "t"), ("knative-serving-default-route", "false")], "t"),
        (&[("knative-serving-tag", "t"), ("knative-serving-default-route", "true")], "kn:undefined"),
    ] {
        assert_eq!(tag(&asked("h", fields)), expected);
    }
    assert_eq!(split("[::1]:80"), ("::1", Some(80)));
    assert_eq!(split("[::1]"), ("::1", None));
    assert_eq!(split("h"), ("h", None));
}
