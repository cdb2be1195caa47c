//! What Envoy's fields become, and what they are when nobody says.

use std::time::Duration;

use forebay_format::Format;
use forebay_model::{
    Balance, Codec, Http2, HttpManager, Limits, Protocol, ServerHeader, StripPort, Underscores,
};
use forebay_proto::envoy::config::accesslog::v3 as accesslog;
use forebay_proto::envoy::config::cluster::v3 as cluster;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::route::v3 as route;
use forebay_proto::envoy::extensions::access_loggers::file::v3::{FileAccessLog, file_access_log};
use forebay_proto::envoy::extensions::access_loggers::stream::v3::StdoutAccessLog;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use forebay_proto::envoy::extensions::upstreams::http::v3 as upstream;
use forebay_proto::envoy::r#type::matcher::v3 as matcher;
use forebay_route::{
    Action, Forward, HeaderAddAction, HeaderRule, HostRewrite, PathRewrite, PathRule, QueryRule,
    RedirectPath, RetryOn, Route, TextRule, Value,
};
use prost::Name;

use crate::build::{
    any, assignment, duration, fixed, host, listener, listener_with, manager, number, route_to, routes, yes,
};
use crate::world::World;

fn read_manager(change: impl FnOnce(&mut hcm::HttpConnectionManager)) -> std::sync::Arc<HttpManager> {
    let mut world = World::new();
    let mut manager = manager("all");
    change(&mut manager);
    world.accept(&listener_with("http", &manager));
    world.accept(&routes("all", vec![]));
    world.listeners["http"].chains[0].http.clone()
}

fn read_cluster(change: impl FnOnce(&mut cluster::Cluster)) -> std::sync::Arc<forebay_model::ClusterConfig> {
    let mut world = World::new();
    let mut cluster = fixed("a", &[("10.0.0.1", 80)]);
    change(&mut cluster);
    world.accept(&cluster);
    world.cluster("a").config.clone()
}

fn read_route(change: impl FnOnce(&mut route::Route)) -> Route {
    let mut world = World::new();
    world.accept(&listener("http", "all"));
    let mut route = route_to("a");
    change(&mut route);
    world.accept(&routes("all", vec![route::VirtualHost { routes: vec![route], ..host("x", &["*"], "a") }]));
    world.tables["all"].get("x").unwrap().routes[0].clone()
}

fn read_action(change: impl FnOnce(&mut route::RouteAction)) -> Forward {
    let route = read_route(|route| {
        let Some(route::route::Action::Route(action)) = &mut route.action else { panic!("it forwards") };
        change(action);
    });
    let Action::Forward(forward) = route.action else { panic!("it forwards") };
    forward
}

#[test]
fn a_manager_that_says_nothing_has_envoys_defaults() {
    let http = read_manager(|_| {});
    let seconds = Duration::from_secs;
    assert_eq!(http.codec, Codec::Auto);
    assert_eq!(http.server_header, ServerHeader::Overwrite("envoy".into()));
    assert_eq!((http.idle_timeout, http.stream_idle_timeout), (seconds(3600), seconds(300)));
    assert_eq!(
        (http.request_timeout, http.request_headers_timeout, http.max_stream_duration),
        Default::default()
    );
    assert_eq!((http.drain_timeout, http.delayed_close_timeout), (seconds(5), seconds(1)));
    assert_eq!((http.max_request_headers_kb, http.max_headers_count), (60, 100));
    assert_eq!(
        http.http2,
        Http2 {
            max_concurrent_streams: 1024,
            stream_window: 16 << 20,
            connection_window: 24 << 20,
            allow_connect: false,
            keepalive: None,
        }
    );
    assert_eq!((http.strip_port, http.underscores), (StripPort::No, Underscores::Allow));
    assert!(
        http.generate_request_id
            && !http.use_remote_address
            && !http.accept_http_10
            && http.upgrades.is_empty()
    );
}

