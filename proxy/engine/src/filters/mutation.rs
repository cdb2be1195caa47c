//! `header_mutation`: changes one after the other, each seeing what the one before did. Knows no other filters.

use forebay_model::{HeaderMutation, Mutation, Mutations};
use forebay_route::Matched;

use crate::exchange::{Exchange, Side, apply_headers};
use crate::worker::Worker;

/// Changes one side of an exchange, the filter's own changes first.
pub(super) fn apply(
    worker: &Worker,
    x: &mut Exchange,
    side: Side,
    settings: &HeaderMutation,
    name: &str,
    matched: Option<&Matched<'_>>,
) {
    one(worker, x, side, &settings.all);
    let Some(matched) = matched else { return };
    let told = matched.told(name).filter_map(|told| told.told.as_ref()?.as_any().downcast_ref::<Mutations>());
    if settings.specific_last {
        let mut levels: Vec<&Mutations> = told.collect();
        levels.reverse();
        levels.into_iter().for_each(|level| one(worker, x, side, level));
    } else {
        told.for_each(|level| one(worker, x, side, level));
    }
}

fn one(worker: &Worker, x: &mut Exchange, side: Side, all: &Mutations) {
    let list = match side {
        Side::Request => &all.request,
        Side::Response => &all.response,
    };
    for mutation in list {
        match mutation {
            Mutation::Add(add) => apply_headers(worker, x, side, &[], std::slice::from_ref(add)),
            Mutation::Remove(name) => apply_headers(worker, x, side, std::slice::from_ref(name), &[]),
            Mutation::RemoveMatching(names) => {
                let head = side.of(x);
                let names = head.iter().map(|(name, ..)| name).filter(|name| names.matches(name));
                let found: Vec<Vec<u8>> = names.filter(|name| *name != b"host").map(<[u8]>::to_vec).collect();
                for name in found {
                    head.remove(&name);
                }
            }
        }
    }
}
