//! Choice among a cluster's endpoints. Knows nothing of how they were found.

use std::sync::Arc;

use forebay_base::rng::Rng;

use crate::endpoint::{Endpoint, EndpointLease, Kind, Load, Seat};
use crate::gate::Gate;
use crate::permit::Permit;

/// The endpoints of one cluster at one moment. Cloning is one reference count.
#[derive(Clone, Default)]
pub struct Endpoints {
    list: Arc<[Arc<Endpoint>]>,
    /// Sums of weights up to and including each endpoint; `None` when all weigh the same.
    sums: Option<Arc<[u32]>>,
    limit: u32,
}

impl Endpoints {
    /// `limit`: requests at once on each endpoint (Knative's containerConcurrency), 0 = no limit.
    pub fn new(list: impl IntoIterator<Item = Arc<Endpoint>>, limit: u32) -> Self {
        Self { list: list.into_iter().collect(), sums: None, limit }
    }

    /// With weights; 0 counts as 1.
    pub fn weighted(list: impl IntoIterator<Item = (Arc<Endpoint>, u32)>, limit: u32) -> Self {
        let (list, mut weights): (Vec<_>, Vec<u32>) =
            list.into_iter().map(|(it, weight)| (it, weight.max(1))).unzip();
        if weights.windows(2).all(|pair| pair[0] == pair[1]) {
            return Self::new(list, limit);
        }
        // Sums must fit a draw's 32 bits; halving keeps the proportions well enough.
        while weights.iter().try_fold(0u32, |sum, weight| sum.checked_add(*weight)).is_none() {
            weights.iter_mut().for_each(|weight| *weight = (*weight / 2).max(1));
        }
        let sums = weights.iter().scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self { list: list.into(), sums: Some(sums.collect()), limit }
    }

    pub fn list(&self) -> &[Arc<Endpoint>] {
        &self.list
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Requests at once on each endpoint, 0 = no limit.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The less loaded of two drawn at random, among those that take requests; with a limit, any that has a free slot, and
    /// never more than the limit. `avoid` (an endpoint's id) is chosen only when nothing else can be. `None`: all are full
    /// or draining, or there are none.
    #[inline]
    pub fn pick(&self, rng: &Rng, avoid: Option<u64>) -> Option<EndpointLease> {
        self.choose(rng, avoid, Kind::Bare).map(|chosen| EndpointLease::of(Arc::clone(chosen)))
    }

    /// [`Endpoints::pick`] without a shared reference count.
    #[inline]
    pub fn pick_ref(&self, rng: &Rng, avoid: Option<u64>) -> Option<EndpointLease<&Endpoint>> {
        self.choose(rng, avoid, Kind::Bare).map(|chosen| EndpointLease::of(&**chosen))
    }

    /// [`Endpoints::pick`] for a request with a permit.
    ///
    /// # Errors
    /// The permit, when no endpoint can be chosen.
    #[inline]
    pub fn seat<G: AsRef<Gate>>(
        &self,
        rng: &Rng,
        avoid: Option<u64>,
        permit: Permit<G>,
    ) -> Result<Seat<G>, Permit<G>> {
        match self.choose(rng, avoid, Kind::Seated) {
            Some(chosen) => Ok(Seat::of(Arc::clone(chosen), permit)),
            None => Err(permit),
        }
    }

    /// [`Endpoints::seat`] without a shared reference count.
    ///
    /// # Errors
    /// The permit, when no endpoint can be chosen.
    #[inline]
    pub fn seat_ref<G: AsRef<Gate>>(
        &self,
        rng: &Rng,
        avoid: Option<u64>,
        permit: Permit<G>,
    ) -> Result<Seat<G, &Endpoint>, Permit<G>> {
        match self.choose(rng, avoid, Kind::Seated) {
            Some(chosen) => Ok(Seat::of(&**chosen, permit)),
            None => Err(permit),
        }
    }

    #[inline]
    fn choose(&self, rng: &Rng, avoid: Option<u64>, kind: Kind) -> Option<&Arc<Endpoint>> {
        match &*self.list {
            [] => None,
            [only] => only.acquire(only.load(), self.limit, kind).then_some(only),
            list => self.of_two(rng, avoid, kind).or_else(|| {
                let start = rng.below(list.len() as u32) as usize;
                let all = || list[start..].iter().chain(&list[..start]);
                let wanted = all().filter(|it| Some(it.id) != avoid);
                let avoided = all().filter(|it| Some(it.id) == avoid);
                wanted.chain(avoided).find(|it| it.acquire(it.load(), self.limit, kind))
            }),
        }
    }

    /// Draws two and takes the better, or the other one if that fails.
    fn of_two(&self, rng: &Rng, avoid: Option<u64>, kind: Kind) -> Option<&Arc<Endpoint>> {
        let (first, second) = self.draw(rng);
        let seen = |at: usize| {
            let endpoint = &self.list[at];
            let load = endpoint.load();
            (Some(endpoint.id) != avoid && load.takes(self.limit)).then_some((at, load))
        };
        let (better, other) = match (seen(first), seen(second)) {
            (Some(a), Some(b)) if self.less_loaded(b, a) => (b, Some(a)),
            (Some(a), b) => (a, b),
            (None, Some(b)) => (b, None),
            (None, None) => return None,
        };
        let take = |(at, load): (usize, Load)| {
            let endpoint = &self.list[at];
            endpoint.acquire(load, self.limit, kind).then_some(endpoint)
        };
        take(better).or_else(|| take(other?))
    }

    /// Two different places in a list of at least two (by weight, they may be the same).
    fn draw(&self, rng: &Rng) -> (usize, usize) {
        match &self.sums {
            None => {
                let len = self.list.len() as u32;
                let first = rng.below(len);
                let step = 1 + rng.below(len - 1);
                (first as usize, ((first + step) % len) as usize)
            }
            Some(sums) => {
                let total = sums[sums.len() - 1];
                let one = || {
                    let drawn = rng.below(total);
                    sums.partition_point(|sum| *sum <= drawn)
                };
                (one(), one())
            }
        }
    }

    /// By requests in flight for each unit of weight. A tie is not less, so that idle endpoints get what was drawn.
    fn less_loaded(&self, (a, load_a): (usize, Load), (b, load_b): (usize, Load)) -> bool {
        u64::from(load_a.in_flight()) * self.weight(b) < u64::from(load_b.in_flight()) * self.weight(a)
    }

    /// Whether each endpoint here has the same share as the one in its place there.
    pub fn weighs_like(&self, other: &Self) -> bool {
        self.sums == other.sums
    }

    /// Whether some endpoints weigh more than others.
    pub(crate) fn is_weighted(&self) -> bool {
        self.sums.is_some()
    }

    pub(crate) fn weight(&self, at: usize) -> u64 {
        match &self.sums {
            None => 1,
            Some(sums) => u64::from(sums[at] - if at == 0 { 0 } else { sums[at - 1] }),
        }
    }
}

#[cfg(test)]
mod tests;