#[test]
fn everything_kourier_says_of_a_manager() {
    let http = read_manager(|m| {
        m.stream_idle_timeout = duration(Duration::ZERO);
        m.xff_num_trusted_hops = 2;
        m.use_remote_address = yes();
        m.server_header_transformation = 2;
        m.generate_request_id = yes();
        let format = core::SubstitutionFormatString {
            format: Some(core::substitution_format_string::Format::TextFormatSource(core::DataSource {
                specifier: Some(core::data_source::Specifier::InlineString("%PROTOCOL%\n".to_owned())),
                ..Default::default()
            })),
            ..Default::default()
        };
        let log = |config| accesslog::AccessLog {
            config_type: Some(accesslog::access_log::ConfigType::TypedConfig(config)),
            ..Default::default()
        };
        let format = Some(file_access_log::AccessLogFormat::LogFormat(format));
        let file = FileAccessLog { path: "/dev/stdout".to_owned(), access_log_format: format };
        m.access_log = vec![log(any(&file)), log(any(&StdoutAccessLog::default()))];
    });
    assert_eq!(
        (http.stream_idle_timeout, http.xff_trusted_hops, http.use_remote_address),
        (Duration::ZERO, 2, true)
    );
    assert_eq!(http.server_header, ServerHeader::PassThrough);
    assert_eq!(&*http.access_logs[0].path, "/dev/stdout");
    assert_eq!(*http.access_logs[0].format, Format::parse("%PROTOCOL%\n").unwrap());
    assert_eq!(*http.access_logs[1].format, Format::default(), "Envoy's own format");
}

#[test]
fn a_cluster_that_says_nothing_has_envoys_defaults() {
    let config = read_cluster(|_| {});
    assert_eq!(
        (config.connect_timeout, config.idle_timeout),
        (Duration::from_secs(5), Duration::from_secs(3600))
    );
    assert_eq!((config.protocol, config.balance), (Protocol::Http1, Balance::RoundRobin));
    assert_eq!(
        config.limits,
        Limits {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
            retry_budget: None,
        }
    );
    assert_eq!(config.max_requests_per_connection, None);
}

#[test]
fn h2c_as_kourier_says_it() {
    use upstream::http_protocol_options::explicit_http_config::ProtocolConfig::Http2ProtocolOptions;
    use upstream::http_protocol_options::{
        ExplicitHttpConfig, UpstreamProtocolOptions::ExplicitHttpConfig as Explicit,
    };
    let config = read_cluster(|cluster| {
        let window =
            core::Http2ProtocolOptions { initial_stream_window_size: number(1 << 20), ..Default::default() };
        let explicit = ExplicitHttpConfig { protocol_config: Some(Http2ProtocolOptions(window)) };
        let options = upstream::HttpProtocolOptions {
            upstream_protocol_options: Some(Explicit(explicit)),
            ..Default::default()
        };
        cluster.typed_extension_protocol_options =
            [(upstream::HttpProtocolOptions::full_name(), any(&options))].into();
    });
    assert_eq!(config.protocol, Protocol::Http2(Http2 { stream_window: 1 << 20, ..Http2::default() }));
}

#[test]
fn circuit_breakers_of_either_priority() {
    let config = read_cluster(|cluster| {
        let high = cluster::circuit_breakers::Thresholds {
            priority: 1,
            max_requests: number(1),
            ..Default::default()
        };
        let default = cluster::circuit_breakers::Thresholds { max_requests: number(7), ..Default::default() };
        cluster.circuit_breakers =
            Some(cluster::CircuitBreakers { thresholds: vec![high, default], ..Default::default() });
    });
    assert_eq!((config.limits.max_requests, config.limits.max_retries), (7, 3));
    assert_eq!((config.high_limits.max_requests, config.high_limits.max_retries), (1, 3));
}

#[test]
fn weights_of_endpoints_are_read() {
    let mut load = assignment("a", &[("10.0.0.1", 80), ("10.0.0.2", 80)]);
    load.endpoints[0].lb_endpoints[0].load_balancing_weight = number(9);
    let mut world = World::new();
    world.accept(&cluster::Cluster { load_assignment: Some(load), ..fixed("a", &[]) });
    let endpoints = &world.cluster("a").endpoints;
    let rng = forebay_base::rng::Rng::seeded(3);
    let first = (0..1000)
        .filter(|_| endpoints.pick(&rng, None).unwrap().endpoint().address.ip().to_string() == "10.0.0.1")
        .count();
    assert!(first > 700, "{first} of 1000");
}

