use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::registry::Registry;
use crate::scopes::{ClusterTime, HttpTime};

/// A registry in which a little happened.
fn snapshot() -> Snapshot {
    let registry = Registry::new();
    let source = registry.source();
    let cluster = source.cluster(&"default/hello-00001".into());
    cluster.add(Cluster::UpstreamRqTotal, 7);
    cluster.inc(Cluster::UpstreamRqActive);
    cluster.completed(200);
    cluster.completed(200);
    cluster.completed(503);
    for micros in [400, 900, 90_000] {
        cluster.record(ClusterTime::UpstreamRq, micros);
    }
    let http = source.http(&"ingress_http".into());
    http.completed(200);
    http.record(HttpTime::DownstreamRq, 2_000);
    source.listener(&"127.0.0.1:8080".into()).inc(Listener::DownstreamCxTotal);
    let mut snapshot = registry.snapshot();
    snapshot.push(None, "server.live", Kind::Gauge, 1);
    let cluster: Arc<str> = "default/hello-00001".into();
    snapshot.push(Some((Family::Cluster, cluster)), "membership_total", Kind::Gauge, 2);
    snapshot
}

fn filter(pattern: &str, used_only: bool) -> Filter {
    Filter::new((!pattern.is_empty()).then_some(pattern), used_only).unwrap()
}

#[test]
fn text_is_sorted_numbers_first() {
    assert_eq!(
        text(&snapshot(), &filter("", true), Buckets::Summary),
        "cluster.default/hello-00001.membership_total: 2\n\
         cluster.default/hello-00001.upstream_rq_200: 2\n\
         cluster.default/hello-00001.upstream_rq_2xx: 2\n\
         cluster.default/hello-00001.upstream_rq_503: 1\n\
         cluster.default/hello-00001.upstream_rq_5xx: 1\n\
         cluster.default/hello-00001.upstream_rq_active: 1\n\
         cluster.default/hello-00001.upstream_rq_completed: 3\n\
         cluster.default/hello-00001.upstream_rq_total: 7\n\
         http.ingress_http.downstream_rq_2xx: 1\n\
         http.ingress_http.downstream_rq_completed: 1\n\
         listener.127.0.0.1_8080.downstream_cx_total: 1\n\
         server.live: 1\n\
         cluster.default/hello-00001.upstream_rq_time: P0(nan,0.36) P25(nan,0.413) P50(nan,0.925) P75(nan,88.75) \
         P90(nan,95.5) P95(nan,97.75) P99(nan,99.55) P99.5(nan,99.775) P99.9(nan,99.955) P100(nan,100)\n\
         http.ingress_http.downstream_rq_time: P0(nan,1.8) P25(nan,1.875) P50(nan,1.95) P75(nan,2.025) P90(nan,2.07) \
         P95(nan,2.085) P99(nan,2.097) P99.5(nan,2.099) P99.9(nan,2.1) P100(nan,2.1)\n"
    );
}

#[test]
fn what_was_never_used_shows_as_zero_unless_left_out() {
    let all = text(&snapshot(), &filter("", false), Buckets::Summary);
    assert!(all.contains("cluster.default/hello-00001.upstream_rq_retry: 0\n"));
    assert!(all.contains("cluster.default/hello-00001.forebay_wait_time: No recorded values\n"));
    assert!(!text(&snapshot(), &filter("", true), Buckets::Summary).contains("retry"));
}

#[test]
fn a_filter_searches_the_whole_name() {
    let shown = text(&snapshot(), &filter("hello.*_rq_(2|5)xx$", false), Buckets::Summary);
    assert_eq!(shown.lines().count(), 2, "{shown}");
    let error = Filter::new(Some("("), false).unwrap_err();
    assert!(error.to_string().starts_with("invalid regular expression \"(\": "), "{error}");
    assert!(
        Filter::new(Some(&format!("{}a", "(x{1000})".repeat(100))), false).is_err(),
        "no hostile patterns"
    );
}

#[test]
fn json_has_envoys_shape() {
    let shown = json(&snapshot(), &filter("hello.*(rq_total|rq_time)$", false), Buckets::Summary);
    let stats = shown["stats"].as_array().unwrap();
    assert_eq!(stats[0], json!({ "name": "cluster.default/hello-00001.upstream_rq_total", "value": 7 }));
    let histograms = &stats[1]["histograms"];
    assert_eq!(histograms["supported_quantiles"][2], 50.0);
    let computed = &histograms["computed_quantiles"][0];
    assert_eq!(computed["name"], "cluster.default/hello-00001.upstream_rq_time");
    assert_eq!(computed["values"].as_array().unwrap().len(), 10);
    assert!(computed["values"][2]["interval"].is_null());
    assert!((computed["values"][2]["cumulative"].as_f64().unwrap() - 0.925).abs() < 0.001);
}

/// One sample of the text format: metric, labels, value.
type Sample = (String, BTreeMap<String, String>, f64);

