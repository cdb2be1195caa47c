//! What the model cannot honour it refuses: where, and which rule.

use forebay_proto::envoy::config::cluster::v3 as cluster;
use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::listener::v3 as listener;
use forebay_proto::envoy::config::route::v3 as route;
use forebay_proto::envoy::extensions::filters::listener::{
    original_dst::v3::OriginalDst, tls_inspector::v3::TlsInspector,
};
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use forebay_proto::google::protobuf::value::Kind;
use forebay_proto::type_url;
use forebay_proto::{Any, Body};

use crate::build::{
    any, assignment, eds, facts, fixed, host, listener, listener_with, manager, number, revision, route_to,
    routes, yes,
};
use crate::world::World;

fn refused<M: crate::world::Named>(message: &M) -> String {
    World::new().refuse(message)
}

/// Why a virtual host is refused.
fn refused_host(host: route::VirtualHost) -> String {
    let mut world = World::new();
    world.accept(&listener("http", "all"));
    world.refuse(&routes("all", vec![host]))
}

/// Why a route is refused, behind the path to it.
fn refused_route(change: impl FnOnce(&mut route::Route)) -> String {
    let mut route = route_to("a");
    change(&mut route);
    let why = refused_host(route::VirtualHost {
        routes: vec![route_to("a"), route],
        ..host("x", &["x.test"], "a")
    });
    why.strip_prefix("virtual_hosts[0].routes[1].").unwrap_or_else(|| panic!("{why}")).to_owned()
}

fn refused_action(change: impl FnOnce(&mut route::RouteAction)) -> String {
    let why = refused_route(|route| {
        let Some(route::route::Action::Route(action)) = &mut route.action else { panic!("it forwards") };
        change(action);
    });
    why.strip_prefix("route.").unwrap_or_else(|| panic!("{why}")).to_owned()
}

#[test]
fn addresses() {
    let port = |port| refused(&fixed("a", &[("10.0.0.1", port)]));
    let at = "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address";
    assert_eq!(port(0), format!("{at}.port_value: 0 is not a port"));
    assert_eq!(port(65536), format!("{at}.port_value: 65536 is not a port"));
    assert_eq!(refused(&fixed("a", &[("nine", 80)])), format!("{at}.address: \"nine\" is not an IP address"));
    assert_eq!(refused(&fixed("a", &[("", 80)])), format!("{at}.address: is empty"));
    let second = refused(&fixed("a", &[("10.0.0.1", 80), ("10.0.0.1", 0)]));
    assert!(second.starts_with("load_assignment.endpoints[0].lb_endpoints[1]."), "{second}");
    let mut world = World::new();
    world.accept(&eds("a"));
    assert_eq!(
        world.refuse(&assignment("a", &[("::1", 0)])),
        "endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value: 0 is not a port"
    );
    let pipe = core::Pipe { path: "/run/x".to_owned(), mode: 0 };
    let address = core::Address { address: Some(core::address::Address::Pipe(pipe)) };
    let listening = listener::Listener { address: Some(address), ..listener("l", "r") };
    assert_eq!(refused(&listening), "address.pipe: \"/run/x\" is not supported");
}

