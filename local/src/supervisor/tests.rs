//! What a revision costs that does nothing.

use std::time::Duration;

use forebay_knative::api::{Container, Revision};

use super::queue::Rank;
use super::*;

fn entry() -> Entry {
    let revision = Revision::lone(&RevisionKey::new("default", "a"), "a", Container::default());
    Entry::new(Arc::new(revision), std::path::Path::new("/").into())
}

/// State and number of every replica.
fn replicas(entry: &Entry) -> Vec<(ReplicaState, u32)> {
    let status = entry.status(&RevisionKey::new("default", "a"));
    status.replicas.iter().map(|replica| (replica.state, replica.number)).collect()
}

#[test]
fn fewer_means_first_those_that_have_not_started_then_the_youngest() {
    use ReplicaState::{Queued, Ready, Starting, Stopping, Unready};
    let (mut entry, mut next) = (entry(), 0);
    entry.want = 5;
    assert_eq!(entry.grow(&mut next), [0, 1, 2, 3, 4]);
    for id in 0..4 {
        entry.begin(id, Rank::Routine).unwrap();
    }
    for id in [0, 1, 2] {
        entry.became_ready(id);
    }
    entry.with(0, |slot| slot.turn(Unready));
    assert_eq!(replicas(&entry), [(Unready, 0), (Ready, 1), (Ready, 2), (Starting, 3), (Queued, 4)]);
    for (want, after) in [
        (4, &[(Unready, 0), (Ready, 1), (Ready, 2), (Starting, 3)]),
        (3, &[(Unready, 0), (Ready, 1), (Ready, 2), (Stopping, 3)]),
        (2, &[(Stopping, 0), (Ready, 1), (Ready, 2), (Stopping, 3)]),
        (1, &[(Stopping, 0), (Ready, 1), (Stopping, 2), (Stopping, 3)]),
    ] {
        entry.want = want;
        entry.shrink(Phase::Drain);
        assert_eq!(replicas(&entry), after);
    }
    // A late word of one that is being stopped changes nothing; new ones take the numbers that are free.
    entry.became_ready(3);
    entry.want = 2;
    assert_eq!(entry.grow(&mut next), [5]);
    assert_eq!(replicas(&entry)[4], (Queued, 4));
    entry.take(3);
    entry.want = 3;
    entry.grow(&mut next);
    assert_eq!(replicas(&entry)[4], (Queued, 3));
}

#[test]
fn one_that_keeps_failing_is_tried_with_one_replica() {
    let (mut entry, mut next, now) = (entry(), 0, Instant::now());
    entry.want = 3;
    let until = entry.backoff_mut().failed(Duration::ZERO, now);
    entry.backoff_mut().failed(Duration::ZERO, until);
    assert_eq!(entry.grow(&mut next), [0]);
    entry.begin(0, Rank::Routine).unwrap();
    entry.became_ready(0);
    assert_eq!(entry.grow(&mut next), [1, 2]);
}

#[test]
fn who_becomes_urgent_is_queued_again_once() {
    let (mut entry, mut next) = (entry(), 0);
    entry.want = 1;
    assert_eq!(entry.grow(&mut next), [0]);
    entry.urgency = Urgency::Waiting;
    assert_eq!(entry.grow(&mut next), [0]);
    assert!(entry.grow(&mut next).is_empty());
}

#[test]
fn only_the_eldest_that_requests_wait_for_is_first() {
    let (mut entry, mut next) = (entry(), 0);
    entry.want = 2;
    entry.grow(&mut next);
    assert_eq!((entry.rank(0), entry.rank(1)), (Rank::Routine, Rank::Routine));
    entry.urgency = Urgency::Waiting;
    assert_eq!(entry.grow(&mut next), [0, 1]);
    assert_eq!((entry.rank(0), entry.rank(1)), (Rank::First, Rank::Further));
    // One that is on its way out is no help to those who wait.
    entry.begin(0, Rank::First).unwrap();
    entry.want = 0;
    entry.shrink(Phase::Drain);
    entry.want = 1;
    assert_eq!(entry.grow(&mut next), [2]);
    assert_eq!(entry.rank(2), Rank::First);
}

#[test]
fn a_revision_that_did_well_gives_its_memory_back() {
    let (mut entry, mut next) = (entry(), 0);
    entry.want = 1;
    entry.grow(&mut next);
    entry.take(0);
    entry.backoff_mut().ended_well(Duration::from_secs(60));
    assert!(!entry.is_bare());
    entry.tidy();
    assert!(entry.is_bare());
}

#[test]
fn an_idle_revision_is_small() {
    let size = size_of::<(RevisionKey, Entry)>();
    // At worst a hash table is just over 7/16 full, and has one byte of its own per place. What the pointers lead to is
    // shared with the world of objects.
    let worst = (size + 1) * 16 / 7;
    assert!(worst < 600, "{worst} bytes, of which {size} for one entry");
}
