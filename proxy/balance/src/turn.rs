//! Endpoints in turn, or at random: the choices that do not ask how loaded an endpoint is. Knows nothing of gates.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use forebay_base::rng::Rng;

use crate::endpoint::{Endpoint, EndpointLease, Kind};
use crate::endpoints::Endpoints;

/// Whose turn it is, as one worker has it.
#[derive(Default)]
pub struct Turn {
    /// The list it was made for, by its place in memory: another list begins anew.
    list: Cell<usize>,
    next: Cell<usize>,
    /// With weights: how much each endpoint has gone without, for each unit of the sum of weights.
    owed: RefCell<Vec<i64>>,
}

impl Turn {
    /// Everybody begins somewhere else, so that workers and proxies do not all go to the same endpoint first.
    fn begin(&self, endpoints: &Endpoints, rng: &Rng) {
        let list = endpoints.list();
        let identity = list.as_ptr() as usize;
        if self.list.replace(identity) != identity || self.owed.borrow().len() != list.len() {
            self.next.set(rng.below(list.len() as u32) as usize);
            let mut owed = self.owed.borrow_mut();
            owed.clear();
            owed.resize(list.len(), 0);
        }
    }

    /// The next place of a list of so many.
    fn step(&self, len: usize) -> usize {
        let at = self.next.get() % len;
        self.next.set(at + 1);
        at
    }

    /// The place that has waited longest for its share.
    fn weighted(&self, endpoints: &Endpoints) -> usize {
        let mut owed = self.owed.borrow_mut();
        let (mut best, mut most, mut sum) = (0, i64::MIN, 0);
        for (at, owed) in owed.iter_mut().enumerate() {
            let weight = endpoints.weight(at) as i64;
            sum += weight;
            *owed += weight;
            if *owed > most {
                (best, most) = (at, *owed);
            }
        }
        if let Some(chosen) = owed.get_mut(best) {
            *chosen -= sum;
        }
        best
    }
}

impl Endpoints {
    /// The next in turn, each as often as its weight says. `avoid` (an endpoint's id) is chosen only when nothing else can be.
    pub fn in_turn(&self, turn: &Turn, rng: &Rng, avoid: Option<u64>) -> Option<EndpointLease> {
        let list = self.list();
        if list.len() < 2 {
            return self.first_from(0, avoid);
        }
        turn.begin(self, rng);
        self.first_from(if self.is_weighted() { turn.weighted(self) } else { turn.step(list.len()) }, avoid)
    }

    /// Any, each as likely as any other.
    pub fn at_random(&self, rng: &Rng, avoid: Option<u64>) -> Option<EndpointLease> {
        match self.list().len() {
            0 => None,
            len => self.first_from(rng.below(len as u32) as usize, avoid),
        }
    }

    /// The first from this place on that takes requests.
    fn first_from(&self, start: usize, avoid: Option<u64>) -> Option<EndpointLease> {
        let list = self.list();
        let all =
            || list.get(start..).unwrap_or_default().iter().chain(list.get(..start).unwrap_or_default());
        let taken = |it: &&Arc<Endpoint>| it.acquire(it.load(), self.limit(), Kind::Bare);
        let wanted = all().filter(|it| Some(it.id) != avoid);
        let avoided = all().filter(|it| Some(it.id) == avoid);
        wanted.chain(avoided).find(taken).map(|chosen| EndpointLease::of(Arc::clone(chosen)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn some(n: u16) -> Vec<Arc<Endpoint>> {
        (1..=n).map(|port| Endpoint::new(SocketAddr::from(([127, 0, 0, 1], port)))).collect()
    }

    fn ports(endpoints: &Endpoints, n: usize, avoid: Option<u64>) -> Vec<u16> {
        let (turn, rng) = (Turn::default(), Rng::from_entropy());
        let next = |_| endpoints.in_turn(&turn, &rng, avoid).unwrap().endpoint().address.port();
        (0..n).map(next).collect()
    }

    #[test]
    fn each_has_its_turn() {
        let endpoints = Endpoints::new(some(3), 0);
        let seen = ports(&endpoints, 9, None);
        for at in 0..6 {
            assert_eq!(seen[at], seen[at + 3], "{seen:?}");
        }
        let mut round = seen[..3].to_vec();
        round.sort_unstable();
        assert_eq!(round, [1, 2, 3]);
    }

    #[test]
    fn each_has_as_many_turns_as_it_weighs_spread_evenly() {
        let list = some(3);
        let endpoints = Endpoints::weighted(list.into_iter().zip([1, 2, 5]), 0);
        let seen = ports(&endpoints, 80, None);
        for round in seen.chunks(8) {
            let count = |port| round.iter().filter(|it| **it == port).count();
            assert_eq!((count(1), count(2), count(3)), (1, 2, 5), "{round:?}");
        }
    }

    #[test]
    fn one_that_drains_or_is_avoided_is_passed_over() {
        let list = some(3);
        list[0].drain(true);
        let endpoints = Endpoints::new(list.clone(), 0);
        assert!(ports(&endpoints, 12, Some(list[1].id)).iter().all(|port| *port == 3));
        list[2].drain(true);
        assert!(ports(&endpoints, 3, Some(list[1].id)).iter().all(|port| *port == 2), "nothing else can be");
        list[1].drain(true);
        let rng = Rng::from_entropy();
        assert!(endpoints.in_turn(&Turn::default(), &rng, None).is_none());
        assert!(endpoints.at_random(&rng, None).is_none());
        assert!(Endpoints::default().in_turn(&Turn::default(), &rng, None).is_none());
    }
}
