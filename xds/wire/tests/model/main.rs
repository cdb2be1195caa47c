//! Random servers, clients, subscriptions, refusals and cut streams: whatever happens, both ends agree in the end, every
//! response is answered exactly once, and when nothing changes nothing is said.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at what it did not expect")]

mod catalog;
mod peers;

use forebay_proto::type_url::{CLUSTER, ENDPOINTS, LISTENER, VIRTUAL_HOST};
use forebay_xds_wire::{client, server};
use peers::{Peek, Peers};
use proptest::prelude::*;
use prost::Message;

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Set(usize, u8, u8),
    Remove(usize, u8),
    Want(u8),
    Unwant(u8),
    /// One message or one chance to send one, at either end.
    Move(u8),
    Cut,
    Pause(u16),
    Deploy(u8, u8),
    Retire(u8),
}

const TYPES: [&str; 4] = [CLUSTER, LISTENER, ENDPOINTS, VIRTUAL_HOST];

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_usize, 0..6_u8, 0..20_u8).prop_map(|(t, name, body)| Step::Set(t, name, body)),
        3 => (0..4_usize, 0..6_u8).prop_map(|(t, name)| Step::Remove(t, name)),
        3 => (0..6_u8).prop_map(Step::Want),
        2 => (0..6_u8).prop_map(Step::Unwant),
        20 => (0..4_u8).prop_map(Step::Move),
        1 => Just(Step::Cut),
        2 => (0..2_000_u16).prop_map(Step::Pause),
    ]
}

/// No pauses: a client that comes back and takes longer than `RETURN` to ask for all its types is told of removals before
/// the server can know who still refers to them.
fn rollout() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u8, 0..9_u8).prop_map(|(name, body)| Step::Deploy(name, body)),
        3 => (0..5_u8).prop_map(Step::Retire),
        20 => (0..4_u8).prop_map(Step::Move),
        1 => Just(Step::Cut),
    ]
}

fn name(t: usize, n: u8) -> String {
    if TYPES[t] == VIRTUAL_HOST { format!("s/{n}") } else { format!("n{n}") }
}

fn play<C, S>(steps: &[Step], refuses: bool) -> Peers<C, S>
where
    C: client::Variant<Request: Peek + Clone, Response: Message + Default>,
    S: server::Variant<Request = C::Request, Response: Message + Peek + Clone>,
{
    let mut peers = Peers::<C, S>::new(refuses);
    for step in steps {
        match step {
            Step::Set(t, n, body) => peers.catalog.set(TYPES[*t], &name(*t, *n), *body),
            Step::Remove(t, n) => peers.catalog.remove(TYPES[*t], &name(*t, *n)),
            Step::Want(n) => peers.want(ENDPOINTS, &name(2, *n)),
            Step::Unwant(n) => peers.unwant(ENDPOINTS, &name(2, *n)),
            Step::Move(which) => peers.move_one(*which),
            Step::Cut => peers.cut(),
            Step::Pause(ms) => peers.pause(*ms),
            Step::Deploy(n, body) => {
                peers.catalog.set(VIRTUAL_HOST, &name(3, *n), *body);
                peers.catalog.set(CLUSTER, &name(0, *n), *body);
                peers.catalog.set(ENDPOINTS, &name(2, *n), *body);
            }
            Step::Retire(n) => {
                peers.catalog.remove(VIRTUAL_HOST, &name(3, *n));
                peers.catalog.remove(CLUSTER, &name(0, *n));
                peers.catalog.remove(ENDPOINTS, &name(2, *n));
            }
        }
    }
    peers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn delta_converges(steps in prop::collection::vec(any_step(), 1..200)) {
        let mut peers = play::<client::Delta, server::Delta>(&steps, true);
        peers.settle();
        peers.check_agreement(&TYPES);
        // A cut changes nothing, and what comes back is only what was refused: the client does not have it.
        let sent = peers.sent_of(&TYPES);
        peers.cut();
        peers.settle();
        peers.check_agreement(&TYPES);
        prop_assert_eq!(peers.sent_of(&TYPES) - sent, peers.refused_now(&TYPES));
    }

    #[test]
    fn state_of_the_world_converges(steps in prop::collection::vec(any_step(), 1..200)) {
        let mut peers = play::<client::StateOfTheWorld, server::StateOfTheWorld>(&steps, true);
        peers.settle();
        peers.check_agreement(&TYPES[..3]);
        // Of the types listed in full nothing comes again. Of the others it may: a removal or a dropped name changes the
        // version of the set without a response that could tell the client.
        let sent = peers.sent_of(&TYPES[..2]);
        peers.cut();
        peers.settle();
        peers.check_agreement(&TYPES[..3]);
        if peers.refused_now(&TYPES[..2]) == 0 {
            prop_assert_eq!(peers.sent_of(&TYPES[..2]) - sent, 0);
        }
    }

    /// The batch is written top-down here, so the order on the wire is the stream's doing.
    #[test]
    fn no_host_is_ever_without_its_cluster(steps in prop::collection::vec(rollout(), 1..200)) {
        let mut peers = play::<client::Delta, server::Delta>(&steps, false);
        peers.settle();
        peers.check_agreement(&TYPES);
        prop_assert_eq!(&peers.hosts_without_cluster, &Vec::<String>::new());
    }
}
