use super::*;

fn splits(weights: &[u32]) -> Vec<Split> {
    weights.iter().zip(0..).map(|(weight, i)| Split::new(ClusterIx(i), format!("c{i}"), *weight)).collect()
}

fn drawn(weights: &[u32], draws: u32) -> Vec<u32> {
    let (weighted, rng) = (Weighted::new(splits(weights)).unwrap(), Rng::seeded(5));
    let mut seen = vec![0; weights.len()];
    for _ in 0..draws {
        seen[weighted.pick(&rng).cluster.0 as usize] += 1;
    }
    seen
}

#[test]
fn shares_follow_weights_and_zero_gets_nothing() {
    let seen = drawn(&[0, 50, 0, 30, 20, 0], 10_000);
    assert_eq!([seen[0], seen[2], seen[5]], [0; 3]);
    for (at, fair) in [(1, 5000u32), (3, 3000), (4, 2000)] {
        assert!(seen[at].abs_diff(fair) < 200, "{seen:?}");
    }
    assert_eq!(drawn(&[0, 1], 100), [0, 100]);
    let halves = drawn(&[u32::MAX / 2, u32::MAX / 2], 10_000);
    assert!(halves[0].abs_diff(5000) < 200, "{halves:?}");
}

#[test]
fn the_sum_is_the_modulus_whatever_it_is() {
    let weighted = Weighted::new(splits(&[1, 2])).unwrap();
    assert_eq!((weighted.total(), weighted.splits().len()), (3, 2));
    assert!(drawn(&[1, 2], 9000)[0].abs_diff(3000) < 200);
}

#[test]
fn weights_that_mean_nothing_are_refused() {
    assert_eq!(Weighted::new(vec![]), Err(InvalidWeights::Empty));
    assert_eq!(Weighted::new(splits(&[0, 0])), Err(InvalidWeights::Zero));
    assert_eq!(Weighted::new(splits(&[u32::MAX, 1])), Err(InvalidWeights::TooHeavy));
    assert_eq!(InvalidWeights::Zero.to_string(), "the sum of weights must be greater than 0");
}
