//! Two that claim one host: the first one has it, the other is told whose it is, and gets it when it is let go.

use forebay_knative::api::Kind;

use crate::stage::{Stage, service};

fn tagged(tag: &str) -> String {
    format!("  traffic: [{{latestRevision: true, percent: 100, tag: {tag}}}]\n")
}

fn mapping(namespace: &str, host: &str, to: &str) -> String {
    format!(
        "apiVersion: serving.knative.dev/v1beta1\nkind: DomainMapping\nmetadata: {{name: {host}, namespace: {namespace}}}\nspec: {{ref: {{kind: Service, name: {to}, apiVersion: serving.knative.dev/v1}}}}\n"
    )
}

#[test]
fn a_tag_that_makes_another_services_host_is_refused_it() {
    let mut stage = Stage::new();
    stage.apply(&service("a-b", "i:1", ""));
    stage.ready("a-b-00001");
    stage.apply(&service("b", "i:1", ""));
    stage.ready("b-00001");
    stage.apply(&service("b", "i:1", &tagged("a")));
    assert_eq!(stage.splits("a-b.default.localhost"), "a-b-00001 100");
    assert_eq!(stage.splits("b.default.localhost"), "b-00001 100", "it keeps its last good state");
    let expected = "False DomainAlreadyClaimed: The host \"a-b.default.localhost\" is already claimed by Service \"default/a-b\".";
    assert_eq!(stage.says(Kind::Route, "b", "IngressReady"), expected);
    assert_eq!(stage.says(Kind::Service, "b", "RoutesReady"), expected);

    stage.delete(Kind::Service, "a-b");
    assert_eq!(stage.splits("a-b.default.localhost"), "b-00001 100");
    assert!(stage.is_ready("b"));
}

#[test]
fn a_service_whose_host_is_a_tags_waits_for_it() {
    let mut stage = Stage::new();
    stage.apply(&service("b", "i:1", &tagged("a")));
    stage.ready("b-00001");
    stage.apply(&service("a-b", "i:1", ""));
    stage.ready("a-b-00001");
    assert_eq!(stage.splits("a-b.default.localhost"), "b-00001 100");
    assert_eq!(
        stage.says(Kind::Route, "a-b", "IngressReady"),
        "False DomainAlreadyClaimed: The host \"a-b.default.localhost\" is already claimed by Service \"default/b\"."
    );
    stage.apply(&service("b", "i:1", ""));
    assert_eq!(stage.splits("a-b.default.localhost"), "a-b-00001 100");
    assert!(stage.is_ready("a-b") && stage.is_ready("b"));
}

#[test]
fn the_winner_stays_the_winner_over_a_restart() {
    let mut stage = Stage::new();
    stage.apply(&service("b", "i:1", &tagged("a")));
    stage.ready("b-00001");
    stage.apply(&service("a-b", "i:1", ""));
    stage.ready("a-b-00001");
    stage.restart();
    assert_eq!(stage.splits("a-b.default.localhost"), "b-00001 100");
    assert!(!stage.is_ready("a-b"));
}

#[test]
fn a_domain_belongs_to_one_mapping() {
    let mut stage = Stage::new();
    stage.apply(&service("x, namespace: one", "i:1", ""));
    stage.apply(&service("x, namespace: two", "i:1", ""));
    stage.apply(&mapping("one", "www.example.com", "x"));
    stage.apply(&mapping("two", "www.example.com", "x"));
    assert!(stage.rule("www.example.com").is_some());
    assert_eq!(
        stage.says(Kind::DomainMapping, "two/www.example.com", "DomainClaimed"),
        "False DomainAlreadyClaimed: The host \"www.example.com\" is already claimed by DomainMapping \"one/www.example.com\"."
    );
    stage.delete(Kind::DomainMapping, "one/www.example.com");
    assert_eq!(stage.says(Kind::DomainMapping, "two/www.example.com", "Ready"), "True");
    assert!(stage.rule("www.example.com").is_some());
}

