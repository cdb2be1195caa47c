use std::time::{Duration, Instant};

use forebay_model::{Model, Resource, Update};
use forebay_proto::envoy::config::cluster::v3 as pb;
use forebay_proto::google::protobuf as google;
use forebay_proto::{Body, type_url};
use prost::Message;

use super::*;

const MANY: u64 = 100;

fn cluster(number: u64, connect: Duration) -> (String, Body) {
    let message = pb::Cluster {
        name: format!("app-{number}"),
        connect_timeout: Some(google::Duration { seconds: connect.as_secs() as i64, nanos: 0 }),
        ..Default::default()
    };
    let body = Body { type_url: type_url::CLUSTER.to_owned(), value: message.encode_to_vec().into() };
    (message.name, body)
}

fn update(model: &mut Model, clusters: &[(String, Body)]) -> Update {
    let added: Vec<_> = clusters.iter().map(|(name, body)| Resource { name, version: "1", body }).collect();
    let applied = model.apply(type_url::CLUSTER, false, &added, &[], Instant::now());
    assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
    applied.update
}

/// As a worker takes an update over; the ids of endpoints that are gone.
fn take(config: &Config, update: &Update) -> Vec<u64> {
    update.clusters.iter().flat_map(|(ix, cluster)| config.set_cluster(*ix, cluster.as_ref())).collect()
}

/// One changed Service is one slot of a worker: everything else is the same object in the same place, used or not.
#[test]
fn a_change_of_one_cluster_touches_no_other() {
    let second = Duration::from_secs(1);
    let mut model = Model::new();
    let config = Config::default();
    let all: Vec<_> = (0..MANY).map(|number| cluster(number, second)).collect();
    take(&config, &update(&mut model, &all));
    let ix = |number: u64| model.cluster_ix(&format!("app-{number}")).unwrap();
    let places: Vec<ClusterIx> = (0..MANY).map(ix).collect();
    // Half of them have had a request.
    let used: Vec<Rc<ClusterState>> =
        places.iter().step_by(2).map(|ix| config.cluster(*ix).unwrap()).collect();
    let before: Vec<Rc<Cluster>> = used.iter().map(|state| state.now()).collect();
    let unused = |config: &Config| -> Vec<Option<Arc<Cluster>>> {
        let slots = config.clusters.borrow();
        let slot = |slot: &Slot| match slot {
            Slot::Unused(cluster) => Some(cluster.clone()),
            Slot::Empty | Slot::Used(_) => None,
        };
        slots.iter().map(slot).collect()
    };
    let resting = unused(&config);

    // The same again is nothing; a change is one.
    assert!(update(&mut model, &all).is_empty());
    let changed = update(&mut model, &[cluster(10, 2 * second)]);
    assert_eq!((changed.clusters.len(), changed.tables.len(), changed.listeners.len()), (1, 0, 0));
    assert!(take(&config, &changed).is_empty());

    for ((at, state), before) in places.iter().step_by(2).zip(&used).zip(&before) {
        // The object with its pools' key, meter and counters outlives the change.
        assert!(Rc::ptr_eq(state, &config.cluster(*at).unwrap()));
        assert_eq!(Rc::ptr_eq(before, &state.now()), *at != places[10], "{at:?}");
    }
    assert_eq!(used[5].now().config.connect_timeout, 2 * second);
    let same = |(a, b): (&Option<Arc<Cluster>>, &Option<Arc<Cluster>>)| match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    };
    assert!(resting.iter().zip(&unused(&config)).all(same));
    assert_eq!(resting.iter().flatten().count() as u64, MANY / 2);

    // One that was never used changes in its place, and nobody's state comes of it.
    let changed = update(&mut model, &[cluster(11, 2 * second)]);
    assert!(take(&config, &changed).is_empty());
    let after = unused(&config);
    let moved: Vec<usize> = (0..after.len()).filter(|at| !same((&resting[*at], &after[*at]))).collect();
    assert_eq!(moved, [places[11].0 as usize]);
}
