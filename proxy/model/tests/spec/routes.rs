//! RDS: whole tables, of which only what changed is read again; and the wait for clusters.

use std::sync::Arc;

use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::route::v3::RouteConfiguration;

use crate::build::{fixed, host, listener, routes, yes};
use crate::world::World;

fn world() -> World {
    let mut world = World::new();
    world.accept(&fixed("a", &[("10.0.0.1", 80)]));
    world.accept(&listener("http", "all"));
    world
}

#[test]
fn a_changed_table_shares_every_host_that_did_not_change() {
    let mut world = world();
    let table = |changed: &str| {
        routes(
            "all",
            (0..50)
                .map(|i| host(&i.to_string(), &[&format!("{i}.test")], if i == 7 { changed } else { "a" }))
                .collect(),
        )
    };
    world.accept(&table("a"));
    let before = world.tables["all"].clone();
    assert!(world.accept(&table("a")).update.is_empty());
    world.accept(&table("b"));
    let after = world.tables["all"].clone();
    for i in 0..50 {
        let key = i.to_string();
        assert_eq!(Arc::ptr_eq(before.get(&key).unwrap(), after.get(&key).unwrap()), i != 7, "{i}");
    }
    assert_eq!(world.ask("all", "7.test"), "b (missing)");
}

#[test]
fn the_order_of_hosts_means_nothing() {
    let mut world = world();
    let (x, y) = (host("x", &["x.test"], "a"), host("y", &["y.test"], "a"));
    world.accept(&routes("all", vec![x.clone(), y.clone()]));
    assert!(world.accept(&routes("all", vec![y, x])).update.is_empty());
}

#[test]
fn hosts_may_share_a_name_but_not_a_domain() {
    let mut world = world();
    world.accept(&routes("all", vec![host("x", &["x.test"], "a"), host("x", &["y.test"], "a")]));
    assert_eq!((world.ask("all", "x.test"), world.ask("all", "y.test")), ("a".into(), "a".into()));
    let why =
        world.refuse(&routes("all", vec![host("x", &["x.test"], "a"), host("y", &["*", "x.test"], "a")]));
    assert_eq!(
        why,
        "virtual_hosts: domain \"x.test\" belongs to virtual host \"x\" and cannot belong to \"y\" as well"
    );
    assert_eq!(world.ask("all", "y.test"), "a", "what was there stays");
}

#[test]
fn a_route_to_a_cluster_that_is_not_there_is_kept() {
    let mut world = world();
    world.accept(&routes("all", vec![host("x", &["x.test"], "b")]));
    assert_eq!(world.ask("all", "x.test"), "b (missing)");
}

fn validated(cluster: &str) -> RouteConfiguration {
    RouteConfiguration { validate_clusters: yes(), ..routes("all", vec![host("x", &["x.test"], cluster)]) }
}

#[test]
fn with_validate_clusters_a_table_waits_for_its_clusters() {
    let mut world = world();
    world.accept(&validated("a"));
    assert_eq!(world.ask("all", "x.test"), "a");
    assert!(world.accept(&validated("b")).update.is_empty());
    assert_eq!(world.ask("all", "x.test"), "a");
    let applied = world.accept(&fixed("b", &[("10.0.0.2", 80)]));
    assert_eq!(
        (applied.update.clusters.len(), applied.update.tables.len()),
        (1, 1),
        "cluster and table in one update"
    );
    assert_eq!(world.ask("all", "x.test"), "b");
    world.remove::<Cluster>("b");
    assert_eq!(world.ask("all", "x.test"), "b (missing)", "a cluster that goes later takes no route along");
}

#[test]
fn a_listener_waits_for_routes_that_wait_for_clusters() {
    let mut world = world();
    world.accept(&validated("b"));
    assert!(world.listeners.is_empty());
    world.accept(&fixed("b", &[("10.0.0.2", 80)]));
    assert!(world.listeners.contains_key("http"));
}

#[test]
fn a_newer_table_replaces_the_one_that_waits() {
    let mut world = world();
    world.accept(&validated("b"));
    world.accept(&validated("a"));
    assert_eq!(world.ask("all", "x.test"), "a");
    assert!(world.accept(&fixed("b", &[("10.0.0.2", 80)])).update.tables.is_empty());
    assert_eq!(world.ask("all", "x.test"), "a");
}

#[test]
fn a_cluster_that_never_comes_holds_up_one_change_and_only_for_a_while() {
    let mut world = world();
    let both = |good: &str| RouteConfiguration {
        validate_clusters: yes(),
        ..routes("all", vec![host("x", &["x.test"], "never"), host("y", &["y.test"], good)])
    };
    assert!(world.accept(&both("a")).update.is_empty());
    assert!(world.later(std::time::Duration::from_secs(14)).update.is_empty());
    assert_eq!(world.later(std::time::Duration::from_secs(1)).update.tables.len(), 1);
    assert_eq!(
        (world.ask("all", "x.test"), world.ask("all", "y.test")),
        ("never (missing)".into(), "a".into())
    );
    world.accept(&fixed("b", &[("10.0.0.2", 80)]));
    world.accept(&both("b"));
    assert_eq!(world.ask("all", "y.test"), "b", "what never came is not waited for again");
    world.accept(&both("c"));
    assert_eq!(world.ask("all", "y.test"), "b", "another one is");
    world.accept(&fixed("never", &[("10.0.0.3", 80)]));
    world.accept(&fixed("c", &[("10.0.0.4", 80)]));
    assert_eq!((world.ask("all", "x.test"), world.ask("all", "y.test")), ("never".into(), "c".into()));
}

#[test]
fn updates_that_keep_coming_do_not_wait_anew_for_a_cluster_that_never_comes() {
    let mut world = world();
    let with = |good: &str| RouteConfiguration {
        validate_clusters: yes(),
        ..routes("all", vec![host("x", &["x.test"], "never"), host("y", &[&format!("{good}.test")], "a")])
    };
    assert!(world.accept(&with("first")).update.is_empty());
    assert!(world.later(std::time::Duration::from_secs(10)).update.is_empty());
    assert!(world.accept(&with("second")).update.is_empty());
    assert!(world.later(std::time::Duration::from_secs(4)).update.is_empty());
    assert_eq!(world.later(std::time::Duration::from_secs(1)).update.tables.len(), 1);
    assert_eq!(world.ask("all", "second.test"), "a");
}

#[test]
fn an_index_is_not_used_for_another_cluster_while_requests_may_know_it() {
    let mut world = world();
    world.accept(&routes("all", vec![host("x", &["x.test"], "b")]));
    let ix = world.model.cluster_ix("b").unwrap();
    world.accept(&routes("all", vec![host("x", &["x.test"], "c")]));
    assert_eq!(world.model.cluster_ix("b"), None, "nobody names it any more");
    assert_ne!(world.model.cluster_ix("c"), Some(ix));
    world.later(std::time::Duration::from_secs(61));
    world.accept(&routes("all", vec![host("x", &["x.test"], "d")]));
    assert_eq!(world.model.cluster_ix("d"), Some(ix), "indices stay dense");
}
