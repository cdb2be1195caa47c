//! One Service: from its manifest to everything a proxy needs.

use forebay_proto::type_url;

use crate::text::{cluster, endpoints, host};
use crate::world::{Machine, service};

#[test]
fn a_new_service_is_a_cold_revision_without_a_host() {
    let mut machine = Machine::new();
    let work = machine.save("app/hello.yaml", &service("hello"));
    let store = machine.control.store();
    assert_eq!(machine.lines, ["Service default/hello created"]);
    assert_eq!(endpoints(store, "default/hello-00001"), "empty", "it exists, at zero");
    assert_eq!(host(store, "services/default.hello"), "none", "nobody knows yet whether it runs");
    let [run] = &work.runs[..] else { panic!("{work:?}") };
    assert_eq!(run.key.to_string(), "default/hello-00001");
    assert_eq!(run.home.to_str(), Some("app"), "relative commands are meant from the manifest's folder");
    assert!(run.reachable);
}

#[test]
fn once_it_was_ready_all_its_hosts_lead_to_it() {
    let mut machine = Machine::new();
    machine.save("hello.yaml", &service("hello"));
    machine.ready("hello-00001");
    assert_eq!(
        host(machine.control.store(), "services/default.hello"),
        "hello.default\n\
         hello.default.svc\n\
         hello.default.svc.cluster.local\n\
         hello.default.127.0.0.1.sslip.io\n\
         hello.default.localhost\n\
         /\n\
         \x20 100 default/hello-00001 Knative-Serving-Namespace: default Knative-Serving-Revision: hello-00001\n"
    );
}

#[test]
fn what_envoy_has_no_field_for_is_metadata() {
    let mut machine = Machine::new();
    machine.save("hello.yaml", &service("hello"));
    assert_eq!(
        cluster(machine.control.store(), "default/hello-00001"),
        "http1\n\
         configuration=hello\n\
         container_concurrency=0\n\
         idle_timeout_ms=0\n\
         max_waiting=10000\n\
         max_waiting_bytes=67108864\n\
         name=hello-00001\n\
         namespace=default\n\
         report=ws://127.0.0.1:4321\n\
         response_start_timeout_ms=0\n\
         service=hello\n\
         timeout_ms=300000\n\
         wait_timeout_ms=300000\n"
    );
}

#[test]
fn the_same_file_again_writes_nothing() {
    let mut machine = Machine::new();
    machine.save("hello.yaml", &service("hello"));
    machine.ready("hello-00001");
    let head = machine.control.store().head();
    let work = machine.save("hello.yaml", &service("hello"));
    assert_eq!(machine.control.store().head(), head);
    assert!(work.runs.is_empty() && work.lines.is_empty() && work.records.is_empty(), "{work:?}");
}

#[test]
fn a_new_service_touches_no_other() {
    let mut machine = Machine::new();
    for index in 0..50 {
        machine.save(&format!("{index}.yaml"), &service(&format!("app-{index}")));
        machine.ready(&format!("app-{index}-00001"));
    }
    let head = machine.control.store().head();
    machine.save("more.yaml", &service("more"));
    machine.ready("more-00001");
    assert_eq!(machine.control.store().head() - head, 3, "a cluster, its endpoints, a host");
    assert_eq!(machine.control.store().len(type_url::VIRTUAL_HOST), 51);
}

#[test]
fn endpoints_are_written_at_once() {
    let mut machine = Machine::new();
    machine.save("hello.yaml", &service("hello"));
    let key = forebay_knative::RevisionKey::new("default", "hello-00001");
    let replica = |port: u16, draining| forebay_xds_control::translate::Endpoint {
        address: ([127, 0, 0, 1], port).into(),
        draining,
    };
    let seq = machine.control.set_endpoints(&key, &[replica(4001, false), replica(4002, true)]);
    assert_eq!(seq, Some(machine.control.store().head()));
    assert_eq!(
        endpoints(machine.control.store(), "default/hello-00001"),
        "127.0.0.1:4001\n127.0.0.1:4002 draining\n"
    );
    let nobody = forebay_knative::RevisionKey::new("default", "nobody");
    assert_eq!(machine.control.set_endpoints(&nobody, &[]), None);
}

#[test]
fn h2c_is_told_by_the_ports_name() {
    let mut machine = Machine::new();
    let text = service("grpc").replace(
        "image: example.com/grpc",
        "image: example.com/grpc, ports: [{name: h2c, containerPort: 50051}]",
    );
    machine.save("grpc.yaml", &text);
    assert!(cluster(machine.control.store(), "default/grpc-00001").starts_with("h2c\n"));
}
