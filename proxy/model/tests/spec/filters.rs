//! HTTP filters: which are read, in which order, what routes may tell them, and how everything else is refused.

use forebay_model::{AuthzRoute, AuthzService, FilterKind, HttpManager};
use forebay_proto::Any;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::route::v3 as route;
use forebay_proto::envoy::extensions::filters::http::ext_authz::v3 as authz;
use forebay_proto::envoy::extensions::filters::http::health_check::v3::HealthCheck;
use forebay_proto::envoy::extensions::filters::http::lua::v3::Lua;
use forebay_proto::envoy::extensions::filters::http::router::v3::Router;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use forebay_proto::google::protobuf::BoolValue;

use crate::build::{any, filter, host, listener, listener_with, manager, route_to, routes};
use crate::world::World;

const AT: &str = "filter_chains[0].filters[0].typed_config.http_filters";

fn router() -> hcm::HttpFilter {
    filter("router", &Router::default())
}

fn with(filters: Vec<hcm::HttpFilter>) -> hcm::HttpConnectionManager {
    hcm::HttpConnectionManager { http_filters: filters, ..manager("r") }
}

fn refused(filters: Vec<hcm::HttpFilter>) -> String {
    World::new().refuse(&listener_with("l", &with(filters)))
}

/// What a listener with these filters does.
fn read(filters: Vec<hcm::HttpFilter>) -> HttpManager {
    let mut world = World::new();
    let mut message = with(filters);
    message.route_specifier =
        Some(hcm::http_connection_manager::RouteSpecifier::RouteConfig(Default::default()));
    let applied = world.accept(&listener_with("l", &message));
    let (_, listener) = &applied.update.listeners[0];
    (*listener.as_ref().unwrap().chains[0].http).clone()
}

/// Over gRPC, to the cluster `authz`.
fn grpc() -> authz::ExtAuthz {
    let target = core::grpc_service::EnvoyGrpc { cluster_name: "authz".to_owned(), ..Default::default() };
    authz::ExtAuthz {
        transport_api_version: core::ApiVersion::V3 as i32,
        services: Some(authz::ext_authz::Services::GrpcService(core::GrpcService {
            target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(target)),
            ..Default::default()
        })),
        ..Default::default()
    }
}

#[test]
fn the_router_is_last_and_what_nobody_knows_is_refused_unless_it_may_be_missing() {
    let lua = || filter("lua", &Lua::default());
    let unknown =
        "extension type \"type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua\" is not supported";
    assert_eq!(refused(vec![lua(), router()]), format!("{AT}[0].typed_config.@type: {unknown}"));
    let last = format!("{AT}: the last HTTP filter has to be envoy.filters.http.router");
    assert_eq!(refused(vec![]), last);
    assert_eq!(refused(vec![filter("authz", &grpc())]), last);
    let optional = hcm::HttpFilter { is_optional: true, ..lua() };
    let off = hcm::HttpFilter { name: "off".to_owned(), disabled: true, ..lua() };
    assert!(read(vec![optional, off, router()]).filters.is_empty());
    let mut bare = router();
    bare.config_type = Some(hcm::http_filter::ConfigType::TypedConfig(Any {
        type_url: "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router".to_owned(),
        value: Vec::new(),
    }));
    assert!(read(vec![bare]).filters.is_empty());
}

#[test]
fn filters_keep_their_order_their_names_and_whether_they_are_off() {
    let health = HealthCheck { pass_through_mode: Some(BoolValue { value: true }), ..Default::default() };
    let second = hcm::HttpFilter { disabled: true, ..filter("b", &grpc()) };
    let filters = read(vec![filter("a", &health), second.clone(), router()]).filters;
    let found: Vec<_> = filters.iter().map(|f| (&*f.name, f.disabled)).collect();
    assert_eq!(found, [("a", false), ("b", true)]);
    let FilterKind::ExtAuthz(settings) = &filters[1].kind else { panic!() };
    let AuthzService::Grpc(service) = &settings.service else { panic!() };
    assert_eq!((&*service.authority, service.timeout.as_millis()), ("authz", 200));
    assert_eq!((settings.status_on_error, settings.failure_mode_allow), (403, false));
    let twice = refused(vec![filter("b", &health), second, router()]);
    assert_eq!(twice, format!("{AT}[1].name: \"b\" is there twice"));
}

#[test]
fn what_ext_authz_cannot_honour_is_refused_by_name() {
    let why = |change: fn(&mut authz::ExtAuthz)| {
        let mut message = grpc();
        change(&mut message);
        let why = refused(vec![filter("authz", &message), router()]);
        why.strip_prefix(&format!("{AT}[0].typed_config.")).unwrap_or_else(|| panic!("{why}")).to_owned()
    };
    assert_eq!(why(|m| m.transport_api_version = 0), "transport_api_version: AUTO is not supported");
    assert_eq!(why(|m| m.services = None), "services: is missing");
    assert_eq!(why(|m| m.validate_mutations = true), "validate_mutations: true is not supported");
    assert_eq!(
        why(|m| m.with_request_body = Some(Default::default())),
        "with_request_body.max_request_bytes: 0 is not between 1 and 4294967295"
    );
    let bare = |m: &mut authz::ExtAuthz| {
        let uri = core::HttpUri { uri: "http://a".to_owned(), ..Default::default() };
        let service = authz::HttpService { server_uri: Some(uri), ..Default::default() };
        m.services = Some(authz::ext_authz::Services::HttpService(service));
    };
    assert_eq!(why(bare), "http_service.server_uri.cluster: is missing");
}

