//! A host of the user's own: straight to the revisions of the Service it leads to, under its own name.

use crate::text::host;
use crate::world::{Machine, service};

const MAPPING: &str = "apiVersion: serving.knative.dev/v1beta1
kind: DomainMapping
metadata: {name: hello.example.com}
spec: {ref: {kind: Service, name: hello, apiVersion: serving.knative.dev/v1}}
";

#[test]
fn it_leads_where_the_service_leads() {
    let mut machine = Machine::new();
    machine.save("hello.yaml", &service("hello"));
    machine.save("domain.yaml", MAPPING);
    assert_eq!(
        host(machine.control.store(), "services/default.hello.example.com"),
        "none",
        "it leads nowhere yet"
    );
    machine.ready("hello-00001");
    let text = host(machine.control.store(), "services/default.hello.example.com");
    assert!(text.starts_with("hello.example.com\n/\n  100 default/hello-00001 "), "{text}");
}

#[test]
fn it_follows_the_service_and_goes_with_its_file() {
    let mut machine = Machine::new();
    machine.save("domain.yaml", MAPPING);
    machine.save("hello.yaml", &service("hello"));
    machine.ready("hello-00001");
    machine.save("hello.yaml", &service("hello").replace("example.com/hello", "example.com/hello:2"));
    machine.ready("hello-00002");
    let text = host(machine.control.store(), "services/default.hello.example.com");
    assert!(text.contains("100 default/hello-00002 "), "{text}");
    machine.delete("domain.yaml");
    assert_eq!(host(machine.control.store(), "services/default.hello.example.com"), "none");
    assert_ne!(host(machine.control.store(), "services/default.hello"), "none");
}