#[test]
fn paths() {
    use route::route_match::PathSpecifier::{Path, PathSeparatedPrefix, Prefix, SafeRegex};
    let path = |specifier, sensitive| {
        let route = read_route(|route| {
            let condition = route.r#match.as_mut().unwrap();
            condition.path_specifier = Some(specifier);
            condition.case_sensitive = Some(forebay_proto::google::protobuf::BoolValue { value: sensitive });
        });
        route.matcher.path.clone()
    };
    assert_eq!(path(Prefix("/p".to_owned()), true).rule, PathRule::Prefix("/p".into()));
    assert_eq!(path(PathSeparatedPrefix("/p".to_owned()), true).rule, PathRule::Segments("/p".into()));
    let exact = path(Path("/p".to_owned()), false);
    assert_eq!((exact.rule, exact.ignore_case), (PathRule::Exact("/p".into()), true));
    let regex = matcher::RegexMatcher { regex: "/[0-9]+".to_owned(), ..Default::default() };
    let PathRule::Regex(pattern) = path(SafeRegex(regex), true).rule else { panic!("it is a pattern") };
    assert!(pattern.matches(b"/42") && !pattern.matches(b"/42/x"));
}

#[test]
fn headers_and_query_parameters() {
    use route::header_matcher::HeaderMatchSpecifier::{ExactMatch, PresentMatch, RangeMatch, StringMatch};
    let string = |pattern| matcher::StringMatcher { match_pattern: Some(pattern), ignore_case: true };
    let route = read_route(|route| {
        let condition = route.r#match.as_mut().unwrap();
        let header = |specifier, invert| route::HeaderMatcher {
            name: "X-Head".to_owned(),
            invert_match: invert,
            header_match_specifier: specifier,
            ..Default::default()
        };
        let range = forebay_proto::envoy::r#type::v3::Int64Range { start: 1, end: 5 };
        condition.headers = vec![
            header(None, false),
            header(Some(PresentMatch(false)), false),
            header(Some(RangeMatch(range)), true),
            header(Some(ExactMatch("v".to_owned())), false),
            header(
                Some(StringMatch(string(matcher::string_matcher::MatchPattern::Suffix("v".to_owned())))),
                false,
            ),
        ];
        let text = string(matcher::string_matcher::MatchPattern::Contains("v".to_owned()));
        condition.query_parameters = vec![
            route::QueryParameterMatcher { name: "q".to_owned(), ..Default::default() },
            route::QueryParameterMatcher {
                name: "r".to_owned(),
                query_parameter_match_specifier: Some(
                    route::query_parameter_matcher::QueryParameterMatchSpecifier::StringMatch(text),
                ),
            },
        ];
    });
    let rules: Vec<_> = route.matcher.headers.iter().map(|header| header.rule.clone()).collect();
    assert_eq!(rules[..2], [HeaderRule::Present(true), HeaderRule::Present(false)]);
    assert!(
        matches!(&rules[2], HeaderRule::Range(range) if *range == (1..5)) && route.matcher.headers[2].invert
    );
    let HeaderRule::Text(exact) = &rules[3] else { panic!("it is text") };
    assert_eq!((&exact.rule, exact.ignore_case), (&TextRule::Exact("v".into()), false));
    let HeaderRule::Text(suffix) = &rules[4] else { panic!("it is text") };
    assert_eq!((&suffix.rule, suffix.ignore_case), (&TextRule::Suffix("v".into()), true));
    assert_eq!(route.matcher.headers[0].key.to_string(), "x-head");
    assert_eq!(route.matcher.query[0].rule, QueryRule::Present(true));
    assert!(
        matches!(&route.matcher.query[1].rule, QueryRule::Text(text) if text.rule == TextRule::Contains("v".into()))
    );
}

#[test]
fn forwarding_has_envoys_15_seconds_unless_it_says_otherwise() {
    assert_eq!(read_action(|_| {}).timeout, Some(Duration::from_secs(15)));
    assert_eq!(read_action(|action| action.timeout = duration(Duration::ZERO)).timeout, None);
    assert_eq!(read_action(|_| {}).idle_timeout, None, "the listener's own");
}