#[test]
fn a_mapping_cannot_take_a_services_host_nor_a_service_a_mappings() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    stage.ready("hello-00001");
    stage.apply(&mapping("default", "hello.default.localhost", "hello"));
    assert_eq!(
        stage.says(Kind::DomainMapping, "hello.default.localhost", "DomainClaimed"),
        "False DomainAlreadyClaimed: The host \"hello.default.localhost\" is already claimed by Service \"default/hello\"."
    );
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00001 100");

    stage.apply(&mapping("default", "late.default.localhost", "hello"));
    stage.apply(&service("late", "i:1", ""));
    stage.ready("late-00001");
    assert_eq!(
        stage.says(Kind::Service, "late", "RoutesReady"),
        "False DomainAlreadyClaimed: The host \"late.default.localhost\" is already claimed by DomainMapping \"default/late.default.localhost\"."
    );
    stage.delete(Kind::DomainMapping, "late.default.localhost");
    assert_eq!(stage.splits("late.default.localhost"), "late-00001 100");
}

#[test]
fn one_host_under_two_domains_is_two_hosts() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    stage.apply(&mapping("default", "app.localhost", "hello"));
    stage.apply(&mapping("default", "app.127.0.0.1.sslip.io", "hello"));
    assert_eq!(stage.says(Kind::DomainMapping, "app.127.0.0.1.sslip.io", "Ready"), "True");
    assert_eq!(stage.says(Kind::DomainMapping, "app.localhost", "Ready"), "True");
}

#[test]
fn a_tag_that_never_came_to_serve_is_let_go_too() {
    let mut stage = Stage::new();
    stage.apply(&service("b", "i:1", &tagged("a")));
    stage.apply(&service("a-b", "i:1", ""));
    stage.ready("a-b-00001");
    assert_eq!(stage.splits("a-b.default.localhost"), "", "b claimed it first, though it is not ready");
    stage.apply(&service("b", "i:1", ""));
    assert_eq!(stage.splits("a-b.default.localhost"), "a-b-00001 100");
}

#[test]
fn what_a_last_good_state_serves_stays_claimed_over_a_restart() {
    let mut stage = Stage::new();
    stage.apply(&service("b", "i:1", &tagged("a")));
    stage.ready("b-00001");
    stage.apply(&service("b", "i:1", "  traffic: [{revisionName: b-nope, percent: 100}]\n"));
    stage.restart();
    stage.apply(&service("a-b", "i:1", ""));
    stage.ready("a-b-00001");
    assert_eq!(stage.splits("a-b.default.localhost"), "b-00001 100");
    stage.apply(&service("b", "i:1", ""));
    assert_eq!(stage.splits("a-b.default.localhost"), "a-b-00001 100");
}

#[test]
fn who_loses_one_host_and_serves_none_keeps_none_from_others() {
    let mut stage = Stage::new();
    stage.apply(&service("b", "i:1", ""));
    stage.ready("b-00001");
    stage.apply(&service("a-b", "i:1", ""));
    stage.apply(&service("b-a-b", "i:1", ""));
    stage.apply(&service("b", "i:1", &tagged("a")));
    assert!(!stage.is_ready("b"), "a-b has that host");
    stage.apply(&service("a-b", "i:1", &tagged("b")));
    assert!(!stage.is_ready("a-b"), "b-a-b has that host");
    assert_eq!(stage.splits("a-b.default.localhost"), "b-00001 100");
}

#[test]
fn a_domain_claimed_for_a_service_to_come_stays_claimed_over_a_restart() {
    let mut stage = Stage::new();
    stage.apply(&mapping("default", "a-b.default.localhost", "later"));
    stage.apply(&service("b", "i:1", ""));
    stage.ready("b-00001");
    stage.apply(&service("b", "i:1", &tagged("a")));
    stage.restart();
    assert!(!stage.is_ready("b"));
    assert_eq!(stage.splits("a-b.default.localhost"), "");
}
