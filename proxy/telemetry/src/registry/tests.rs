use std::thread;

use super::*;
use crate::scopes::{ClusterTime, HttpTime};

fn name(text: &str) -> Arc<str> {
    text.into()
}

#[test]
fn workers_fold_into_one_total() {
    let registry = Registry::new();
    thread::scope(|scope| {
        for worker in 1..=3u16 {
            let source = registry.source();
            scope.spawn(move || {
                let stats = source.cluster(&name("default/hello-00001"));
                for _ in 0..1000 {
                    stats.inc(Cluster::UpstreamRqTotal);
                    stats.record(ClusterTime::UpstreamRq, 1500);
                    stats.completed(200);
                }
                stats.completed(500 + worker);
                let http = source.http(&name("ingress"));
                http.add(Http::DownstreamCxRxBytesTotal, 10);
                http.completed(404);
                http.record(HttpTime::DownstreamRq, 20);
            });
        }
    });
    let totals = registry.cluster("default/hello-00001").unwrap();
    assert_eq!(totals.get(Cluster::UpstreamRqTotal), 3000);
    assert_eq!(totals.get(Cluster::UpstreamRqCompleted), 3003);
    assert_eq!((totals.get(Cluster::UpstreamRq2xx), totals.get(Cluster::UpstreamRq5xx)), (3000, 3));
    assert_eq!(totals.codes(), &BTreeMap::from([(200, 3000), (501, 1), (502, 1), (503, 1)]));
    assert_eq!(totals.time(ClusterTime::UpstreamRq).unwrap().count(), 3000);
    assert!(totals.time(ClusterTime::Wait).is_none());
    let http = registry.http("ingress").unwrap();
    assert_eq!(http.get(Http::DownstreamCxRxBytesTotal), 30);
    assert_eq!(http.get(Http::DownstreamRq4xx), 3);
}

#[test]
fn numbers_are_seen_while_the_worker_goes_on() {
    let registry = Registry::new();
    let stats = registry.source().http(&name("p"));
    stats.inc(Http::DownstreamRqActive);
    assert_eq!(registry.http("p").unwrap().get(Http::DownstreamRqActive), 1);
    stats.dec(Http::DownstreamRqActive);
    assert_eq!(registry.http("p").unwrap().get(Http::DownstreamRqActive), 0);
    // Read between a decrement here and an increment elsewhere, a sum can be negative: never shown.
    stats.dec(Http::DownstreamRqActive);
    assert_eq!(registry.http("p").unwrap().get(Http::DownstreamRqActive), 0);
}

#[test]
fn what_a_worker_gave_up_still_counts_and_takes_no_room() {
    let registry = Registry::new();
    let source = registry.source();
    for _ in 0..100 {
        source.cluster(&name("c")).inc(Cluster::UpstreamRqTotal);
    }
    let kept = source.cluster(&name("c"));
    kept.inc(Cluster::UpstreamRqTotal);
    assert_eq!(registry.cluster("c").unwrap().get(Cluster::UpstreamRqTotal), 101);
    registry.with(|families| assert_eq!(families.clusters.entries["c"].live.len(), 1));
    let clone = kept.clone();
    drop(kept);
    clone.inc(Cluster::UpstreamRqTotal);
    assert_eq!(registry.cluster("c").unwrap().get(Cluster::UpstreamRqTotal), 102);
}

#[test]
fn an_unused_cluster_does_not_exist_and_a_removed_one_starts_again() {
    let registry = Registry::new();
    assert!(registry.cluster("c").is_none());
    let source = registry.source();
    let stats = source.cluster(&name("c"));
    stats.inc(Cluster::UpstreamRqTotal);
    assert!(registry.cluster("c").is_some());
    registry.remove_cluster("c");
    stats.inc(Cluster::UpstreamRqTotal);
    assert!(registry.cluster("c").is_none());
    source.cluster(&name("c")).inc(Cluster::UpstreamRqTotal);
    assert_eq!(registry.cluster("c").unwrap().get(Cluster::UpstreamRqTotal), 1);
}

#[test]
fn more_kinds_of_codes_than_there_is_room_for_are_counted_by_class() {
    let registry = Registry::new();
    let stats = registry.source().cluster(&name("c"));
    for code in 400..440 {
        stats.completed(code);
        stats.completed(code);
    }
    let totals = registry.cluster("c").unwrap();
    assert_eq!(totals.get(Cluster::UpstreamRq4xx), 80);
    assert_eq!(totals.codes().len(), 16);
    assert!(totals.codes().values().all(|&n| n == 2));
}

#[test]
fn a_used_cluster_costs_about_a_kilobyte_a_worker() {
    assert!(size_of::<<Cluster as Scope>::Block>() <= 768, "{}", size_of::<<Cluster as Scope>::Block>());
}

#[test]
fn a_reader_never_sees_a_counter_go_back() {
    let registry = Registry::new();
    let source = registry.source();
    let writer = thread::spawn(move || {
        let stats = source.cluster(&name("c"));
        for n in 0..200_000u64 {
            stats.inc(Cluster::UpstreamRqTotal);
            stats.record(ClusterTime::UpstreamRq, n);
        }
    });
    let mut last = (0, 0);
    while !writer.is_finished() {
        if let Some(totals) = registry.cluster("c") {
            let now = (
                totals.get(Cluster::UpstreamRqTotal),
                totals.time(ClusterTime::UpstreamRq).map_or(0, |t| t.count()),
            );
            assert!(now.0 >= last.0 && now.1 >= last.1, "{last:?} then {now:?}");
            last = now;
        }
    }
    writer.join().unwrap();
    assert_eq!(registry.cluster("c").unwrap().get(Cluster::UpstreamRqTotal), 200_000);
}

#[test]
fn a_reset_zeroes_counters_alone() {
    let registry = Registry::new();
    let (first, second) = (registry.source(), registry.source());
    let name: Arc<str> = "a".into();
    let (one, two) = (first.cluster(&name), second.cluster(&name));
    one.add(Cluster::UpstreamRqTotal, 5);
    one.inc(Cluster::UpstreamRqActive);
    one.completed(200);
    two.completed(503);
    registry.reset_counters();
    let totals = registry.cluster("a").unwrap();
    assert_eq!(totals.get(Cluster::UpstreamRqTotal), 0);
    assert_eq!(totals.get(Cluster::UpstreamRqActive), 1, "a gauge is a level, not a count");
    assert_eq!(totals.codes().values().sum::<u64>(), 0);
    two.completed(503);
    one.add(Cluster::UpstreamRqTotal, 2);
    drop(two);
    let totals = registry.cluster("a").unwrap();
    assert_eq!(totals.get(Cluster::UpstreamRqTotal), 2);
    assert_eq!((totals.codes()[&200], totals.codes()[&503]), (0, 1), "also of a worker that gave up");
}
