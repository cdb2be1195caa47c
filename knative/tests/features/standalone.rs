//! Configurations and Routes without a Service.

use forebay_knative::api::Kind;

use crate::stage::{Stage, service};

fn configuration(name: &str, image: &str) -> String {
    format!(
        "apiVersion: serving.knative.dev/v1\nkind: Configuration\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {{containers: [{{image: {image}}}]}}}}}}\n"
    )
}

fn route(name: &str, traffic: &str) -> String {
    format!(
        "apiVersion: serving.knative.dev/v1\nkind: Route\nmetadata: {{name: {name}}}\nspec: {{traffic: [{traffic}]}}\n"
    )
}

#[test]
fn a_route_spreads_over_configurations() {
    let mut stage = Stage::new();
    stage.apply(&route("r", "{configurationName: a, percent: 60}, {configurationName: b, percent: 40}"));
    assert_eq!(
        stage.says(Kind::Route, "r", "Ready"),
        "False ConfigurationMissing: Configuration \"a\" referenced in traffic not found."
    );
    stage.apply(&configuration("a", "i:1"));
    stage.apply(&configuration("b", "i:1"));
    stage.ready("a-00001");
    stage.ready("b-00001");
    assert_eq!(stage.splits("r.default.localhost"), "a-00001 60, b-00001 40");
    stage.apply(&configuration("b", "i:2"));
    stage.ready("b-00002");
    assert_eq!(stage.splits("r.default.localhost"), "a-00001 60, b-00002 40");
    assert!(stage.delete(Kind::Configuration, "b"));
    assert_eq!(stage.splits("r.default.localhost"), "a-00001 60, b-00002 40", "the last good state");
    assert_eq!(
        stage.says(Kind::Route, "r", "AllTrafficAssigned"),
        "False ConfigurationMissing: Configuration \"b\" referenced in traffic not found."
    );
    assert!(stage.delete(Kind::Route, "r"));
    assert_eq!(stage.splits("r.default.localhost"), "");
}

#[test]
fn a_route_of_its_own_may_name_any_revision() {
    let mut stage = Stage::new();
    stage.apply(&service("s", "i:1", ""));
    stage.ready("s-00001");
    stage.apply(&route("r", "{revisionName: s-00001, percent: 100}"));
    assert_eq!(stage.splits("r.default.localhost"), "s-00001 100");
}

#[test]
fn a_service_does_not_take_over_what_is_there() {
    let mut stage = Stage::new();
    stage.apply(&configuration("c", "i:1"));
    let invalid = stage.try_apply(&service("c", "i:1", "")).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "There is an existing Configuration \"c\" that we do not own.: metadata.name"
    );
    stage.apply(&service("s", "i:1", ""));
    let invalid = stage.try_apply(&configuration("s", "i:2")).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "Configuration \"s\" belongs to the Service of that name: change the Service: metadata.name"
    );
}

#[test]
fn roots_are_what_was_applied() {
    let mut stage = Stage::new();
    stage.apply(&service("s", "i:1", ""));
    stage.apply(&configuration("c", "i:1"));
    stage.apply(&route("r", "{configurationName: c, percent: 100}"));
    let roots: Vec<String> = stage.world.roots().map(|(kind, key)| format!("{kind} {key}")).collect();
    assert_eq!(roots, ["Service default/s", "Configuration default/c", "Route default/r"]);
}
