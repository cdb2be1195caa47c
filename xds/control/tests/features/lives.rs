//! Files come, break, clash and go; the process starts again.

use forebay_knative::world::Config;
use forebay_proto::type_url;
use forebay_xds_control::translate::Settings;
use forebay_xds_control::{Control, Level};
use forebay_xds_server::Store;

use crate::text::{cluster, host};
use crate::world::{Machine, service};

#[test]
fn a_document_that_goes_takes_everything_along() {
    let mut machine = Machine::new();
    machine.save("apps.yaml", &format!("{}---\n{}", service("one"), service("two")));
    machine.ready("one-00001");
    machine.ready("two-00001");
    let work = machine.save("apps.yaml", &service("one"));
    assert_eq!(machine.lines, ["Service default/two deleted"]);
    let store = machine.control.store();
    assert_eq!(host(store, "services/default.two"), "none");
    assert_eq!(cluster(store, "default/two-00001"), "none");
    assert_ne!(host(store, "services/default.one"), "none");
    let [run] = &work.runs[..] else { panic!("{work:?}") };
    assert!(run.revision.is_none() && run.key.to_string() == "default/two-00001");
    for url in [type_url::CLUSTER, type_url::ENDPOINTS, type_url::VIRTUAL_HOST] {
        assert_eq!(store.len(url), 1, "{url}");
    }
}

#[test]
fn a_broken_file_leaves_what_runs_alone_and_says_where() {
    let mut machine = Machine::new();
    machine.save("app.yaml", &service("app"));
    machine.ready("app-00001");
    let head = machine.control.store().head();
    let work =
        machine.save("app.yaml", "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: app\n");
    assert_eq!(machine.control.store().head(), head);
    assert!(!work.lines.is_empty() && work.lines.iter().all(|line| line.level == Level::Error));
    assert!(machine.lines[0].starts_with("app.yaml:"), "{:?}", machine.lines);
    machine.save("app.yaml", &service("app"));
    assert_eq!(machine.control.store().head(), head, "mended, it says what it said");
}

#[test]
fn of_two_files_the_first_has_the_object_until_it_lets_go() {
    let mut machine = Machine::new();
    machine.save("a.yaml", &service("app"));
    machine.save("b.yaml", &service("app").replace("example.com/app", "example.com/other"));
    assert_eq!(machine.lines, ["b.yaml:1: Service default/app is declared in a.yaml already, which stays"]);
    machine.delete("a.yaml");
    assert_eq!(machine.lines, ["Service default/app configured"]);
    assert_ne!(cluster(machine.control.store(), "default/app-00002"), "none");
    machine.delete("b.yaml");
    assert_eq!(machine.lines, ["Service default/app deleted"]);
}

#[test]
fn an_unknown_field_is_named_and_passed_over() {
    let mut machine = Machine::new();
    let work = machine.save("app.yaml", &service("app").replace("image:", "imagee: x, image:"));
    assert!(
        work.lines.iter().any(|line| line.level == Level::Warning && line.text.contains("imagee")),
        "{:?}",
        work.lines
    );
    assert_ne!(cluster(machine.control.store(), "default/app-00001"), "none");
}

#[test]
fn a_restart_knows_what_was() {
    let mut machine = Machine::new();
    let two =
        format!("{}---\n{}", service("app"), service("app").replace("example.com/app", "example.com/app:2"));
    machine.save("dir/app.yaml", &two);
    machine.save("dir/gone.yaml", &service("gone"));
    machine.ready("app-00001");
    machine.ready("app-00002");
    machine.ready("gone-00001");
    let records = machine.control.save();

    let settings = Settings::new(vec!["127.0.0.1:8080".parse().unwrap()]);
    let (control, work) = Control::restore(Config::default(), settings, Store::new(), records, machine.now);
    let mut again = Machine { control, now: machine.now, lines: Vec::new() };
    let work = again.told(work);
    assert!(again.lines.is_empty(), "{:?}", again.lines);
    let mut homes: Vec<_> =
        work.runs.iter().map(|run| format!("{} in {}", run.key, run.home.display())).collect();
    homes.sort();
    assert_eq!(homes, ["default/app-00001 in dir", "default/app-00002 in dir", "default/gone-00001 in dir"]);
    let text = host(again.control.store(), "services/default.app");
    assert!(text.contains("100 default/app-00002 "), "{text}");

    let work = again.save("dir/app.yaml", &two);
    assert!(work.runs.is_empty() && work.lines.is_empty(), "both documents are known: {work:?}");
    again.settled();
    assert_eq!(again.lines, ["Service default/gone deleted"], "nobody declares it any more");
    assert_eq!(host(again.control.store(), "services/default.gone"), "none");
}

#[test]
fn changes_are_recorded_as_they_happen() {
    let mut machine = Machine::new();
    let mut records = std::collections::BTreeMap::new();
    let mut keep = |work: forebay_xds_control::Work| {
        for record in work.records {
            match record.bytes {
                Some(bytes) => records.insert(record.name, bytes),
                None => records.remove(&record.name),
            };
        }
    };
    keep(machine.save("app.yaml", &service("app")));
    keep(machine.save("more.yaml", &service("more")));
    keep(machine.ready("app-00001"));
    keep(machine.delete("more.yaml"));
    let now: std::collections::BTreeMap<_, _> =
        machine.control.save().into_iter().map(|record| (record.name, record.bytes.unwrap())).collect();
    let names =
        |records: &std::collections::BTreeMap<String, Vec<u8>>| records.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&records), names(&now));
    assert_eq!(records, now);
}