/// A strict reader of the text format: every sample belongs to the TYPE line above it, and no metric comes twice.
fn parse(text: &str) -> (BTreeMap<String, String>, Vec<Sample>) {
    let (mut types, mut samples) = (BTreeMap::new(), Vec::new());
    let mut current = (String::new(), String::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
            current = (name.to_owned(), kind.to_owned());
            continue;
        }
        let (name, rest) = line.split_once('{').unwrap();
        let (labels, value) = rest.rsplit_once("} ").unwrap();
        let stem = match current.1.as_str() {
            "histogram" => {
                let suffix =
                    ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| name.strip_suffix(suffix));
                suffix.unwrap_or_else(|| panic!("{line}"))
            }
            _ => name,
        };
        assert_eq!(stem, current.0, "{line}");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
        let mut map = BTreeMap::new();
        let mut rest = labels;
        while !rest.is_empty() {
            let (key, after) = rest.split_once("=\"").unwrap();
            let (mut value, mut chars) = (String::new(), after.chars());
            loop {
                match chars.next().unwrap() {
                    '"' => break,
                    '\\' => value.push(match chars.next().unwrap() {
                        'n' => '\n',
                        c => c,
                    }),
                    c => value.push(c),
                }
            }
            assert!(map.insert(key.to_owned(), value).is_none());
            rest = chars.as_str().strip_prefix(',').unwrap_or(chars.as_str());
        }
        samples.push((name.to_owned(), map, value.parse().unwrap()));
    }
    (types, samples)
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn prometheus_reads_back_with_envoys_names_and_labels() {
    let (types, samples) = parse(&prometheus(&snapshot(), &Filter::default(), Prometheus::default()));
    let value = |name: &str, pairs: &[(&str, &str)]| {
        let found: Vec<f64> =
            samples.iter().filter(|s| s.0 == name && s.1 == labels(pairs)).map(|s| s.2).collect();
        assert_eq!(found.len(), 1, "{name} {pairs:?}");
        found[0]
    };
    let hello = ("envoy_cluster_name", "default/hello-00001");
    assert_eq!(value("envoy_cluster_upstream_rq_total", &[hello]), 7.0);
    assert_eq!(value("envoy_cluster_upstream_rq_xx", &[("envoy_response_code_class", "2"), hello]), 2.0);
    assert_eq!(value("envoy_cluster_upstream_rq_xx", &[("envoy_response_code_class", "5"), hello]), 1.0);
    assert_eq!(value("envoy_cluster_upstream_rq", &[("envoy_response_code", "503"), hello]), 1.0);
    assert_eq!(value("envoy_cluster_upstream_rq_active", &[hello]), 1.0);
    assert_eq!(value("envoy_cluster_membership_total", &[hello]), 2.0);
    let ingress = ("envoy_http_conn_manager_prefix", "ingress_http");
    assert_eq!(value("envoy_http_downstream_rq_xx", &[("envoy_response_code_class", "2"), ingress]), 1.0);
    assert_eq!(
        value("envoy_listener_downstream_cx_total", &[("envoy_listener_address", "127.0.0.1_8080")]),
        1.0
    );
    assert_eq!(value("envoy_server_live", &[]), 1.0);
    assert_eq!(types["envoy_cluster_upstream_rq_total"], "counter");
    assert_eq!(types["envoy_cluster_upstream_rq_active"], "gauge");

    let bucket = |le: &str| value("envoy_cluster_upstream_rq_time_bucket", &[hello, ("le", le)]);
    assert_eq!(
        [bucket("0.5"), bucket("1"), bucket("50"), bucket("100"), bucket("+Inf")],
        [1.0, 2.0, 2.0, 3.0, 3.0]
    );
    assert_eq!(value("envoy_cluster_upstream_rq_time_count", &[hello]), 3.0);
    assert!((value("envoy_cluster_upstream_rq_time_sum", &[hello]) - 91.3).abs() < 1e-9);
    assert_eq!(types["envoy_cluster_upstream_rq_time"], "histogram");
}

#[test]
fn every_histogram_has_envoys_buckets_in_order() {
    let shown = prometheus(&snapshot(), &filter("hello.*upstream_rq_time$", false), Prometheus::default());
    let bounds: Vec<&str> =
        shown.lines().filter_map(|line| line.split_once("le=\"")?.1.split('"').next()).collect();
    assert_eq!(
        bounds,
        [
            "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000",
            "60000", "300000", "600000", "1800000", "3600000", "+Inf"
        ]
    );
}

#[test]
fn label_values_are_escaped() {
    let registry = Registry::new();
    registry.source().cluster(&"a\"b\\c\nd".into()).inc(Cluster::UpstreamRqTotal);
    let (_, samples) = parse(&prometheus(&registry.snapshot(), &filter("", true), Prometheus::default()));
    assert_eq!(samples[0].1, labels(&[("envoy_cluster_name", "a\"b\\c\nd")]));
}

#[test]
fn names_of_one_family_are_unique() {
    fn check<S: Scope>() {
        let mut names: Vec<&str> =
            S::COUNTERS.iter().map(|def| def.name).chain(S::TIMES.iter().copied()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{}", S::PREFIX);
    }
    check::<Http>();
    check::<Listener>();
    check::<Cluster>();
}
