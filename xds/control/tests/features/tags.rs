//! Tags: hosts of their own, and a header where an installation says so.

use forebay_knative::world::Config;

use crate::text::host;
use crate::world::{Machine, service};

const TAGGED: &str = "  traffic:
  - {latestRevision: true, percent: 100}
  - {revisionName: hello-00001, tag: blue}
";

fn tagged(machine: &mut Machine) {
    machine.save("hello.yaml", &service("hello"));
    machine.ready("hello-00001");
    let one_line = "spec: {template: {spec: {containers: [{image: example.com/hello}]}}}";
    let lines = "spec:\n  template: {spec: {containers: [{image: example.com/hello:2}]}}";
    machine.save("hello.yaml", &format!("{}{TAGGED}", service("hello").replace(one_line, lines)));
    machine.ready("hello-00002");
}

#[test]
fn a_tag_has_a_host_of_its_own() {
    let mut machine = Machine::new();
    tagged(&mut machine);
    let main = host(machine.control.store(), "services/default.hello");
    assert!(main.contains("100 default/hello-00002") && !main.contains("hello-00001"), "{main}");
    let tag = host(machine.control.store(), "services/default.hello:blue-hello.default");
    assert!(tag.contains("blue-hello.default.localhost\n"), "{tag}");
    assert!(tag.contains("100 default/hello-00001"), "{tag}");
}

#[test]
fn a_tag_that_goes_takes_its_host_along() {
    let mut machine = Machine::new();
    tagged(&mut machine);
    let text = service("hello").replace("image: example.com/hello", "image: example.com/hello:2");
    machine.save("hello.yaml", &text);
    let name = "services/default.hello:blue-hello.default";
    assert_eq!(host(machine.control.store(), name), "none");
}

#[test]
fn a_header_names_a_tag_where_that_is_on() {
    let mut machine = Machine::with(Config { tag_header_routing: true, ..Config::default() });
    tagged(&mut machine);
    let main = host(machine.control.store(), "services/default.hello");
    let routes: Vec<&str> = main.lines().filter(|line| line.starts_with('/')).collect();
    assert_eq!(routes, ["/ if Knative-Serving-Tag=blue", "/ Knative-Serving-Default-Route: true"]);
}
