//! Tags give a target hosts of its own, and if wished, a header.

use forebay_knative::world::Config;

use crate::stage::{Stage, named};

const TAGGED: &str = "  traffic:\n  - {revisionName: s-a, percent: 100, tag: stable}\n  - {latestRevision: true, percent: 0, tag: next}\n";

fn two(stage: &mut Stage) {
    stage.apply(&named("s", "s-a", "i:1", ""));
    stage.ready("s-a");
    stage.apply(&named("s", "s-b", "i:2", TAGGED));
    stage.ready("s-b");
}

#[test]
fn a_tag_has_hosts_of_its_own_where_it_gets_everything() {
    let mut stage = Stage::new();
    two(&mut stage);
    assert_eq!(stage.splits("s.default.localhost"), "s-a 100", "0 percent is not even there");
    assert_eq!(stage.splits("stable-s.default.localhost"), "s-a 100");
    assert_eq!(stage.splits("next-s.default.127.0.0.1.sslip.io"), "s-b 100");
    assert_eq!(stage.splits("next-s.default.svc.cluster.local"), "s-b 100");
    let view = stage.world.services().next().unwrap();
    let urls: Vec<_> =
        view.traffic.iter().filter_map(|line| Some((line.tag.as_deref()?, line.url.as_deref()?))).collect();
    assert_eq!(
        urls,
        [("next", "http://next-s.default.localhost"), ("stable", "http://stable-s.default.localhost")]
    );
}

#[test]
fn a_tag_that_is_taken_away_takes_its_hosts_along() {
    let mut stage = Stage::new();
    two(&mut stage);
    stage.apply(&named("s", "s-b", "i:2", ""));
    assert_eq!(stage.splits("next-s.default.localhost"), "");
    assert_eq!(stage.splits("s.default.localhost"), "s-b 100");
}

#[test]
fn a_tag_at_latest_follows_it() {
    let mut stage = Stage::new();
    two(&mut stage);
    stage.apply(&named("s", "s-c", "i:3", TAGGED));
    assert_eq!(stage.splits("next-s.default.localhost"), "s-b 100");
    stage.ready("s-c");
    assert_eq!(stage.splits("next-s.default.localhost"), "s-c 100");
    assert_eq!(stage.splits("s.default.localhost"), "s-a 100");
}

#[test]
fn without_header_routing_there_is_one_path_a_host() {
    let mut stage = Stage::new();
    two(&mut stage);
    let rule = stage.rule("s.default.localhost").unwrap();
    assert_eq!(rule.http.paths.len(), 1);
    assert!(rule.http.paths[0].append_headers.is_empty());
}

#[test]
fn with_header_routing_the_main_hosts_choose_by_tag() {
    let mut stage = Stage::with(Config { tag_header_routing: true, ..Config::default() });
    two(&mut stage);
    let rule = stage.rule("s.default.localhost").unwrap();
    let paths: Vec<String> = rule
        .http
        .paths
        .iter()
        .map(|path| {
            let asked: Vec<String> =
                path.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let set: Vec<String> =
                path.append_headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} -> {} {}", asked.join(","), path.splits[0].service_name, set.join(","))
        })
        .collect();
    assert_eq!(
        paths,
        [
            "Knative-Serving-Tag=next -> s-b ",
            "Knative-Serving-Tag=stable -> s-a ",
            " -> s-a Knative-Serving-Default-Route=true"
        ]
    );
    let rule = stage.rule("next-s.default.localhost").unwrap();
    assert_eq!(rule.http.paths.len(), 1);
    let set: Vec<_> = rule.http.paths[0].append_headers.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(set, [("Knative-Serving-Tag", "next")]);
}
