//! `rbac`: who is let in, who is not, and what is only counted.

use std::collections::HashMap;

use forebay_proto::envoy::config::rbac::v3::{
    Permission, Policy, Principal, Rbac as Rules, permission, principal, rbac::Action,
};
use forebay_proto::envoy::config::route::v3::{HeaderMatcher, header_matcher::HeaderMatchSpecifier};
use forebay_proto::envoy::extensions::filters::http::rbac::v3::{Rbac, RbacPerRoute};
use forebay_proto::envoy::r#type::matcher::v3 as matcher;

use super::backend::Backend;
use super::resources::{any, forward, header_is_there, route};
use super::world::to;

/// Anybody, for paths that begin like this.
fn policy(prefix: &str) -> Policy {
    let text = matcher::StringMatcher {
        match_pattern: Some(matcher::string_matcher::MatchPattern::Prefix(prefix.to_owned())),
        ..Default::default()
    };
    let path = matcher::PathMatcher { rule: Some(matcher::path_matcher::Rule::Path(text)) };
    Policy {
        permissions: vec![Permission { rule: Some(permission::Rule::UrlPath(path)) }],
        principals: vec![Principal { identifier: Some(principal::Identifier::Any(true)) }],
        ..Default::default()
    }
}

fn rules(action: Action, policies: &[(&str, Policy)]) -> Option<Rules> {
    let policies: HashMap<_, _> =
        policies.iter().map(|(name, policy)| ((*name).to_owned(), policy.clone())).collect();
    Some(Rules { action: action as i32, policies, ..Default::default() })
}

#[test]
fn only_those_who_match_are_let_in() {
    let backend = Backend::echoing_path();
    let mut members = policy("/members");
    let header: HeaderMatcher = header_is_there("x-member");
    assert!(matches!(header.header_match_specifier, Some(HeaderMatchSpecifier::PresentMatch(true))));
    members.principals = vec![Principal { identifier: Some(principal::Identifier::Header(header)) }];
    let filter = Rbac {
        rules: rules(Action::Allow, &[("members", members), ("all", policy("/open"))]),
        ..Default::default()
    };
    let world = to(&[backend.address]).filter("f", &filter).start();
    let mut client = world.connect();
    assert_eq!(client.get("/open/x").status, 200);
    for path in ["/", "/members"] {
        let refused = client.get(path);
        assert_eq!((refused.status, refused.text()), (403, "RBAC: access denied"));
    }
    client.send("GET /members HTTP/1.1\r\nhost: a\r\nx-member: 1\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let counted = |name: &str| world.stat(&format!("http.ingress_http.rbac.{name}"));
    assert_eq!((counted("allowed"), counted("denied")), (2, 2));
    assert_eq!(backend.requests().len(), 2);
}

#[test]
fn a_shadow_is_counted_and_hurts_nobody() {
    let backend = Backend::echoing_path();
    let filter = Rbac { shadow_rules: rules(Action::Deny, &[("x", policy("/x"))]), ..Default::default() };
    let world = to(&[backend.address]).filter("f", &filter).start();
    let mut client = world.connect();
    assert_eq!((client.get("/x").status, client.get("/y").status), (200, 200));
    let counted = |name: &str| world.stat(&format!("http.ingress_http.rbac.{name}"));
    assert_eq!((counted("shadow_allowed"), counted("shadow_denied"), counted("allowed")), (1, 1, 0));
}

#[test]
fn a_route_has_rules_of_its_own_or_none() {
    let backend = Backend::echoing_path();
    let filter = Rbac { rules: rules(Action::Allow, &[]), ..Default::default() };
    let own = Rbac { rules: rules(Action::Deny, &[("x", policy("/own/x"))]), ..Default::default() };
    let told = |prefix: &str, told: &RbacPerRoute| {
        let mut route = route(prefix, forward("backend"));
        route.typed_per_filter_config.insert("f".to_owned(), any(told));
        route
    };
    let routes = vec![
        told("/off", &RbacPerRoute { rbac: None }),
        told("/own", &RbacPerRoute { rbac: Some(own) }),
        route("/", forward("backend")),
    ];
    let world = to(&[backend.address]).filter("f", &filter).host("*", routes).start();
    let mut client = world.connect();
    let found = ["/off", "/own/a", "/own/x", "/"].map(|path| client.get(path).status);
    assert_eq!(found, [200, 200, 403, 403]);
}
