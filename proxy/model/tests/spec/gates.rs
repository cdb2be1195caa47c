//! Revisions have gates: they open with endpoints, and everybody keeps a place.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use forebay_balance::Capacity;
use forebay_model::{Applied, Model, Resource};
use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::cluster::v3::{CircuitBreakers, circuit_breakers::Thresholds};
use forebay_proto::envoy::config::core::v3::HealthStatus;
use forebay_proto::type_url::ENDPOINTS;

use crate::build::{assignment, body, eds, facts, number, number_kind, revision, states};
use crate::world::World;

fn capacity(world: &World) -> Capacity {
    world.cluster("a").gate.capacity()
}

#[test]
fn a_cold_revision_is_closed() {
    let mut world = World::new();
    world.accept(&revision("a", 0));
    world.accept(&assignment("a", &[]));
    assert_eq!(capacity(&world), Capacity::Closed);
}

#[test]
fn without_a_limit_any_endpoint_opens_it() {
    let mut world = World::new();
    world.accept(&revision("a", 0));
    world.accept(&assignment("a", &[("10.0.0.1", 80)]));
    assert_eq!(capacity(&world), Capacity::Unlimited);
    world.accept(&assignment("a", &[]));
    assert_eq!(capacity(&world), Capacity::Closed);
}

#[test]
fn with_a_limit_every_endpoint_that_takes_requests_counts() {
    let mut world = World::new();
    world.accept(&revision("a", 10));
    world.accept(&assignment("a", &[("10.0.0.1", 80), ("10.0.0.2", 80)]));
    assert_eq!(capacity(&world), Capacity::Slots(20));
    assert_eq!(world.cluster("a").endpoints.limit(), 10);
    world.accept(&states(
        "a",
        &[("10.0.0.1", 80, HealthStatus::Draining), ("10.0.0.2", 80, HealthStatus::Healthy)],
    ));
    assert_eq!(capacity(&world), Capacity::Slots(10));
    world.accept(&assignment("a", &[("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.3", 80)]));
    assert_eq!(capacity(&world), Capacity::Slots(30));
}

#[test]
fn the_limit_may_change_with_the_cluster() {
    let mut world = World::new();
    world.accept(&revision("a", 10));
    world.accept(&assignment("a", &[("10.0.0.1", 80)]));
    let gate = world.cluster("a").gate.clone();
    world.accept(&revision("a", 3));
    assert!(Arc::ptr_eq(&gate, &world.cluster("a").gate));
    assert_eq!(capacity(&world), Capacity::Slots(3));
    assert_eq!(world.cluster("a").endpoints.limit(), 3);
}

fn raw(
    model: &mut Model,
    load: &forebay_proto::envoy::config::endpoint::v3::ClusterLoadAssignment,
    now: std::time::Instant,
) -> Applied {
    let body = body(load);
    model.apply(
        ENDPOINTS,
        false,
        &[Resource { name: &load.cluster_name, version: "", body: &body }],
        &[],
        now,
    )
}

#[test]
fn who_waits_is_let_in_when_the_workers_know_where_to_go() {
    let mut world = World::new();
    world.accept(&revision("a", 1));
    world.accept(&assignment("a", &[]));
    let gate = world.cluster("a").gate.clone();
    let mut wait = gate.wait(0, world.now).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let applied = raw(&mut world.model, &assignment("a", &[("10.0.0.1", 80)]), world.now);
    assert!(std::pin::Pin::new(&mut wait).poll(&mut context).is_pending(), "the workers do not know it yet");
    applied.update.open_gates();
    let Poll::Ready(permit) = std::pin::Pin::new(&mut wait).poll(&mut context) else {
        panic!("it should be let in")
    };
    drop(permit);
}

#[test]
fn what_leaves_is_not_counted_any_more_at_once() {
    let mut world = World::new();
    world.accept(&revision("a", 1));
    world.accept(&assignment("a", &[("10.0.0.1", 80), ("10.0.0.2", 80)]));
    // One goes, one comes: until the workers know the newcomer, only the one that stays is there.
    let applied = raw(&mut world.model, &assignment("a", &[("10.0.0.2", 80), ("10.0.0.3", 80)]), world.now);
    assert_eq!(capacity(&world), Capacity::Slots(1));
    applied.update.open_gates();
    assert_eq!(capacity(&world), Capacity::Slots(2));
}

#[test]
fn a_long_request_on_a_draining_replica_holds_nobody_elses_slot() {
    let mut world = World::new();
    world.accept(&revision("a", 1));
    world.accept(&assignment("a", &[("10.0.0.1", 80)]));
    let cluster = world.cluster("a").clone();
    let permit = cluster.gate.try_enter().unwrap();
    let Ok(seat) = cluster.endpoints.seat(&forebay_base::rng::Rng::seeded(1), None, permit) else {
        panic!("it is free")
    };
    world.accept(&states(
        "a",
        &[("10.0.0.1", 80, HealthStatus::Draining), ("10.0.0.2", 80, HealthStatus::Healthy)],
    ));
    let cluster = world.cluster("a").clone();
    let permit = cluster.gate.try_enter().expect("the other replica is free");
    let Ok(other) = cluster.endpoints.seat(&forebay_base::rng::Rng::seeded(1), None, permit) else {
        panic!("it is free")
    };
    assert_eq!(other.endpoint().address.to_string(), "10.0.0.2:80");
    assert!(cluster.gate.try_enter().is_none());
    drop(seat);
    assert!(cluster.gate.try_enter().is_none(), "the departed one gave nothing back that was not its own");
    drop(other);
    assert!(cluster.gate.try_enter().is_some());
}

#[test]
fn the_rooms_bounds_are_the_metadatas() {
    let mut world = World::new();
    let text = |text: &str| forebay_proto::google::protobuf::value::Kind::StringValue(text.to_owned());
    world.accept(&facts(
        "a",
        &[("namespace", text("default")), ("name", text("a")), ("max_waiting", number_kind(1))],
    ));
    world.accept(&assignment("a", &[]));
    let gate = &world.cluster("a").gate;
    let first = gate.wait(0, world.now);
    assert!(first.is_ok() && gate.wait(0, world.now).is_err());
}

#[test]
fn a_removed_revision_lets_everybody_go() {
    let mut world = World::new();
    world.accept(&revision("a", 1));
    world.accept(&assignment("a", &[]));
    let gate = world.cluster("a").gate.clone();
    let mut wait = gate.wait(0, world.now).unwrap();
    world.remove::<Cluster>("a");
    let mut context = Context::from_waker(Waker::noop());
    assert!(
        std::pin::Pin::new(&mut wait).poll(&mut context).is_ready(),
        "to find that the cluster is not there"
    );
    assert!(world.clusters.is_empty());
}

#[test]
fn a_plain_cluster_has_envoys_circuit_breaker_and_no_room() {
    let mut world = World::new();
    world.accept(&eds("a"));
    world.accept(&assignment("a", &[]));
    assert_eq!(
        capacity(&world),
        Capacity::Slots(1024),
        "whether or not anybody is there: that is a 503 of its own"
    );
    assert!(world.cluster("a").config.revision.is_none());
    let limit = Thresholds { max_requests: number(u32::MAX), ..Default::default() };
    let breakers = CircuitBreakers { thresholds: vec![limit], ..Default::default() };
    world.accept(&Cluster { circuit_breakers: Some(breakers), ..eds("a") });
    assert_eq!(capacity(&world), Capacity::Unlimited);
}
