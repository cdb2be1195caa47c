use proptest::prelude::*;

use super::*;
use crate::api::Protocol;
use crate::traffic::Share;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The main hosts of a Route, all of whose traffic but `rest` follows one configuration.
fn goal(revision: u32, percent: u8) -> Rollouts {
    let share = |revision: String, latest, percent| Share {
        revision: revision.into(),
        configuration: "c".into(),
        latest,
        protocol: Protocol::Http1,
        percent,
    };
    let mut shares = vec![share(format!("r{revision}"), true, percent)];
    if percent < 100 {
        shares.push(share("pinned".to_owned(), false, 100 - percent));
    }
    Rollouts::of(&[Group { tag: None, shares }])
}

fn shares(rollouts: &Rollouts) -> Vec<(String, u8)> {
    let parts = rollouts.configurations.iter().flat_map(|c| &c.revisions);
    parts.map(|part| (part.revision_name.to_string(), part.percent)).collect()
}

/// Knative's own example: 100% in four steps.
#[test]
fn steps_are_equal() {
    let d = Duration::from_secs(5);
    let mut now = goal(1, 100);
    now = goal(2, 100).step_from(&now, d, at(0));
    let mut seen = vec![shares(&now)[1].1];
    while let Some(next) = now.next_step() {
        assert_eq!(goal(2, 100).step_from(&now, d, next - Duration::from_millis(1)), now, "not yet");
        now = goal(2, 100).step_from(&now, d, next);
        seen.push(shares(&now).last().unwrap().1);
    }
    assert_eq!(seen, [1, 26, 51, 76, 100]);
    assert!(now.is_done());
    assert_eq!(now.configurations[0].step_params, Steps::default());
}

#[test]
fn a_long_rollout_moves_a_percent_at_a_time() {
    let d = Duration::from_secs(991);
    let now = goal(2, 100).step_from(&goal(1, 100), d, at(0));
    assert_eq!(now.next_step(), Some(at(10)));
    assert_eq!(shares(&goal(2, 100).step_from(&now, d, at(10))), [("r1".into(), 98), ("r2".into(), 2)]);
}

#[test]
fn more_goes_to_the_newest_and_less_comes_from_the_oldest() {
    let d = Duration::from_secs(100);
    let mut now = goal(2, 60).step_from(&goal(1, 60), d, at(0));
    assert_eq!(shares(&now), [("r1".into(), 59), ("r2".into(), 1)]);
    now = goal(2, 80).step_from(&now, d, at(0));
    assert_eq!(shares(&now), [("r1".into(), 59), ("r2".into(), 21)]);
    now = goal(2, 30).step_from(&now, d, at(0));
    assert_eq!(shares(&now), [("r1".into(), 9), ("r2".into(), 21)]);
    now = goal(2, 10).step_from(&now, d, at(0));
    assert_eq!(shares(&now), [("r2".into(), 10)]);
}

#[test]
fn going_back_in_the_middle_keeps_every_name_once() {
    let d = Duration::from_secs(100);
    let mut now = goal(2, 100).step_from(&goal(1, 100), d, at(0));
    now = goal(2, 100).step_from(&now, d, at(10));
    assert_eq!(shares(&now), [("r1".into(), 98), ("r2".into(), 2)]);
    now = goal(1, 100).step_from(&now, d, at(11));
    assert_eq!(shares(&now), [("r2".into(), 1), ("r1".into(), 99)]);
}

#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    Percent(u8),
    Revision(u32),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0u64..40).prop_map(Act::Wait),
        1 => (0u8..=100).prop_map(Act::Percent),
        2 => (0u32..5).prop_map(Act::Revision),
    ];
    proptest::collection::vec(act, 1..60)
}

proptest! {
    /// Whatever happens, the shares of a configuration sum to what it is given, nobody is there twice or with nothing, and
    /// with time the newest has it all.
    #[test]
    fn shares_sum_to_the_goal(seconds in 1u64..300, acts in acts()) {
        let d = Duration::from_secs(seconds);
        let (mut revision, mut percent, mut time) = (0, 100, 0);
        let mut now = goal(revision, percent);
        let check = |now: &Rollouts, percent: u8| -> Result<(), TestCaseError> {
            let shares = shares(now);
            prop_assert_eq!(shares.iter().map(|(_, share)| u32::from(*share)).sum::<u32>(), u32::from(percent));
            prop_assert!(shares.iter().all(|(_, share)| *share > 0));
            let mut names: Vec<_> = shares.iter().map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), shares.len());
            Ok(())
        };
        for act in acts {
            match act {
                Act::Wait(seconds) => time += seconds,
                Act::Percent(to) => percent = to,
                Act::Revision(to) => revision = to,
            }
            now = goal(revision, percent).step_from(&now, d, at(time));
            check(&now, percent)?;
        }
        let mut steps = 0;
        while let Some(next) = now.next_step() {
            now = goal(revision, percent).step_from(&now, d, next);
            check(&now, percent)?;
            steps += 1;
            prop_assert!(steps < 1_000, "it does not end");
        }
        let newest = if percent > 0 { vec![(format!("r{revision}"), percent)] } else { Vec::new() };
        prop_assert_eq!(shares(&now), newest);
    }
}
