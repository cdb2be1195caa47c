//! Where one try runs: an endpoint, and the revision's permit to use it. Knows no connections.

use std::sync::Arc;

use forebay_balance::{Endpoint, EndpointLease, Permit, Seat};
use forebay_model::{Balance, Cluster};

use crate::config::ClusterState;
use crate::worker::Worker;

/// An endpoint to run on, with the revision's permit where there is one.
pub(crate) enum Place {
    Seat(Seat),
    Lease(EndpointLease),
}

impl Place {
    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        match self {
            Place::Seat(seat) => seat.endpoint(),
            Place::Lease(lease) => lease.endpoint(),
        }
    }

    /// Gives the endpoint back and keeps the permit, if it still holds.
    pub(super) fn leave(self) -> Option<Permit> {
        match self {
            Place::Seat(seat) => seat.leave(),
            Place::Lease(_) => None,
        }
    }
}

/// Chooses. `avoid` is taken only when nothing else can be; an endpoint that the request has `been` on only after so many
/// draws, as Envoy does.
///
/// # Errors
/// The permit, when no endpoint can be chosen.
pub(super) fn place(
    worker: &Worker,
    state: &ClusterState,
    cluster: &Cluster,
    avoid: Option<u64>,
    been: &[u64],
    draws: u32,
    mut permit: Option<Permit>,
) -> Result<Place, Option<Permit>> {
    let mut drawn = 0;
    loop {
        let place = match permit {
            Some(permit) => {
                let seat = cluster.endpoints.seat(&worker.rng, avoid, permit);
                seat.map(Place::Seat).map_err(Some)
            }
            None => pick(worker, state, cluster, avoid).map(Place::Lease).ok_or(None),
        }?;
        if drawn >= draws || !been.contains(&place.endpoint().id) {
            return Ok(place);
        }
        drawn += 1;
        permit = match place {
            // Retired meanwhile, and the permit with it.
            Place::Seat(seat) => Some(seat.leave().ok_or(None)?),
            Place::Lease(_) => None,
        };
    }
}

/// By the cluster's policy.
fn pick(
    worker: &Worker,
    state: &ClusterState,
    cluster: &Cluster,
    avoid: Option<u64>,
) -> Option<EndpointLease> {
    let endpoints = &cluster.endpoints;
    match cluster.config.balance {
        Balance::LeastRequest => endpoints.pick(&worker.rng, avoid),
        Balance::Random => endpoints.at_random(&worker.rng, avoid),
        Balance::RoundRobin => endpoints.in_turn(&state.turn, &worker.rng, avoid),
    }
}