#[test]
fn rewrites_upgrades_and_retries() {
    let forward = read_action(|action| {
        action.prefix_rewrite = "/new".to_owned();
        action.host_rewrite_specifier =
            Some(route::route_action::HostRewriteSpecifier::HostRewriteLiteral("app.test".to_owned()));
        let upgrade = |kind: &str, enabled| route::route_action::UpgradeConfig {
            upgrade_type: kind.to_owned(),
            enabled: Some(forebay_proto::google::protobuf::BoolValue { value: enabled }),
            ..Default::default()
        };
        action.upgrade_configs = vec![upgrade("WebSocket", true), upgrade("h2c", false)];
        action.retry_policy = Some(route::RetryPolicy {
            retry_on: "connect-failure,retriable-status-codes".to_owned(),
            num_retries: number(3),
            retriable_status_codes: vec![503],
            per_try_timeout: duration(Duration::from_secs(2)),
            ..Default::default()
        });
    });
    assert_eq!(forward.path_rewrite(), Some(&PathRewrite::Prefix("/new".into())));
    assert_eq!(forward.host_rewrite(), Some(&HostRewrite::Literal("app.test".into())));
    assert_eq!(
        (forward.upgrade(b"websocket"), forward.upgrade(b"h2c"), forward.upgrade(b"other")),
        (Some(true), Some(false), None)
    );
    let retry = forward.retry.as_ref().unwrap();
    assert!(retry.on.has(RetryOn::CONNECT_FAILURE) && retry.on.has(RetryOn::STATUS_CODES));
    assert_eq!(
        (retry.tries, &*retry.statuses, retry.per_try_timeout),
        (3, &[503][..], Some(Duration::from_secs(2)))
    );
}

#[test]
fn a_route_has_its_hosts_retries_unless_it_has_its_own() {
    let mut world = World::new();
    world.accept(&listener("http", "all"));
    let policy = route::RetryPolicy { retry_on: "reset".to_owned(), ..Default::default() };
    world.accept(&routes(
        "all",
        vec![route::VirtualHost { retry_policy: Some(policy), ..host("x", &["*"], "a") }],
    ));
    let Action::Forward(forward) = &world.tables["all"].get("x").unwrap().routes[0].action else {
        panic!("it forwards")
    };
    assert!(forward.retry.as_ref().unwrap().on.has(RetryOn::RESET));
}

#[test]
fn headers_added_and_removed() {
    let route = read_route(|route| {
        let add = |key: &str, value: &str, action, keep| core::HeaderValueOption {
            header: Some(core::HeaderValue {
                key: key.to_owned(),
                value: value.to_owned(),
                ..Default::default()
            }),
            append_action: action,
            keep_empty_value: keep,
            ..Default::default()
        };
        route.request_headers_to_add = vec![
            add("X-A", "100%%", 0, false),
            add("x-b", "v", 1, false),
            add("x-c", "v", 2, false),
            add("x-d", "v", 3, false),
            add("x-empty", "", 0, false),
            add("x-kept", "", 0, true),
        ];
        route.response_headers_to_remove = vec!["Server".to_owned()];
    });
    let adds: Vec<_> = route.headers.request_add.iter().map(|add| (&*add.name, add.action)).collect();
    assert_eq!(
        adds,
        [
            ("x-a", HeaderAddAction::Append),
            ("x-b", HeaderAddAction::AddIfAbsent),
            ("x-c", HeaderAddAction::Overwrite),
            ("x-d", HeaderAddAction::OverwriteIfExists),
            ("x-kept", HeaderAddAction::Append),
        ]
    );
    assert_eq!(route.headers.request_add[0].value, Value::Literal("100%".into()));
    assert_eq!(*route.headers.response_remove, ["server".into()]);
}

#[test]
fn redirects_and_direct_responses() {
    use route::redirect_action::{PathRewriteSpecifier::PathRedirect, SchemeRewriteSpecifier::HttpsRedirect};
    let route = read_route(|route| {
        route.action = Some(route::route::Action::Redirect(route::RedirectAction {
            host_redirect: "new.test".to_owned(),
            response_code: 4,
            strip_query: true,
            scheme_rewrite_specifier: Some(HttpsRedirect(true)),
            path_rewrite_specifier: Some(PathRedirect("/there".to_owned())),
            ..Default::default()
        }));
    });
    let Action::Redirect(redirect) = route.action else { panic!("it redirects") };
    assert_eq!(
        (redirect.scheme.as_deref(), redirect.host.as_deref(), redirect.port),
        (Some("https"), Some("new.test"), None)
    );
    assert_eq!(
        (redirect.status, redirect.strip_query, redirect.path),
        (308, true, RedirectPath::Replace("/there".into()))
    );
    let route = read_route(|route| {
        let body = core::data_source::Specifier::InlineString("gone".to_owned());
        route.action = Some(route::route::Action::DirectResponse(route::DirectResponseAction {
            status: 410,
            body: Some(core::DataSource { specifier: Some(body), ..Default::default() }),
            ..Default::default()
        }));
    });
    let Action::Direct(direct) = route.action else { panic!("it answers") };
    assert_eq!((direct.status, &*direct.body), (410, &b"gone"[..]));
}
