use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Configurations `c0..` whose revisions are `c0-0..`, ready or not, latest ready or none.
#[derive(Debug, Default)]
struct Known {
    latest: BTreeMap<String, Option<String>>,
    readiness: BTreeMap<String, Readiness>,
}

impl Lookup for Known {
    fn configuration(&self, name: &str) -> Option<ConfigurationFacts> {
        let latest = self.latest.get(name)?;
        Some(ConfigurationFacts { latest_ready: latest.as_deref().map(Arc::from), failed: false })
    }

    fn revision(&self, name: &str) -> Option<RevisionFacts> {
        let configuration = name.split('-').next()?;
        Some(RevisionFacts {
            name: name.into(),
            configuration: configuration.into(),
            service: Some("c0".into()),
            protocol: Protocol::Http1,
            readiness: *self.readiness.get(name)?,
        })
    }
}

fn latest(name: &str) -> Reference {
    Reference::Latest(name.into())
}

fn pinned(name: &str) -> Reference {
    Reference::Revision(name.into())
}

/// Percentages that sum to 100, zeros among them.
fn percents(n: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0u8..=100, n - 1).prop_map(|mut cuts| {
        cuts.push(100);
        cuts.sort_unstable();
        let mut before = 0;
        cuts.into_iter().map(|cut| cut - std::mem::replace(&mut before, cut)).collect()
    })
}

fn targets() -> impl Strategy<Value = Vec<TrafficTarget>> {
    (1usize..6).prop_flat_map(|n| {
        let to = prop_oneof![
            (0u8..3).prop_map(|c| latest(&format!("c{c}"))),
            (0u8..3, 0u8..3).prop_map(|(c, r)| pinned(&format!("c{c}-{r}"))),
        ];
        let made = proptest::collection::vec((to, any::<bool>()), n);
        (made, percents(n)).prop_map(|(made, percents)| {
            let with = made.into_iter().zip(percents).enumerate();
            with.map(|(i, ((to, has_tag), percent))| TrafficTarget {
                tag: has_tag.then(|| format!("t{i}").into()),
                to,
                percent,
            })
            .collect()
        })
    })
}

fn known() -> impl Strategy<Value = Known> {
    proptest::collection::vec(0u8..8, 9).prop_map(|dice| {
        let mut known = Known::default();
        for (i, dice) in dice.into_iter().enumerate() {
            let (c, r) = (i / 3, i % 3);
            let (configuration, revision) = (format!("c{c}"), format!("c{c}-{r}"));
            let readiness = match dice {
                0 => continue,
                1 => Readiness::Unknown,
                2 => Readiness::Failed,
                _ => Readiness::Ready,
            };
            known.latest.entry(configuration.clone()).or_default();
            if readiness == Readiness::Ready {
                known.latest.insert(configuration, Some(revision.clone()));
            }
            known.readiness.insert(revision, readiness);
        }
        known
    })
}

proptest! {
    /// Whatever is resolved sums to 100 in every origin, names nobody twice, and only ready revisions.
    #[test]
    fn groups_sum_to_100(targets in targets(), known in known()) {
        match resolve(&targets, None, &known) {
            Ok(groups) => {
                prop_assert_eq!(groups.len(), 1 + targets.iter().filter(|t| t.tag.is_some()).count());
                for group in &groups {
                    let sum: u32 = group.shares.iter().map(|share| u32::from(share.percent)).sum();
                    prop_assert_eq!(sum, 100);
                    for (i, share) in group.shares.iter().enumerate() {
                        prop_assert_eq!(known.readiness[&*share.revision], Readiness::Ready);
                        prop_assert!(group.shares[..i].iter().all(|other| other.revision != share.revision));
                    }
                }
                prop_assert!(groups[0].tag.is_none() && groups[1..].is_sorted_by_key(|group| group.tag.clone()));
                prop_assert!(groups[1..].iter().all(|group| group.shares.len() == 1));
            }
            Err(unresolved) => {
                let can_be_followed = targets.iter().all(|target| follow(target, None, &known).is_ok());
                prop_assert!(!can_be_followed, "{}", unresolved);
                let any_failure = targets.iter().any(|t| follow(t, None, &known).is_err_and(|why| why.is_failure()));
                prop_assert_eq!(unresolved.is_failure(), any_failure);
            }
        }
    }

    /// Who is given nothing gets nothing, unless nobody else is there.
    #[test]
    fn zero_percent_is_zero(targets in targets(), known in known()) {
        let Ok(groups) = resolve(&targets, None, &known) else { return Ok(()) };
        for share in &groups[0].shares {
            let given: u32 = targets
                .iter()
                .filter_map(|target| Some((follow(target, None, &known).ok()?, target.percent)))
                .filter(|(found, _)| found.revision == share.revision)
                .map(|(_, percent)| u32::from(percent))
                .sum();
            prop_assert_eq!(u32::from(share.percent), given);
        }
    }
}

#[test]
fn a_service_follows_only_its_own() {
    let mut known = Known::default();
    known.readiness.insert("c1-0".into(), Readiness::Ready);
    let target = TrafficTarget { tag: None, to: pinned("c1-0"), percent: 100 };
    assert!(resolve(std::slice::from_ref(&target), Some("c0"), &known).is_ok());
    let unresolved = resolve(&[target], Some("other"), &known).unwrap_err();
    assert_eq!(unresolved.reason(), "RevisionNotOwned");
}
