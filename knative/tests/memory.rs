//! A Service at rest is small: at most 3 KiB with its Configuration, Route, Revision and KIngress, before and after a
//! restart. Counted as resident memory over many of them; alone in its process, so that nobody else allocates.
#![cfg(target_os = "linux")]

use std::time::SystemTime;

use forebay_knative::api::RevisionState;
use forebay_knative::world::Config;
use forebay_knative::{RevisionKey, World, manifest};

/// Enough that pages and tables that grow by doubling do not matter.
const SERVICES: usize = 20_000;
const BOUND: usize = 3 * 1024;

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_service_at_rest_is_small() {
    let now = SystemTime::UNIX_EPOCH;
    let before = resident();
    let mut world = World::new(Config::default());
    for n in 0..SERVICES {
        let text = format!(
            "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: service-{n}}}\nspec:\n  template:\n    spec:\n      containers:\n      - image: example.com/hello:1\n        command: [./hello]\n        env: [{{name: TARGET, value: world}}]\n"
        );
        for document in manifest::parse(&text).unwrap() {
            world.apply(document.object, now).unwrap();
        }
        let revision = RevisionKey::new("default", format!("service-{n}-00001"));
        world.set_revision_state(&revision, RevisionState::Ready, now);
        world.take_changes();
    }
    let each = (resident() - before) / SERVICES;
    println!("{each} bytes a Service");
    assert!(each <= BOUND, "{each} bytes a Service");
    assert_eq!(world.services().count(), SERVICES);
}
