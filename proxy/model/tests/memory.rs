//! A Service at zero is small in the data plane's model: its cluster with gate and breakers, its endpoints, its virtual host,
//! and all three as they came. Bytes that are live, counted by the allocator; alone in its process, so that nobody else
//! allocates.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; its figure is of use"
)]

use std::alloc::System;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use forebay_knative::RevisionKey;
use forebay_knative::api::RevisionState;
use forebay_knative::manifest;
use forebay_knative::world::Config;
use forebay_model::{Applied, Model, Resource};
use forebay_proto::{Body, type_url};
use forebay_xds_control::translate::{Settings, cluster_name};
use forebay_xds_control::{Control, Event};
use forebay_xds_server::Store;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SERVICES: usize = 1_000;

/// Of the 8 KiB that a Service at zero may cost the whole process; it takes 1,940.
const BOUND: usize = 2_150;

#[test]
fn a_service_at_zero_is_small() {
    let store = store();
    let keys: Vec<_> =
        (0..SERVICES).map(|n| RevisionKey::new("default", format!("service-{n}-00001"))).collect();
    let clusters: Vec<String> = keys.iter().map(cluster_name).collect();
    let hosts: Vec<String> = (0..SERVICES).map(|n| format!("services/default.service-{n}")).collect();

    let before = live();
    let mut obeyed = Obeyed::default();
    let (listener, routes) = (["gateway".to_owned()], ["services".to_owned()]);
    for (url, names) in [
        (type_url::LISTENER, &listener[..]),
        (type_url::ROUTE, &routes),
        (type_url::CLUSTER, &clusters),
        (type_url::ENDPOINTS, &clusters),
        (type_url::VIRTUAL_HOST, &hosts),
    ] {
        // As many as a response brings: what they come in is not here all at once.
        for names in names.chunks(64) {
            obeyed.hear(url, names, &store);
        }
    }
    let each = (live() - before) / SERVICES;
    println!("{each} bytes a Service");
    assert_eq!((obeyed.clusters.len(), obeyed.tables["services"].len()), (SERVICES, SERVICES));
    assert!(each <= BOUND, "{each} bytes a Service");
}

/// The model, and what one worker keeps of what it says.
#[derive(Default)]
struct Obeyed {
    model: Model,
    clusters: HashMap<u32, Arc<forebay_model::Cluster>>,
    tables: HashMap<Arc<str>, Arc<forebay_route::Table>>,
}

impl Obeyed {
    fn hear(&mut self, url: &'static str, names: &[String], store: &Store) {
        let bodies: Vec<Body> = names
            .iter()
            .map(|name| Body { type_url: url.to_owned(), value: store.encoded(url, name).unwrap().into() })
            .collect();
        let added: Vec<_> = names
            .iter()
            .zip(&bodies)
            .map(|(name, body)| Resource { name, version: "0123456789abcdef", body })
            .collect();
        let Applied { rejected, update, .. } = self.model.apply(url, false, &added, &[], Instant::now());
        assert!(rejected.is_empty(), "{rejected:?}");
        self.clusters.extend(update.clusters.iter().filter_map(|(ix, c)| Some((ix.0, c.clone()?))));
        self.tables.extend(update.tables.iter().filter_map(|(name, t)| Some((name.clone(), t.clone()?))));
        update.open_gates();
    }
}

/// Bytes in use.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// What the control plane makes of so many Services at zero.
fn store() -> Store {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut settings = Settings::new(vec!["127.0.0.1:0".parse().unwrap()]);
    settings.report = Some("ws://127.0.0.1:4321".into());
    let mut control = Control::new(Config::default(), settings, Store::new());
    let document = |n: usize| {
        format!(
            "---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: service-{n}}}\n\
             spec: {{template: {{spec: {{containers: [{{image: example.com/hello}}]}}}}}}\n"
        )
    };
    let text: String = (0..SERVICES).map(document).collect();
    let documents = manifest::parse(&text).unwrap();
    let path = Path::new("all.yaml").into();
    control.apply_source(Event::File { path, text: text.into(), documents }, now);
    let keys: Vec<_> =
        (0..SERVICES).map(|n| RevisionKey::new("default", format!("service-{n}-00001"))).collect();
    control.revision_states(&keys, &RevisionState::Ready, now);
    control.store().clone()
}
