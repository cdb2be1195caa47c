//! Priorities of endpoints: how much of the load each of them gets, by how many of its endpoints are well. Envoy's arithmetic.
//! Knows no addresses.

use super::endpoints::Member;

/// Envoy's default: a priority keeps all of its load until less than 100 / 1.4 percent of its endpoints are well.
pub(super) const OVERPROVISIONING: u32 = 140;

/// One endpoint's share of its priority's load, in units that leave room for weights: a percent is a thousand.
const UNIT: u64 = 1000;

/// The endpoints of one priority.
#[derive(Debug, Default)]
pub(super) struct Tier {
    /// All, those that are not well included.
    pub(super) total: u32,
    pub(super) healthy: Vec<Member>,
    /// Used when not enough are healthy.
    pub(super) degraded: Vec<Member>,
    /// They finish what they have.
    pub(super) draining: Vec<Member>,
}

impl Tier {
    /// Percent of the load that so many of its endpoints can take.
    fn health(&self, members: &[Member], factor: u32) -> u64 {
        let total = u64::from(self.total.max(1));
        (u64::from(factor) * members.len() as u64 / total).min(100)
    }
}

/// All endpoints that get load, with weights that share it as the priorities say, best priority first.
pub(super) fn shares(tiers: Vec<Tier>, factor: u32) -> Vec<Member> {
    let alone = tiers.len() == 1;
    let (mut all, mut draining) = (Vec::new(), Vec::new());
    let mut parts: Vec<(u64, Vec<Member>)> = Vec::new();
    let well: Vec<u64> = tiers.iter().map(|tier| tier.health(&tier.healthy, factor)).collect();
    let poor: Vec<u64> = tiers.iter().map(|tier| tier.health(&tier.degraded, factor)).collect();
    let sum = well.iter().chain(&poor).sum::<u64>().min(100);
    let mut left = 100;
    let mut take = |health: u64| {
        let share = (health * 100).checked_div(sum).unwrap_or_default().min(left);
        left -= share;
        share
    };
    let of_well: Vec<u64> = well.into_iter().map(&mut take).collect();
    let of_poor: Vec<u64> = poor.into_iter().map(&mut take).collect();
    for (at, tier) in tiers.into_iter().enumerate() {
        parts.push((of_well.get(at).copied().unwrap_or_default(), tier.healthy));
        parts.push((of_poor.get(at).copied().unwrap_or_default(), tier.degraded));
        draining.extend(tier.draining);
    }
    parts.retain(|(share, members)| *share > 0 && !members.is_empty());
    // One priority's weights stay what they were.
    let alone = alone && parts.len() == 1;
    for (share, members) in parts {
        let sum: u64 = members.iter().map(|member| u64::from(member.weight)).sum();
        all.extend(members.into_iter().map(|member| match alone {
            true => member,
            false => {
                let weight = (share * UNIT * u64::from(member.weight)).div_ceil(sum.max(1));
                Member { weight: u32::try_from(weight).unwrap_or(u32::MAX), ..member }
            }
        }));
    }
    all.append(&mut draining);
    all
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn members(ports: &[u16]) -> Vec<Member> {
        let member = |port: &u16| Member {
            address: SocketAddr::from(([127, 0, 0, 1], *port)),
            hostname: None,
            weight: 1,
            draining: false,
        };
        ports.iter().map(member).collect()
    }

    fn tier(total: u32, healthy: &[u16], degraded: &[u16]) -> Tier {
        Tier { total, healthy: members(healthy), degraded: members(degraded), draining: Vec::new() }
    }

    /// Percent of the load by port.
    fn percent(tiers: Vec<Tier>) -> Vec<(u16, u64)> {
        let all = shares(tiers, OVERPROVISIONING);
        let sum: u64 = all.iter().map(|member| u64::from(member.weight)).sum();
        all.iter().map(|member| (member.address.port(), u64::from(member.weight) * 100 / sum)).collect()
    }

    #[test]
    fn the_best_priority_has_all_while_enough_of_it_are_well() {
        assert_eq!(percent(vec![tier(2, &[1, 2], &[]), tier(1, &[3], &[])]), [(1, 50), (2, 50)]);
        // 3 of 4: 105 percent.
        assert_eq!(percent(vec![tier(4, &[1, 2, 3], &[]), tier(1, &[9], &[])]), [(1, 33), (2, 33), (3, 33)]);
    }

    #[test]
    fn what_it_cannot_take_goes_to_the_next() {
        // 1 of 2: 70 percent.
        assert_eq!(percent(vec![tier(2, &[1], &[]), tier(1, &[9], &[])]), [(1, 70), (9, 30)]);
        assert_eq!(percent(vec![tier(2, &[], &[]), tier(1, &[9], &[])]), [(9, 100)]);
        // Both together take less than all: what there is takes it all.
        assert_eq!(percent(vec![tier(4, &[1], &[]), tier(4, &[9], &[])]), [(1, 50), (9, 50)]);
    }

    #[test]
    fn the_degraded_take_what_the_healthy_cannot() {
        assert_eq!(percent(vec![tier(2, &[1], &[2])]), [(1, 70), (2, 30)]);
        assert_eq!(percent(vec![tier(2, &[], &[2])]), [(2, 100)]);
    }

    #[test]
    fn weights_of_a_single_priority_are_as_they_came() {
        let mut one = tier(2, &[1, 2], &[]);
        one.healthy[0].weight = 7;
        let weights: Vec<_> =
            shares(vec![one], OVERPROVISIONING).iter().map(|member| member.weight).collect();
        assert_eq!(weights, [7, 1]);
    }
}
