//! LDS: listeners wait for their routes, and keep what they had meanwhile.

use std::sync::Arc;
use std::time::Duration;

use forebay_proto::envoy::config::core::v3::ConfigSource;
use forebay_proto::envoy::config::listener::v3::Listener;
use forebay_proto::envoy::config::route::v3::RouteConfiguration;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use forebay_proto::type_url::{ROUTE, VIRTUAL_HOST};

use crate::build::{ads, duration, fixed, host, listener, listener_with, manager, routes, vhds};
use crate::world::{World, interests};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_listener_asks_for_its_routes_and_waits_for_them() {
    let mut world = World::new();
    let applied = world.accept(&listener("http", "services"));
    assert_eq!(interests(&applied, ROUTE), ["+services"]);
    assert!(world.listeners.is_empty());
    let applied = world.accept(&routes("services", vec![]));
    assert_eq!(applied.update.listeners.len(), 1, "with the routes, in one update");
    assert_eq!(applied.update.tables.len(), 1);
    assert!(world.listeners.contains_key("http"));
}

#[test]
fn routes_that_are_known_are_not_waited_for() {
    let mut world = World::new();
    world.accept(&listener("http", "services"));
    world.accept(&routes("services", vec![]));
    let applied = world.accept(&listener("probe", "services"));
    assert!(applied.interests.is_empty(), "somebody asked already");
    assert!(world.listeners.contains_key("probe"));
}

#[test]
fn the_wait_is_over_after_15_seconds_or_what_the_source_says() {
    let mut world = World::new();
    world.accept(&listener("default", "services"));
    let mut impatient = manager("services");
    if let Some(RouteSpecifier::Rds(rds)) = &mut impatient.route_specifier {
        rds.config_source =
            Some(ConfigSource { initial_fetch_timeout: duration(10 * SECOND), ..ads().unwrap() });
    }
    world.accept(&listener_with("kourier", &impatient));
    let mut patient = impatient.clone();
    if let Some(RouteSpecifier::Rds(rds)) = &mut patient.route_specifier {
        rds.config_source =
            Some(ConfigSource { initial_fetch_timeout: duration(Duration::ZERO), ..ads().unwrap() });
    }
    world.accept(&listener_with("for-ever", &patient));
    let began = world.now;
    let names = |world: &World| world.listeners.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(world.model.next_deadline(), Some(began + 10 * SECOND));
    world.later(9 * SECOND);
    assert!(names(&world).is_empty());
    world.later(SECOND);
    assert_eq!(names(&world), ["kourier"]);
    assert_eq!(world.model.next_deadline(), Some(began + 15 * SECOND));
    world.later(5 * SECOND);
    assert_eq!(names(&world), ["default", "kourier"]);
    assert_eq!(world.ask("services", "any"), "no table");
    world.later(600 * SECOND);
    assert_eq!(names(&world), ["default", "kourier"]);
    world.accept(&routes("services", vec![]));
    assert_eq!(names(&world), ["default", "for-ever", "kourier"]);
}

#[test]
fn routes_that_do_not_exist_are_not_waited_for() {
    let mut world = World::new();
    world.accept(&listener("http", "services"));
    let applied = world.model.does_not_exist(ROUTE, "services", world.now);
    world.obey(applied);
    assert!(world.listeners.contains_key("http"));
}

#[test]
fn a_new_version_waits_while_the_old_one_serves() {
    let mut world = World::new();
    world.accept(&listener("http", "one"));
    world.accept(&routes("one", vec![]));
    let before = world.listeners["http"].clone();
    let applied = world.accept(&listener("http", "two"));
    assert_eq!(interests(&applied, ROUTE), ["+two"]);
    assert!(Arc::ptr_eq(&before, &world.listeners["http"]));
    let applied = world.accept(&routes("two", vec![]));
    assert_eq!(interests(&applied, ROUTE), ["-one"], "nobody names the old routes any more");
    assert_eq!(applied.update.tables.iter().filter(|(_, table)| table.is_none()).count(), 1);
    assert!(!Arc::ptr_eq(&before, &world.listeners["http"]));
}