#[test]
fn clusters() {
    assert_eq!(refused(&Cluster { eds_cluster_config: None, ..eds("a") }), "eds_cluster_config: is missing");
    let hash = Cluster { lb_policy: cluster::cluster::LbPolicy::RingHash as i32, ..eds("a") };
    assert_eq!(refused(&hash), "lb_policy: RING_HASH is not supported");
    assert_eq!(
        refused(&Cluster { lb_policy: 99, ..eds("a") }),
        "lb_policy: 99 is not a value of this enumeration"
    );
    let checks = Cluster { health_checks: vec![Default::default()], ..eds("a") };
    assert!(refused(&checks).starts_with("health_checks: [HealthCheck {"), "{}", refused(&checks));
    assert!(refused(&checks).ends_with("… is not supported"), "a value is cut to a line");
    let timeout = Cluster {
        connect_timeout: Some(forebay_proto::google::protobuf::Duration { seconds: -1, nanos: 0 }),
        ..eds("a")
    };
    assert_eq!(refused(&timeout), "connect_timeout: -1s 0ns is not a duration");
    let path = core::config_source::ConfigSourceSpecifier::Path("/nowhere/eds.yaml".to_owned());
    let source = core::ConfigSource { config_source_specifier: Some(path), ..Default::default() };
    let config = cluster::cluster::EdsClusterConfig { eds_config: Some(source), service_name: String::new() };
    assert_eq!(
        refused(&Cluster { eds_cluster_config: Some(config), ..eds("a") }),
        "eds_cluster_config.eds_config.path: \"/nowhere/eds.yaml\" cannot be read: No such file or directory (os error 2)"
    );
    let unknown = Any { type_url: "type.googleapis.com/x.y.Z".to_owned(), value: Vec::new() };
    let options =
        Cluster { typed_extension_protocol_options: [("k".to_owned(), unknown)].into(), ..eds("a") };
    assert_eq!(
        refused(&options),
        "typed_extension_protocol_options[\"k\"].@type: extension type \"type.googleapis.com/x.y.Z\" is not supported"
    );
}

#[test]
fn endpoints() {
    let mut world = World::new();
    world.accept(&eds("a"));
    let mut load = assignment("a", &[("10.0.0.1", 80)]);
    load.endpoints[0].lb_endpoints[0].health_status = 77;
    assert_eq!(
        world.refuse(&load),
        "endpoints[0].lb_endpoints[0].health_status: 77 is not a value of this enumeration"
    );
}

#[test]
fn facts_of_a_revision() {
    let at = "metadata.filter_metadata[\"forebay.revision\"]";
    let text = |text: &str| Kind::StringValue(text.to_owned());
    let named =
        |extra: (&str, Kind)| refused(&facts("a", &[("namespace", text("d")), ("name", text("a")), extra]));
    assert_eq!(refused(&facts("a", &[("namespace", text("d"))])), format!("{at}.name: is missing"));
    assert_eq!(
        named(("max_wating", Kind::NumberValue(1.0))),
        format!("{at}.max_wating: 1.0 is not supported")
    );
    assert_eq!(
        named(("container_concurrency", Kind::NumberValue(-1.0))),
        format!("{at}.container_concurrency: -1 is not between 0 and 4294967295")
    );
    assert_eq!(
        named(("timeout_ms", Kind::NumberValue(0.5))),
        format!("{at}.timeout_ms: 0.5 is not supported")
    );
    assert_eq!(named(("report", Kind::BoolValue(true))), format!("{at}.report: true is not supported"));
}

#[test]
fn listeners() {
    let listener_filter = |config: Any| listener::Listener {
        listener_filters: vec![listener::ListenerFilter {
            name: "f".to_owned(),
            config_type: Some(listener::listener_filter::ConfigType::TypedConfig(config)),
            ..Default::default()
        }],
        ..listener("l", "r")
    };
    assert_eq!(
        refused(&listener_filter(any(&OriginalDst::default()))),
        "listener_filters[0].typed_config.@type: extension type \
         \"type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst\" is not supported"
    );
    World::new().accept(&listener_filter(any(&TlsInspector::default())));
    assert_eq!(
        refused(&listener::Listener { filter_chains: vec![], ..listener("l", "r") }),
        "filter_chains: is empty"
    );
}

#[test]
fn managers() {
    let with = |change: fn(&mut hcm::HttpConnectionManager)| {
        let mut manager = manager("r");
        change(&mut manager);
        let why = refused(&listener_with("l", &manager));
        why.strip_prefix("filter_chains[0].filters[0].typed_config.")
            .unwrap_or_else(|| panic!("{why}"))
            .to_owned()
    };

    assert_eq!(with(|m| m.codec_type = 3), "codec_type: HTTP3 is not supported");
    assert_eq!(
        with(|m| m.max_request_headers_kb = number(9000)),
        "max_request_headers_kb: 9000 is not between 1 and 8192"
    );
    assert_eq!(with(|m| m.route_specifier = None), "route_specifier: is missing");
    assert_eq!(with(|m| m.add_user_agent = yes()), "add_user_agent: true is not supported");
    let log = |m: &mut hcm::HttpConnectionManager| m.access_log = vec![Default::default()];
    assert_eq!(with(log), "access_log[0].typed_config: is missing");
}