fn told(key: &str, message: Any) -> route::VirtualHost {
    route::VirtualHost {
        typed_per_filter_config: [(key.to_owned(), message)].into(),
        routes: vec![route_to("a")],
        ..host("x", &["x.test"], "a")
    }
}

fn settings() -> authz::ExtAuthzPerRoute {
    let extensions = [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())];
    authz::ExtAuthzPerRoute {
        r#override: Some(authz::ext_authz_per_route::Override::CheckSettings(authz::CheckSettings {
            context_extensions: extensions.into(),
            ..Default::default()
        })),
    }
}

#[test]
fn routes_tell_filters_by_name() {
    let told_by = |message: Any| {
        let mut world = World::new();
        world.accept(&listener("http", "all"));
        let applied = world.accept(&routes("all", vec![told("f", message)]));
        let (_, table) = &applied.update.tables[0];
        let table = table.clone().unwrap();
        let filters = table.hosts().next().unwrap().1.filters.clone();
        filters.get("f").cloned()
    };
    let plain = told_by(any(&settings())).unwrap();
    let read = plain.told.as_ref().unwrap().as_any().downcast_ref::<AuthzRoute>();
    let extensions = Box::from([("a".into(), "1".into()), ("b".into(), "2".into())]);
    assert_eq!(read, Some(&AuthzRoute::Check { extensions, no_body: false, body: None }));
    let wrap = |config: route::FilterConfig| any(&config);
    let config = Some(any(&settings()));
    let wrapped =
        told_by(wrap(route::FilterConfig { config: config.clone(), ..Default::default() })).unwrap();
    assert_eq!(wrapped, plain);
    let off = told_by(wrap(route::FilterConfig { config, disabled: true, ..Default::default() })).unwrap();
    assert!(off.disabled && off.told.is_none());
    let on =
        told_by(wrap(route::FilterConfig { config: Some(Any::default()), ..Default::default() })).unwrap();
    assert!(!on.disabled && on.told.is_none());
    let config = Some(any(&Router::default()));
    let optional = route::FilterConfig { config, is_optional: true, ..Default::default() };
    assert!(told_by(wrap(optional)).is_none());
}

#[test]
fn settings_that_nobody_reads_are_refused_by_type() {
    let why = |message: Any| {
        let mut world = World::new();
        world.accept(&listener("http", "all"));
        world.refuse(&routes("all", vec![told("f", message)]))
    };
    let at = "virtual_hosts[0].typed_per_filter_config[\"f\"]";
    let unknown = "extension type \"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\" is not supported";
    let config = Some(any(&Router::default()));
    assert_eq!(why(any(&Router::default())), format!("{at}.@type: {unknown}"));
    let wrapped = route::FilterConfig { config, ..Default::default() };
    assert_eq!(why(any(&wrapped)), format!("{at}.config.@type: {unknown}"));
    assert_eq!(why(any(&route::FilterConfig::default())), format!("{at}.config: is missing"));
    assert_eq!(why(any(&authz::ExtAuthzPerRoute::default())), format!("{at}.override: is missing"));
}

#[test]
fn what_rbac_cannot_honour_is_refused_by_name() {
    use forebay_proto::envoy::config::rbac::v3 as rbac;
    use forebay_proto::envoy::extensions::filters::http::rbac::v3 as filters;
    let why = |change: &dyn Fn(&mut rbac::Policy)| {
        let mut policy = rbac::Policy {
            permissions: vec![rbac::Permission { rule: Some(rbac::permission::Rule::Any(true)) }],
            principals: vec![rbac::Principal { identifier: Some(rbac::principal::Identifier::Any(true)) }],
            ..Default::default()
        };
        change(&mut policy);
        let rules = rbac::Rbac { policies: [("p".to_owned(), policy)].into(), ..Default::default() };
        let message = filters::Rbac { rules: Some(rules), ..Default::default() };
        let why = refused(vec![filter("rbac", &message), router()]);
        let at = format!("{AT}[0].typed_config.rules.policies");
        why.strip_prefix(&at).unwrap_or_else(|| panic!("{why}")).to_owned()
    };
    let permission = |rule| move |p: &mut rbac::Policy| p.permissions[0].rule = rule;
    assert!(why(&|p| p.permissions.clear()).ends_with(".permissions: is empty"));
    assert!(why(&|p| p.condition = Some(Default::default())).contains(".condition: "));
    let no = why(&|p| permission(Some(rbac::permission::Rule::Any(false)))(p));
    assert!(no.ends_with(".permissions[0].any: false is not supported"), "{no}");
    let port = why(&|p| permission(Some(rbac::permission::Rule::DestinationPort(70_000)))(p));
    assert!(port.ends_with(".permissions[0].destination_port: 70000 is not between 0 and 65535"), "{port}");
    let custom = why(&|p| {
        p.principals[0].identifier = Some(rbac::principal::Identifier::Custom(core::TypedExtensionConfig {
            name: "x".to_owned(),
            ..Default::default()
        }));
    });
    assert!(custom.ends_with(".principals[0].custom: \"x\" is not supported"), "{custom}");
}
