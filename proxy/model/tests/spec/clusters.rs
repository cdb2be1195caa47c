//! CDS and EDS: clusters wait for endpoints; endpoints keep their identity.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use forebay_model::Dns;
use forebay_proto::envoy::config::cluster::v3::cluster::DiscoveryType;
use forebay_proto::envoy::config::cluster::v3::{Cluster, cluster::EdsClusterConfig};
use forebay_proto::envoy::config::core::v3::HealthStatus;
use forebay_proto::envoy::config::endpoint::v3::{ClusterLoadAssignment, cluster_load_assignment};
use forebay_proto::type_url::ENDPOINTS;

use crate::build::{ads, assignment, duration, eds, fixed, number, of_type, states};
use crate::world::{World, interests};

/// What a resolver finds for `app.test`.
fn found(addresses: &[&str]) -> Vec<(SocketAddr, Arc<str>)> {
    addresses.iter().map(|address| (address.parse().unwrap(), "app.test".into())).collect()
}

#[test]
fn a_cluster_asks_for_its_endpoints_and_waits_for_them() {
    let mut world = World::new();
    let applied = world.accept(&eds("a"));
    assert_eq!(interests(&applied, ENDPOINTS), ["+a"]);
    assert!(applied.update.is_empty());
    let applied = world.accept(&assignment("a", &[("10.0.0.1", 80)]));
    assert_eq!(applied.update.clusters.len(), 1);
    assert_eq!(world.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn the_wait_ends_after_15_seconds_with_nobody() {
    let mut world = World::new();
    world.accept(&eds("a"));
    world.later(Duration::from_secs(14));
    assert!(world.clusters.is_empty());
    world.later(Duration::from_secs(1));
    assert!(world.addresses("a").is_empty());
    world.accept(&assignment("a", &[("10.0.0.1", 80)]));
    assert_eq!(world.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn endpoints_that_do_not_exist_are_not_waited_for() {
    let mut world = World::new();
    world.accept(&eds("a"));
    world.remove::<ClusterLoadAssignment>("a");
    assert!(world.addresses("a").is_empty());
}

#[test]
fn a_changed_cluster_uses_the_endpoints_it_has_at_once() {
    let mut world = World::new();
    world.accept(&eds("a"));
    world.accept(&assignment("a", &[("10.0.0.1", 80)]));
    let before = world.cluster("a").clone();
    let changed = Cluster { connect_timeout: duration(Duration::from_secs(1)), ..eds("a") };
    let applied = world.accept(&changed);
    assert!(applied.interests.is_empty());
    let after = world.cluster("a");
    assert_eq!(after.config.connect_timeout, Duration::from_secs(1));
    assert!(Arc::ptr_eq(&before.gate, &after.gate), "nobody loses a place");
    assert!(Arc::ptr_eq(&before.endpoints.list()[0], &after.endpoints.list()[0]));
}

#[test]
fn a_cluster_that_takes_its_endpoints_elsewhere_waits_while_the_old_one_serves() {
    let mut world = World::new();
    world.accept(&eds("a"));
    world.accept(&assignment("a", &[("10.0.0.1", 80)]));
    let config = EdsClusterConfig { eds_config: ads(), service_name: "b".to_owned() };
    let applied = world.accept(&Cluster { eds_cluster_config: Some(config), ..eds("a") });
    assert_eq!(interests(&applied, ENDPOINTS), ["+b"]);
    world.accept(&assignment("a", &[("10.0.0.2", 80)]));
    assert_eq!(world.addresses("a"), ["10.0.0.2:80"], "the version in force still follows its own");
    let applied = world.accept(&assignment("b", &[("10.0.0.3", 80)]));
    assert_eq!(interests(&applied, ENDPOINTS), ["-a"]);
    assert_eq!(world.addresses("a"), ["10.0.0.3:80"]);
}

#[test]
fn two_clusters_may_share_an_assignment() {
    let mut world = World::new();
    let config = EdsClusterConfig { eds_config: ads(), service_name: "shared".to_owned() };
    for name in ["a", "b"] {
        world.accept(&Cluster { eds_cluster_config: Some(config.clone()), ..eds(name) });
    }
    let applied = world.accept(&assignment("shared", &[("10.0.0.1", 80)]));
    assert_eq!(applied.update.clusters.len(), 2);
    assert!(interests(&world.remove::<Cluster>("a"), ENDPOINTS).is_empty(), "b wants it still");
    assert_eq!(interests(&world.remove::<Cluster>("b"), ENDPOINTS), ["-shared"]);
}

#[test]
fn endpoints_that_stay_are_the_same_objects_in_the_order_of_the_assignment() {
    let mut world = World::new();
    world.accept(&eds("a"));
    world.accept(&assignment("a", &[("10.0.0.1", 80), ("10.0.0.2", 80)]));
    let before = world.cluster("a").endpoints.list().to_vec();
    world.accept(&assignment("a", &[("10.0.0.3", 80), ("10.0.0.2", 80)]));
    let after = world.cluster("a").endpoints.list();
    assert_eq!(world.addresses("a"), ["10.0.0.3:80", "10.0.0.2:80"]);
    assert!(Arc::ptr_eq(&before[1], &after[1]));
    assert!(before[0].draining(), "a worker that does not know yet will not choose it any more");
    world.accept(&assignment("a", &[("10.0.0.1", 80)]));
    assert!(!Arc::ptr_eq(&before[0], &world.cluster("a").endpoints.list()[0]), "it came back as another one");
}

#[test]
fn the_same_endpoints_do_nothing() {
    let mut world = World::new();
    world.accept(&eds("a"));
    world.accept(&assignment("a", &[("10.0.0.1", 80)]));
    assert!(world.accept(&assignment("a", &[("10.0.0.1", 80)])).update.is_empty());
    // Other bytes, same meaning.
    let mut other = assignment("a", &[("10.0.0.1", 80)]);
    other.endpoints[0].lb_endpoints[0].health_status = HealthStatus::Healthy as i32;
    assert!(world.accept(&other).update.is_empty());
}

#[test]
fn health_decides_who_is_used() {
    let mut world = World::new();
    world.accept(&eds("a"));
    let sick = |status| [("10.0.0.1", 80, HealthStatus::Healthy), ("10.0.0.2", 80, status)];
    world.accept(&states("a", &sick(HealthStatus::Unhealthy)));
    assert_eq!(world.addresses("a"), ["10.0.0.1:80"]);
    world.accept(&states("a", &sick(HealthStatus::Timeout)));
    assert_eq!(world.addresses("a"), ["10.0.0.1:80"]);
    world.accept(&states("a", &sick(HealthStatus::Degraded)));
    let both = ["10.0.0.1:80", "10.0.0.2:80"];
    assert_eq!(world.addresses("a"), both, "half of them, with some to spare, cannot take all of the load");
    world.accept(&states(
        "a",
        &[("10.0.0.2", 80, HealthStatus::Degraded), ("10.0.0.3", 80, HealthStatus::Unhealthy)],
    ));
    assert_eq!(world.addresses("a"), ["10.0.0.2:80"], "and is used when nobody better is there");
    world.accept(&states("a", &sick(HealthStatus::Draining)));
    assert_eq!(world.addresses("a"), ["10.0.0.1:80", "10.0.0.2:80"]);
    let draining: Vec<bool> =
        world.cluster("a").endpoints.list().iter().map(|endpoint| endpoint.draining()).collect();
    assert_eq!(draining, [false, true]);
}

#[test]
fn an_address_named_twice_is_one_endpoint() {
    let mut world = World::new();
    world.accept(&fixed("a", &[("10.0.0.1", 80), ("10.0.0.1", 80)]));
    assert_eq!(world.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn names_are_given_to_a_resolver_and_waited_for() {
    let mut world = World::new();
    let dns = Cluster {
        load_assignment: Some(assignment("a", &[("app.test", 80), ("other.test", 81)])),
        ..of_type("a", DiscoveryType::StrictDns)
    };
    let applied = world.accept(&dns);
    let [(name, Some(Dns { hosts, .. }))] = &applied.resolve[..] else { panic!("{:?}", applied.resolve) };
    assert_eq!(&**name, "a");
    assert_eq!(
        hosts.iter().map(|host| format!("{}:{}", host.host, host.port)).collect::<Vec<_>>(),
        ["app.test:80", "other.test:81"]
    );
    assert!(world.clusters.is_empty());
    let found = found(&["10.0.0.1:80", "10.0.0.2:81"]);
    let applied = world.model.resolved("a", &found, world.now);
    world.obey(applied);
    assert_eq!(world.addresses("a"), ["10.0.0.1:80", "10.0.0.2:81"]);
    let applied = world.accept(&Cluster { connect_timeout: duration(Duration::from_secs(1)), ..dns });
    assert!(applied.resolve.is_empty(), "the same names are being resolved already");
    assert_eq!(world.addresses("a"), ["10.0.0.1:80", "10.0.0.2:81"]);
    let applied = world.remove::<Cluster>("a");
    assert!(matches!(&applied.resolve[..], [(_, None)]));
}

#[test]
fn a_logical_host_is_its_first_address() {
    let mut world = World::new();
    let dns = Cluster {
        load_assignment: Some(assignment("a", &[("app.test", 80)])),
        ..of_type("a", DiscoveryType::LogicalDns)
    };
    world.accept(&dns);
    let found = found(&["10.0.0.1:80", "10.0.0.2:80"]);
    let applied = world.model.resolved("a", &found, world.now);
    world.obey(applied);
    assert_eq!(world.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn numbers_need_no_resolver() {
    let mut world = World::new();
    let dns = Cluster {
        load_assignment: Some(assignment("a", &[("10.0.0.1", 80)])),
        ..of_type("a", DiscoveryType::StrictDns)
    };
    assert!(world.accept(&dns).resolve.is_empty());
    assert_eq!(world.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn in_the_state_of_the_world_what_is_not_named_is_gone() {
    let mut world = World::new();
    world.full(&[fixed("a", &[("10.0.0.1", 80)]), fixed("b", &[("10.0.0.2", 80)])]);
    let applied = world.full(&[fixed("a", &[("10.0.0.1", 80)])]);
    assert_eq!(applied.update.clusters.len(), 1, "the one that stays is not touched");
    assert!(world.model.cluster("b").is_none() && world.model.cluster("a").is_some());
}

#[test]
fn endpoints_nobody_asked_for_are_nobodys() {
    let mut world = World::new();
    assert!(world.accept(&assignment("stranger", &[("10.0.0.1", 80)])).update.is_empty());
    assert!(world.model.dump().is_empty());
}

#[test]
fn priorities_share_the_load_and_a_change_of_shares_alone_is_a_change() {
    let mut world = World::new();
    world.accept(&eds("a"));
    let mut load = assignment("a", &[("10.0.0.1", 80), ("10.0.0.2", 80)]);
    let mut spare = assignment("a", &[("10.0.0.9", 80)]).endpoints.remove(0);
    spare.priority = 1;
    load.endpoints.push(spare);
    world.accept(&load);
    assert_eq!(world.addresses("a"), ["10.0.0.1:80", "10.0.0.2:80"], "the second priority has no load");
    load.endpoints[0].lb_endpoints[0].health_status = HealthStatus::Unhealthy as i32;
    world.accept(&load);
    assert_eq!(world.addresses("a"), ["10.0.0.2:80", "10.0.0.9:80"], "half of the first cannot take it all");
    load.endpoints[1].lb_endpoints[0].health_status = HealthStatus::Degraded as i32;
    let before = world.cluster("a").clone();
    let mut lighter = load.clone();
    lighter.policy =
        Some(cluster_load_assignment::Policy { overprovisioning_factor: number(180), ..Default::default() });
    world.accept(&lighter);
    assert!(!Arc::ptr_eq(&before, world.cluster("a")), "the same endpoints with other shares");
}
