use super::*;

/// Kourier's own, as its ConfigMap has it.
const KOURIER: &str = include_str!("tests/kourier.yaml");

fn parse(text: &str) -> Result<Bootstrap, Problem> {
    read(&[Source { name: "b.yaml", text }], &Identity::default())
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn kouriers_bootstrap_is_understood() {
    let bootstrap = parse(KOURIER).unwrap();
    assert_eq!(
        (bootstrap.node.id.as_str(), bootstrap.node.cluster.as_str()),
        ("3scale-kourier-gateway", "kourier-knative")
    );
    assert_eq!(bootstrap.admin, Some("127.0.0.1:9901".parse().unwrap()));
    assert_eq!((bootstrap.listeners.len(), bootstrap.clusters.len()), (1, 2));
    let xds = bootstrap.xds.unwrap();
    assert_eq!(xds.target, crate::Target::Tcp("net-kourier-controller.knative-serving:18000".into()));
    assert_eq!(xds.mode, crate::Mode::StateOfTheWorld);
    assert_eq!(xds.wildcards, [type_url::CLUSTER, type_url::LISTENER]);
    let seconds = std::time::Duration::from_secs;
    assert_eq!(
        (xds.connection.connect_timeout, xds.connection.ping),
        (seconds(1), Some((seconds(30), seconds(5))))
    );
    assert_eq!(xds.nacks, (100, std::time::Duration::from_millis(100)));
    let warnings: Vec<String> = bootstrap.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(&*bootstrap.admin_logs[0].path, "/dev/stdout");
}

#[test]
fn a_listener_without_a_name_gets_one() {
    let text = "static_resources:\n  listeners:\n  - address: {socket_address: {address: 127.0.0.1, port_value: 0}}\n    filter_chains:\n    - filters:\n      - name: x\n        typed_config:\n          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n          stat_prefix: a\n          route_config: {}\n          http_filters:\n          - name: r\n            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}\n";
    let bootstrap = parse(text).unwrap();
    let listener =
        forebay_proto::envoy::config::listener::v3::Listener::decode(&*bootstrap.listeners[0].value);
    assert_eq!(listener.unwrap().name, "static_resources.listeners[0]");
}

#[test]
fn the_command_line_says_who_it_is() {
    let identity = Identity { node: "n".into(), cluster: String::new(), zone: "z".into() };
    let bootstrap = read(&[Source { name: "b", text: KOURIER }], &identity).unwrap();
    let node = bootstrap.xds.unwrap().node;
    assert_eq!((node.id.as_str(), node.cluster.as_str()), ("n", "kourier-knative"));
    assert_eq!(node.locality.unwrap().zone, "z");
}

#[test]
fn a_second_text_is_merged_over_the_first() {
    let over = "node: {id: other}\nstatic_resources: {clusters: [{name: more, connect_timeout: 1s}]}";
    let sources = [Source { name: "b", text: KOURIER }, Source { name: "--config-yaml", text: over }];
    let bootstrap = read(&sources, &Identity::default()).unwrap();
    assert_eq!((bootstrap.node.id.as_str(), bootstrap.node.cluster.as_str()), ("other", "kourier-knative"));
    assert_eq!(bootstrap.clusters.len(), 3);
    let wrong =
        [Source { name: "b", text: KOURIER }, Source { name: "--config-yaml", text: "\nnode: {idd: x}" }];
    let problem = read(&wrong, &Identity::default()).unwrap_err().to_string();
    assert_eq!(problem, "--config-yaml:2: node: envoy.config.core.v3.Node has no field \"idd\"");
}

#[test]
fn json_and_camel_case_are_yaml_too() {
    let text = r#"{"node": {"id": "a", "userAgentName": "x"}, "admin": {"address": {"socketAddress": {"address": "::1", "portValue": "9"}}}}"#;
    let bootstrap = parse(text).unwrap();
    assert_eq!(bootstrap.admin, Some("[::1]:9".parse().unwrap()));
    assert_eq!(bootstrap.node.user_agent_name, "x");
}

#[test]
fn every_mistake_has_its_place() {
    for (text, said) in [
        ("", "b.yaml: is empty"),
        ("# nothing\n", "b.yaml: is empty"),
        ("just text", "b.yaml:1: expected a bootstrap, found \"just text\""),
        ("a: [", "b.yaml:1: not YAML"),
        ("node:\n  id: a\n  id: b\n", "b.yaml:3: not YAML"),
        ("admin: {}\nnodes: {}\n", "b.yaml:2: envoy.config.bootstrap.v3.Bootstrap has no field \"nodes\""),
        ("node:\n  id: 5\n", "b.yaml:2: node.id: expected text, found the number 5"),
        (
            "static_resources:\n  clusters:\n  - name: a\n    connect_timeout: fast\n",
            "b.yaml:4: static_resources.clusters[0].connect_timeout: expected a time in seconds such as 0.25s, found \"fast\"",
        ),
        (
            "static_resources:\n  clusters:\n  - name: a\n    type: SOMETIMES\n",
            "b.yaml:4: static_resources.clusters[0].type: expected one of STATIC, STRICT_DNS",
        ),
        (
            "static_resources:\n  clusters:\n  - name: a\n    outlier_detection: {}\n",
            "b.yaml:4: static_resources.clusters[0].outlier_detection: ",
        ),
        (
            "static_resources:\n  listeners:\n  - name: l\n    filter_chains:\n    - filters:\n      - name: x\n        typed_config:\n          \"@type\": type.googleapis.com/a.b.C\n",
            "b.yaml:8: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.@type: extension type \"type.googleapis.com/a.b.C\" is not supported",
        ),
        (
            "static_resources:\n  listeners:\n  - name: l\n    filter_chains:\n    - filters:\n      - name: x\n        typed_config:\n          \"@type\": type.googleapis.com/envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager\n",
            "is of Envoy's API v2, which ended in 2021",
        ),
        ("hds_config: {}\n", "b.yaml:1: hds_config: is not supported"),
        (
            "dynamic_resources:\n  cds_config:\n    ads: {}\n",
            "b.yaml:2: dynamic_resources.cds_config.resource_api_version: is AUTO; V3 is the only version left",
        ),
        (
            "admin:\n  address:\n    socket_address: {address: localhost, port_value: 1}\n",
            "b.yaml:2: admin.address: \"localhost\" is not an IP address",
        ),
        ("admin: &a\n  address: *a\n", "b.yaml:"),
    ] {
        let problem = refused(text);
        assert!(problem.contains(said), "{text:?} should say\n{said}\nand says\n{problem}");
    }
}

#[test]
fn a_stream_needs_a_name_and_a_cluster() {
    let nobody = refused(&KOURIER.replace("id: 3scale-kourier-gateway", "metadata: {}"));
    assert!(nobody.contains("node.id: is empty; a control plane needs it (or --service-node)"), "{nobody}");
    let nowhere = refused(
        &KOURIER.replace("envoy_grpc: {cluster_name: xds_cluster}", "envoy_grpc: {cluster_name: other}"),
    );
    assert!(nowhere.contains("no static cluster is named \"other\""), "{nowhere}");
    let old = refused(&KOURIER.replace("transport_api_version: V3", "transport_api_version: V2"));
    assert!(
        old.contains(
            "b.yaml:3: dynamic_resources.ads_config.transport_api_version: is V2; V3 is the only version left"
        ),
        "{old}"
    );
    let slow = "rate_limit_settings: {max_tokens: 5, fill_rate: 0.5}";
    let slow = parse(&KOURIER.replace("rate_limit_settings: {}", slow)).unwrap().xds.unwrap();
    assert_eq!(slow.nacks, (5, std::time::Duration::from_secs(2)));
    let rest = refused(&KOURIER.replace("api_type: GRPC", "api_type: REST"));
    assert!(rest.contains("is REST; GRPC and DELTA_GRPC are supported"), "{rest}");
}

#[test]
fn what_has_no_effect_is_told_with_its_line() {
    let text = "stats_sinks: []\nwatchdog: {}\nlayered_runtime:\n  layers:\n  - name: s\n    static_layer:\n      overload.global_downstream_max_connections: 500\n      envoy.reloadable_features.x: true\n";
    let bootstrap = parse(text).unwrap();
    assert_eq!(bootstrap.max_connections, Some(500));
    let lines: Vec<u32> = bootstrap.warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(lines, [1, 2, 8], "{:?}", bootstrap.warnings);
}
