use forebay_model::Rejected;
use forebay_proto::Body;
use forebay_xds_client::Resource;

use super::*;

fn change(names: &[&str], version: &str) -> Change {
    let resource = |name: &&str| Resource {
        name: (*name).to_owned(),
        version: version.to_owned(),
        body: Body::default(),
    };
    Change {
        full: false,
        added: names.iter().map(resource).collect(),
        removed: Vec::new(),
        refused: Vec::new(),
    }
}

fn shown(updates: &Updates, name: &str) -> u64 {
    let mut all = Snapshot::default();
    updates.show(&[("ingress_http".into(), "external".into())], &mut all);
    all.extra.iter().find(|extra| extra.def.name == name).unwrap_or_else(|| panic!("{name}")).value
}

#[test]
fn a_refused_update_keeps_the_version_before() {
    let updates = Updates::default();
    updates.heard(type_url::CLUSTER, &change(&["a"], "9"), &Applied::default());
    let refused = Rejected { name: "a".into(), message: "why".into(), again: false };
    let applied = Applied { rejected: vec![refused], ..Applied::default() };
    updates.heard(type_url::CLUSTER, &change(&["a"], "10"), &applied);
    for (name, value) in [
        ("cluster_manager.cds.update_attempt", 3),
        ("cluster_manager.cds.update_success", 1),
        ("cluster_manager.cds.update_rejected", 1),
        ("cluster_manager.cds.version", 2_104_849_252_515_447_450),
    ] {
        assert_eq!(shown(&updates, name), value, "{name}");
    }
    updates.reset_counters();
    assert_eq!(shown(&updates, "cluster_manager.cds.update_success"), 0);
    assert_ne!(shown(&updates, "cluster_manager.cds.version"), 0, "a gauge");
}

#[test]
fn routes_are_counted_by_name_and_shown_under_who_asks() {
    let updates = Updates::default();
    updates.heard(type_url::ROUTE, &change(&["external", "internal"], "1"), &Applied::default());
    assert_eq!(shown(&updates, "update_success"), 1);
    assert_eq!(shown(&updates, "version"), 13_237_225_503_670_494_420);
}
