use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::type_url::{CLUSTER, ENDPOINTS, VIRTUAL_HOST};

use super::*;

fn cluster(name: &str, alt: &str) -> Cluster {
    Cluster { name: name.into(), alt_stat_name: alt.into(), ..Cluster::default() }
}

#[test]
fn an_identical_write_is_nothing() {
    let store = Store::new();
    assert!(store.set(CLUSTER, "a", &cluster("a", "1")));
    assert!(!store.set(CLUSTER, "a", &cluster("a", "1")));
    assert_eq!(store.head(), 1);
    assert!(store.set(CLUSTER, "a", &cluster("a", "2")));
    assert!(store.remove(CLUSTER, "a"));
    assert!(!store.remove(CLUSTER, "a"));
    assert_eq!((store.head(), store.len(CLUSTER)), (3, 0));
}

#[test]
fn a_batch_removes_last_and_what_refers_first() {
    let store = Store::new();
    for url in [CLUSTER, ENDPOINTS, VIRTUAL_HOST] {
        store.set(url, "a", &cluster("a", "1"));
    }
    // A stream that has heard of nothing, so that removals are kept to be looked at.
    let id = store.lock().streams.join(true);
    let deaf = [CLUSTER, ENDPOINTS, VIRTUAL_HOST];
    let positions = deaf.iter().map(|url| forebay_xds_wire::server::Position {
        type_url: url,
        answered: 0,
        removals_sent: 0,
    });
    store.lock().streams.note(id, "n", positions);
    let head = store.batch(|batch| {
        assert!(batch.remove(ENDPOINTS, "a"));
        assert!(batch.remove(CLUSTER, "a"));
        assert!(batch.remove(VIRTUAL_HOST, "a"));
        assert!(!batch.remove(CLUSTER, "no such"));
        batch.set(CLUSTER, "b", &cluster("b", "1"));
    });
    assert_eq!(head, 7);
    let state = store.lock();
    let removed_at = |url| state.tables.removed(url, 0, u64::MAX).next().unwrap().seq;
    assert_eq!((removed_at(VIRTUAL_HOST), removed_at(CLUSTER), removed_at(ENDPOINTS)), (5, 6, 7));
    assert_eq!(state.tables.find(CLUSTER, "b").unwrap().seq, 4);
}

#[test]
fn a_batch_takes_back_its_own_removal() {
    let store = Store::new();
    store.set(CLUSTER, "a", &cluster("a", "1"));
    let head = store.batch(|batch| {
        batch.remove(CLUSTER, "a");
        batch.set(CLUSTER, "a", &cluster("a", "1"));
    });
    assert_eq!(head, 1);
    assert_eq!(store.len(CLUSTER), 1);
}

#[test]
fn removals_are_not_remembered_for_nobody() {
    let store = Store::new();
    store.set(CLUSTER, "a", &cluster("a", "1"));
    store.remove(CLUSTER, "a");
    assert_eq!(store.lock().tables.removed(CLUSTER, 0, u64::MAX).count(), 0);
}
