//! A Service at zero is small in the control plane: its objects, what a restart and the next look at its file need, and its
//! resources in the store. Bytes that are live, counted by the allocator; alone in its process, so that nobody else
//! allocates, and one test, so that nothing runs beside it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; its figure is of use"
)]

use std::alloc::System;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forebay_knative::RevisionKey;
use forebay_knative::api::RevisionState;
use forebay_knative::manifest;
use forebay_knative::world::Config;
use forebay_xds_control::translate::Settings;
use forebay_xds_control::{Control, Event};
use forebay_xds_server::Store;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SERVICES: usize = 1_000;

/// Of the 8 KiB that a Service at zero may cost the whole process; it takes 2,730.
const BOUND: usize = 3_000;

/// What a new one makes of a file, and what one after a restart makes of the records.
#[test]
fn a_service_at_zero_is_small_before_and_after_a_restart() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let empty = live();
    let mut control = Control::new(Config::default(), settings(), Store::new());
    control.apply_source(file(SERVICES), now);
    let names = (0..SERVICES).map(|n| RevisionKey::new("default", format!("service-{n}-00001")));
    control.revision_states(&names.collect::<Vec<_>>(), &RevisionState::Ready, now);
    let fresh = (live() - empty) / SERVICES;

    let records = control.save();
    drop(control);
    let (mut control, work) = Control::restore(Config::default(), settings(), Store::new(), records, now);
    assert_eq!(work.runs.len(), SERVICES);
    drop(work);
    // The file is as it was: nothing is applied again.
    control.apply_source(file(SERVICES), now);
    control.apply_source(Event::Settled, now);
    assert_eq!(control.world().services().count(), SERVICES);
    let again = (live() - empty) / SERVICES;
    println!("{fresh} bytes a Service, {again} after a restart");
    assert!(fresh <= BOUND, "{fresh} bytes a Service");
    assert!(again <= BOUND, "{again} bytes a Service after a restart");
}

/// Bytes in use.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn settings() -> Settings {
    let mut settings = Settings::new(vec!["127.0.0.1:8080".parse().unwrap()]);
    settings.report = Some("ws://127.0.0.1:4321".into());
    settings
}

fn file(services: usize) -> Event {
    let document = |n: usize| {
        format!(
            "---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: service-{n}}}\nspec:\n  template:\n    \
             metadata:\n      annotations:\n        autoscaling.knative.dev/initial-scale: \"0\"\n    spec:\n      containers:\n      \
             - image: example.com/hello:1\n        command: [/usr/bin/hello, sample, hello]\n        env:\n        \
             - {{name: TARGET, value: world}}\n"
        )
    };
    let text: String = (0..services).map(document).collect();
    let path: Arc<Path> = Path::new("many.yaml").into();
    let documents = manifest::parse(&text).unwrap();
    Event::File { path, text: text.into(), documents }
}