#[test]
fn other_bytes_that_say_the_same_change_nothing() {
    let mut world = World::new();
    world.accept(&listener("http", "services"));
    world.accept(&routes("services", vec![]));
    let mut same = listener("http", "services");
    same.stat_prefix = "only counters would see".to_owned();
    assert!(world.accept(&same).update.is_empty());
}

#[test]
fn removal_takes_the_routes_along() {
    let mut world = World::new();
    world.accept(&fixed("a", &[("10.0.0.1", 80)]));
    world.accept(&listener("http", "services"));
    world.accept(&vhds("services"));
    world.accept(&host("services/x", &["x.test"], "a"));
    let applied = world.remove::<Listener>("http");
    assert_eq!(interests(&applied, ROUTE), ["-services"]);
    assert_eq!(interests(&applied, VIRTUAL_HOST), ["-services"]);
    assert!(world.listeners.is_empty() && world.tables.is_empty());
}

#[test]
fn in_the_state_of_the_world_what_is_not_named_is_gone_and_what_is_refused_stays() {
    let mut world = World::new();
    world.full(&[listener("a", "services"), listener("b", "services")]);
    world.accept(&routes("services", vec![]));
    let mut broken = listener("b", "services");
    broken.address = None;
    let applied = world.full(&[broken, listener("c", "services")]);
    assert_eq!(applied.rejected.len(), 1);
    assert_eq!(world.listeners.keys().map(|name| &**name).collect::<Vec<_>>(), ["b", "c"]);
}

#[test]
fn an_envelope_without_a_name_takes_the_resources_own() {
    let mut world = World::new();
    let body = crate::build::body(&listener("http", "services"));
    let resource = forebay_model::Resource { name: "", version: "7", body: &body };
    let applied = world.model.apply(&body.type_url.clone(), true, &[resource], &[], world.now);
    assert!(applied.rejected.is_empty());
    world.obey(applied);
    world.accept(&routes("services", vec![]));
    let applied = world.model.apply(&body.type_url.clone(), true, &[resource], &[], world.now);
    assert!(world.obey(applied).update.is_empty(), "it is the same, and still there");
    assert!(world.listeners.contains_key("http"));
}

#[test]
fn routes_nobody_asked_for_are_nobodys() {
    let mut world = World::new();
    assert!(world.accept(&routes("stranger", vec![])).update.is_empty());
    assert!(world.tables.is_empty());
    assert!(world.model.dump().is_empty());
}

#[test]
fn inline_routes_need_no_waiting() {
    let mut world = World::new();
    world.accept(&fixed("a", &[("10.0.0.1", 80)]));
    let mut inline = manager("");
    inline.route_specifier = Some(RouteSpecifier::RouteConfig(routes("here", vec![host("x", &["*"], "a")])));
    world.accept(&listener_with("http", &inline));
    let forebay_model::RouteSource::Inline(table) = &world.listeners["http"].chains[0].http.routes else {
        panic!("it is inline")
    };
    assert!(
        table
            .lookup(&forebay_route::PlainRequest::get("anything", "/"), &forebay_base::rng::Rng::seeded(1))
            .is_some()
    );
}

#[test]
fn what_the_bootstrap_says_no_stream_changes() {
    let mut world = World::new();
    let (own, stats) = (
        crate::build::body(&listener("admin", "own")),
        crate::build::body(&fixed("stats", &[("10.0.0.1", 1)])),
    );
    let resource = |name, body| forebay_model::Resource { name, version: "", body };
    let applied = world.model.bootstrap(&[resource("admin", &own)], &[resource("stats", &stats)], world.now);
    world.obey(applied);
    world.accept(&routes("own", vec![]));
    world.full::<Listener>(&[]);
    world.full(&[fixed("stats", &[("10.0.0.2", 2)])]);
    assert!(world.listeners.contains_key("admin"));
    assert_eq!(world.addresses("stats"), ["10.0.0.1:1"]);
    world.remove::<RouteConfiguration>("own");
    assert!(world.tables.contains_key("own"), "routes live as long as somebody names them");
}
