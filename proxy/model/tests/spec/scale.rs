//! Many of everything: what a change costs depends on the change. Counted, not timed.

use std::sync::Arc;

use crate::build::{assignment, fixed, host, listener, revision, routes, vhds};
use crate::world::World;

const MANY: u32 = 2000;

#[test]
fn one_change_among_many_is_one_node() {
    let mut world = World::new();
    world.accept(&listener("http", "services"));
    world.accept(&vhds("services"));
    let name = |index: u32| format!("default/app-{index}");
    world.all(&(0..MANY).map(|index| revision(&name(index), 0)).collect::<Vec<_>>());
    world.all(&(0..MANY).map(|index| assignment(&name(index), &[])).collect::<Vec<_>>());
    let vhost = |index: u32, to: u32| {
        host(&format!("services/app-{index}"), &[&format!("app-{index}.test")], &name(to))
    };
    world.all(&(0..MANY).map(|index| vhost(index, index)).collect::<Vec<_>>());
    assert_eq!(world.clusters.len(), MANY as usize);
    assert_eq!(world.tables["services"].len(), MANY as usize);

    let (clusters, table) = (world.clusters.clone(), world.tables["services"].clone());
    let applied = world.accept(&assignment(&name(7), &[("10.0.0.1", 80)]));
    assert_eq!((applied.update.clusters.len(), applied.update.tables.len()), (1, 0));
    let changed = clusters.iter().filter(|(ix, before)| !Arc::ptr_eq(before, &world.clusters[ix])).count();
    assert_eq!(changed, 1);

    let applied = world.accept(&vhost(7, 8));
    assert_eq!((applied.update.clusters.len(), applied.update.tables.len()), (0, 1));
    let after = &world.tables["services"];
    let changed = table
        .hosts()
        .filter(|(key, before)| after.get(key).is_none_or(|host| !Arc::ptr_eq(before, host)))
        .count();
    assert_eq!(changed, 1);
}

#[test]
fn indices_are_dense_over_many_lives() {
    let mut world = World::new();
    world.accept(&listener("http", "all"));
    for life in 0..200 {
        world.accept(&fixed(&format!("app-{life}"), &[("10.0.0.1", 80)]));
        world.accept(&routes("all", vec![host("x", &["*"], &format!("app-{life}"))]));
        if life > 0 {
            world.remove::<forebay_proto::envoy::config::cluster::v3::Cluster>(&format!("app-{}", life - 1));
        }
        world.later(std::time::Duration::from_secs(61));
    }
    let greatest = world.clusters.keys().map(|ix| ix.0).max().unwrap();
    assert!(greatest < 8, "{greatest}");
}