#[test]
fn hosts() {
    let domains = |domains: &[&str]| refused_host(host("x", domains, "a"));
    assert_eq!(domains(&[]), "virtual_hosts[0].domains: is empty");
    assert_eq!(
        domains(&["fine.test", "a.*.test"]),
        "virtual_hosts[0].domains[1]: \"a.*.test\" is not a domain: `*` may stand alone, first or last"
    );
    let cors = route::VirtualHost { cors: Some(Default::default()), ..host("x", &["x.test"], "a") };
    assert!(refused_host(cors).starts_with("virtual_hosts[0].cors: CorsPolicy {"));
    let tls = route::VirtualHost { require_tls: 3, ..host("x", &["x.test"], "a") };
    assert_eq!(refused_host(tls), "virtual_hosts[0].require_tls: 3 is not a value of this enumeration");
}

#[test]
fn routes_without_a_condition_or_an_action() {
    assert_eq!(refused_route(|route| route.r#match = None), "match: is missing");
    assert_eq!(refused_route(|route| route.action = None), "action: is missing");
    let no_path = |route: &mut route::Route| route.r#match = Some(route::RouteMatch::default());
    assert_eq!(refused_route(no_path), "match.path_specifier: is missing");
}

#[test]
fn conditions() {
    let header = |route: &mut route::Route| {
        let name = "bad name".to_owned();
        route.r#match.as_mut().unwrap().headers = vec![route::HeaderMatcher { name, ..Default::default() }];
    };
    assert_eq!(
        refused_route(header),
        "match.headers[0].name: \"bad name\" is not a header that can be named here"
    );
    let regex = |route: &mut route::Route| {
        let regex = forebay_proto::envoy::r#type::matcher::v3::RegexMatcher {
            regex: "(".to_owned(),
            ..Default::default()
        };
        route.r#match.as_mut().unwrap().path_specifier =
            Some(route::route_match::PathSpecifier::SafeRegex(regex));
    };
    let why = refused_route(regex);
    assert!(why.starts_with("match.safe_regex.regex: regex \"(\": "), "{why}");
    let cookies =
        |route: &mut route::Route| route.r#match.as_mut().unwrap().cookies = vec![Default::default()];
    assert!(refused_route(cookies).starts_with("match.cookies: [CookieMatcher {"));
}

#[test]
fn header_changes() {
    let add = |key: &'static str, value: &'static str| {
        refused_route(|route| {
            let header =
                core::HeaderValue { key: key.to_owned(), value: value.to_owned(), ..Default::default() };
            route.request_headers_to_add =
                vec![core::HeaderValueOption { header: Some(header), ..Default::default() }];
        })
    };
    let at = "request_headers_to_add[0].header";
    assert_eq!(add("Host", "x"), format!("{at}.key: \"Host\" is not a header that can be named here"));
    assert_eq!(add(":path", "x"), format!("{at}.key: \":path\" is not a header that can be named here"));
    assert_eq!(
        add("x", "a\r\nb"),
        format!("{at}.value: \"a\\r\\nb\" has a byte that a header value cannot have")
    );
    let why = add("x", "a%NO_SUCH_THING%");
    assert_eq!(why, format!("{at}.value: format string, position 1: %NO_SUCH_THING%: unknown operator"));
    let remove =
        refused_route(|route| route.response_headers_to_remove = vec!["ok".to_owned(), String::new()]);
    assert_eq!(remove, "response_headers_to_remove[1]: \"\" is not a header that can be named here");
}

#[test]
fn forwarding() {
    use route::route_action::ClusterSpecifier::{ClusterHeader, WeightedClusters};
    assert_eq!(refused_action(|a| a.cluster_specifier = None), "cluster_specifier: is missing");
    let header = refused_action(|a| a.cluster_specifier = Some(ClusterHeader(":path".to_owned())));
    assert_eq!(header, "cluster_header: \":path\" is not a header that can be named here");
    let weights = |weights: &'static [Option<u32>]| {
        refused_action(|action| {
            let share = |weight: &Option<u32>| route::weighted_cluster::ClusterWeight {
                name: "a".to_owned(),
                weight: weight.and_then(number),
                ..Default::default()
            };
            let clusters = weights.iter().map(share).collect();
            action.cluster_specifier =
                Some(WeightedClusters(route::WeightedCluster { clusters, ..Default::default() }));
        })
    };
    assert_eq!(weights(&[Some(0), Some(0)]), "weighted_clusters.clusters: the weights add up to 0");
    assert_eq!(weights(&[Some(1), None]), "weighted_clusters.clusters[1].weight: is missing");
    assert_eq!(refused_action(|a| a.priority = 7), "priority: 7 is not a value of this enumeration");
    assert!(
        refused_action(|a| a.hash_policy = vec![Default::default()])
            .starts_with("hash_policy: [HashPolicy {")
    );
    let connect = refused_action(|action| {
        let upgrade_type = "CONNECT-UDP".to_owned();
        action.upgrade_configs =
            vec![route::route_action::UpgradeConfig { upgrade_type, ..Default::default() }];
    });
    assert_eq!(connect, "upgrade_configs[0].upgrade_type: \"CONNECT-UDP\" is not supported");
    let retry = refused_action(|action| {
        action.retry_policy =
            Some(route::RetryPolicy { retry_on: "reset,sometimes".to_owned(), ..Default::default() });
    });
    assert_eq!(retry, "retry_policy.retry_on: \"sometimes\" is not supported");
}

