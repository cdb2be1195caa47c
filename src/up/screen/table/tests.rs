use std::time::Duration;

use super::columns::{duration, rate};
use super::*;

fn service(name: &str) -> Service {
    let revision = Revision {
        name: format!("{name}-00001"),
        share: "100%".to_owned(),
        ready: 1,
        wanted: 1,
        rate: 1234.4,
        p50: Some(Duration::from_micros(420)),
        p99: Some(Duration::from_millis(12)),
        ..Revision::default()
    };
    Service {
        name: name.to_owned(),
        url: format!("http://{name}.default.localhost:8080"),
        revisions: vec![revision],
        ..Service::default()
    }
}

fn table(services: Vec<Service>) -> Table {
    Table { total: services.len(), services }
}

fn shown(table: &Table, width: usize, height: usize) -> String {
    let lines = table.render(width, height, false);
    for line in &lines {
        assert_eq!(line.width, crate::up::screen::text::width(&line.text));
        assert!(line.width <= width, "{line:?}");
    }
    let rows: Vec<_> = lines.iter().map(|line| line.text.trim_end()).collect();
    rows.join("\n")
}

#[test]
fn a_wide_terminal_shows_everything() {
    assert_eq!(
        shown(&table(vec![service("hello")]), 120, 40),
        "
SERVICE  URL                                 REVISION     SHARE  READY  WAITING  IN FLIGHT     RPS     P50     P99
hello    http://hello.default.localhost:8080 hello-00001   100%    1/1        0          0    1234  0.42ms    12ms"
            .replace(":8080 h", ":8080  h")
            .replace("URL                                 R", "URL                                  R")
    );
}

#[test]
fn a_narrow_one_does_without_what_is_said_twice() {
    let table = table(vec![service("hello")]);
    let rows = shown(&table, 80, 24);
    assert!(rows.contains("hello.default.localhost:8080  hello-00001"), "{rows}");
    assert!(!rows.contains("SERVICE") && !rows.contains("http://") && rows.contains("P99"), "{rows}");
    let rows = shown(&table, 60, 24);
    assert!(rows.contains("…") && rows.contains("hello-00001") && rows.contains("1234"), "{rows}");
    shown(&table, 1, 1);
    shown(&table, 0, 0);
}

#[test]
fn a_split_names_its_service_once() {
    let mut split = service("hello");
    let mut second = split.revisions[0].clone();
    second.name = "hello-00002".to_owned();
    split.revisions.push(second);
    let rows = shown(&table(vec![split]), 120, 40);
    assert_eq!(rows.matches("http://hello").count(), 1, "{rows}");
    assert!(rows.lines().last().unwrap().trim_start().starts_with("hello-00002"), "{rows}");
}

#[test]
fn a_failed_revision_says_why_in_red() {
    let mut failed = service("hello");
    failed.revisions[0].failure = Some("ContainerMissing: \x1b[2Jno such program".to_owned());
    let table = table(vec![failed]);
    let rows = shown(&table, 120, 40);
    assert!(rows.contains("1/1  ContainerMissing: no such program"), "{rows}");
    assert!(!rows.contains("1234"), "{rows}");
    let coloured = &table.render(120, 40, true)[2];
    assert!(coloured.text.contains("\x1b[31mContainerMissing"), "{coloured:?}");
    assert!(coloured.width <= 120);
}

#[test]
fn what_concerns_the_whole_service_has_its_own_row() {
    let mut service = service("hello");
    service.problem = Some("RevisionMissing: no revision v9".to_owned());
    let rows = shown(&table(vec![service.clone()]), 120, 40);
    assert!(rows.lines().last().unwrap().contains("RevisionMissing"), "{rows}");
    service.revisions.clear();
    let rows = shown(&table(vec![service]), 120, 40);
    assert!(rows.ends_with("hello.default.localhost:8080  RevisionMissing: no revision v9"), "{rows}");
}

#[test]
fn of_many_the_busiest_are_shown_by_name() {
    let mut many: Vec<_> = (0..50).map(|n| service(&format!("s{n:02}"))).collect();
    many[7].busy = 9;
    many[40].busy = 10;
    let mut table = table(many);
    table.total = 1000;
    let rows = shown(&table, 120, 24);
    // Half of 24: a free row, the head, nine services, and how many more.
    assert_eq!(rows.lines().count(), 12, "{rows}");
    assert!(rows.contains("s07") && rows.contains("s40") && !rows.contains("s41"), "{rows}");
    assert!(rows.find("s07") < rows.find("s40"), "{rows}");
    assert!(rows.ends_with("... and 991 more"), "{rows}");
}

#[test]
fn nothing_yet_is_said() {
    assert_eq!(shown(&Table::default(), 80, 24), "\nno services yet");
}

#[test]
fn without_colours_there_are_no_escapes() {
    assert!(!shown(&table(vec![service("hello")]), 120, 40).contains('\x1b'));
}

#[test]
fn numbers_are_short() {
    let rates: Vec<_> = [0.0, 0.25, 9.94, 9.96, 9_999.0, 12_345.0].map(rate).into();
    assert_eq!(rates, ["-", "0.2", "9.9", "10", "9999", "12.3k"]);
    let times = [420, 999, 4_200, 9_990, 42_000, 4_200_000, 42_000_000];
    let times: Vec<_> = times.map(|micros| duration(Duration::from_micros(micros))).into();
    assert_eq!(times, ["0.42ms", "1.0ms", "4.2ms", "10ms", "42ms", "4.2s", "42s"]);
}
