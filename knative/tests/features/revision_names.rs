//! What revisions are called, and that a name stands for one template for ever.

use forebay_knative::api::Kind;

use crate::stage::{Stage, named, service};

fn names(stage: &Stage) -> Vec<String> {
    stage.world.revisions().map(|(key, ..)| key.name.to_string()).collect()
}

#[test]
fn revisions_are_numbered_by_generation() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    stage.apply(&named("hello", "hello-mine", "i:2", ""));
    stage.apply(&service("hello", "i:3", ""));
    assert_eq!(names(&stage), ["hello-00001", "hello-00003", "hello-mine"]);
}

#[test]
fn a_long_name_is_shortened_by_a_digest() {
    let mut stage = Stage::new();
    let long = "a".repeat(63);
    stage.apply(&service(&long, "i:1", ""));
    let name = &names(&stage)[0];
    assert_eq!(name.len(), 63);
    assert!(name.starts_with("aaaaaaaaaaaaaaaaaaaaaaaaa") && name.ends_with("-00001"), "{name}");
}

#[test]
fn a_named_template_cannot_change_without_a_new_name() {
    let mut stage = Stage::new();
    stage.apply(&named("s", "s-v1", "i:1", ""));
    stage.ready("s-v1");
    let invalid = stage.try_apply(&named("s", "s-v1", "i:2", "")).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "Saw the following changes without a name change (-old +new): spec.template.metadata.name \
         (spec.containers[0].image: -\"i:1\" +\"i:2\")"
    );
    assert_eq!(stage.splits("s.default.localhost"), "s-v1 100");
    assert!(stage.is_ready("s"), "what runs is left alone");
}

#[test]
fn a_name_that_was_used_before_keeps_its_meaning() {
    let mut stage = Stage::new();
    stage.apply(&named("s", "s-v1", "i:1", ""));
    stage.apply(&named("s", "s-v2", "i:2", ""));
    let invalid = stage.try_apply(&named("s", "s-v1", "i:3", "")).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "The revision name \"s-v1\" is taken by a conflicting Revision, so traffic will not be migrated: \
         spec.template.metadata.name (containers[0].image: -\"i:1\" +\"i:3\")"
    );
    stage.apply(&named("s", "s-v1", "i:1", ""));
    assert_eq!(names(&stage), ["s-v1", "s-v2"]);
}

#[test]
fn a_name_of_another_service_is_taken() {
    let mut stage = Stage::new();
    stage.apply(&named("a", "a-b-v1", "i:1", ""));
    let invalid = stage.try_apply(&named("a-b", "a-b-v1", "i:1", "")).unwrap_err();
    assert!(invalid.to_string().contains("(it belongs to Configuration \"a\")"), "{invalid}");
    assert!(stage.world.conditions(Kind::Service, &crate::stage::key("a-b")).is_empty(), "nothing is stored");
}

#[test]
fn a_number_that_somebody_brought_is_not_used_twice() {
    let mut stage = Stage::new();
    stage.apply(&named("s", "s-00002", "i:1", ""));
    let invalid = stage.try_apply(&service("s", "i:2", "")).unwrap_err();
    assert!(invalid.to_string().starts_with("The revision name \"s-00002\" is taken"), "{invalid}");
}
