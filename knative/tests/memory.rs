//! A Service at rest is small: with its Configuration, Route, Revision and KIngress it takes about 2.5 KB in 35
//! allocations, and at most half of the 8 KiB that a Service may cost the whole process, the allocator's own share
//! included. Read off the resident memory, alone in its process, so that nobody else allocates.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::SystemTime;

use forebay_knative::api::RevisionState;
use forebay_knative::world::Config;
use forebay_knative::{RevisionKey, World, manifest};

/// Before the first look: what is needed once, for however many Services, is there then.
const WARM_UP: usize = 1_000;
const SERVICES: usize = 4_000;
const BOUND: usize = 4 * 1024;

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_service_at_rest_is_small() {
    let now = SystemTime::UNIX_EPOCH;
    let mut before = 0;
    let mut world = World::new(Config::default());
    for n in 0..WARM_UP + SERVICES {
        if n == WARM_UP {
            before = resident();
        }
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
    assert_eq!(world.services().count(), WARM_UP + SERVICES);
}