#[test]
fn answers_of_our_own() {
    let direct = |status, body: &'static str| {
        refused_route(|route| {
            let body = core::data_source::Specifier::InlineString(body.to_owned());
            route.action = Some(route::route::Action::DirectResponse(route::DirectResponseAction {
                status,
                body: Some(core::DataSource { specifier: Some(body), ..Default::default() }),
                ..Default::default()
            }));
        })
    };
    assert_eq!(direct(99, ""), "direct_response.status: 99 is not a status");
    let long: &'static str = Box::leak("x".repeat(5000).into_boxed_str());
    assert_eq!(direct(200, long), "direct_response.body: 5000 is not between 0 and 4096");
}

#[test]
fn envelopes() {
    let mut world = World::new();
    let body = crate::build::body(&eds("a"));
    let resource = forebay_model::Resource { name: "b", version: "", body: &body };
    let applied = world.model.apply(type_url::CLUSTER, false, &[resource], &[], world.now);
    assert_eq!(applied.rejected[0].message, "name: \"a\" came under the name \"b\"");
    let applied = world.model.apply(type_url::LISTENER, false, &[resource], &[], world.now);
    assert_eq!(
        applied.rejected[0].message,
        format!("resource type {:?} is not supported", type_url::CLUSTER)
    );
    let applied = world.model.apply("type.googleapis.com/x.Y", false, &[resource], &[], world.now);
    assert_eq!(applied.rejected[0].message, "resource type \"type.googleapis.com/x.Y\" is not supported");
    let cut = Body { value: body.value.slice(..body.value.len() - 1), ..body };
    let resource = forebay_model::Resource { name: "a", version: "", body: &cut };
    let applied = world.model.apply(type_url::CLUSTER, false, &[resource], &[], world.now);
    assert!(applied.rejected[0].message.starts_with("does not decode as envoy.config.cluster.v3.Cluster: "));
}

#[test]
fn what_is_refused_leaves_no_trace_and_what_was_there() {
    let mut world = World::new();
    world.accept(&revision("a", 1));
    world.accept(&assignment("a", &[("10.0.0.1", 80)]));
    world.refuse(&Cluster { lb_policy: 99, ..revision("a", 2) });
    assert_eq!(world.cluster("a").config.revision.as_ref().unwrap().concurrency, 1);
    world.accept(&listener("http", "all"));
    let bad = route::VirtualHost { domains: vec![], ..host("x", &[], "never") };
    world.refuse(&routes("all", vec![host("y", &["y.test"], "never"), bad]));
    assert_eq!(world.model.cluster_ix("never"), None, "names of refused routes are given back");
}
