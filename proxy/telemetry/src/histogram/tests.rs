use proptest::prelude::*;

use super::*;

fn measured(values: &[u64]) -> Measured {
    let histogram = Histogram::default();
    values.iter().for_each(|&micros| histogram.record(micros));
    let mut totals = Measured::default();
    histogram.fold_into(&mut totals);
    totals
}

#[test]
fn bounds_grow_by_a_quarter_at_most_and_hold_every_exported_bucket() {
    assert_eq!(BOUNDS.first(), Some(&10));
    assert_eq!(BOUNDS.last(), Some(&3_600_000_000));
    for pair in BOUNDS.windows(2) {
        assert!(pair[0] < pair[1] && f64::from(pair[1]) <= f64::from(pair[0]) * 1.251, "{pair:?}");
    }
    for ms in PROMETHEUS_MS {
        assert!(BOUNDS.contains(&((ms * 1e3) as u32)), "{ms} ms");
    }
}

#[test]
fn is_small_until_used() {
    assert!(size_of::<Histogram>() <= 144, "{}", size_of::<Histogram>());
    let histogram = Histogram::default();
    (1000..4000).for_each(|micros| histogram.record(micros));
    assert!(histogram.pages.iter().filter(|page| page.get().is_some()).count() <= 2);
}

#[test]
fn an_empty_one_has_no_quantiles() {
    let nothing = Measured::default();
    assert_eq!(nothing.quantile(0.5), None);
    assert_eq!((nothing.count(), nothing.at_most(1_000_000)), (0, 0));
}

#[test]
fn quantiles_are_near_the_truth() {
    let all = measured(&(1..=10_000).map(|n| n * 10).collect::<Vec<_>>());
    for (q, truth) in [(0.5, 50_000.0), (0.9, 90_000.0), (0.99, 99_000.0), (1.0, 100_000.0)] {
        let got = all.quantile(q).unwrap().as_micros() as f64;
        assert!((got - truth).abs() / truth < 0.05, "p{q}: {got}");
    }
    assert_eq!(all.sum_micros(), 500_050_000);
}

#[test]
fn beyond_an_hour_counts_but_reads_an_hour() {
    let long = measured(&[u64::MAX, 7_200_000_000]);
    assert_eq!(long.count(), 2);
    assert_eq!(long.at_most(3_600_000_000), 0);
    assert_eq!(long.quantile(0.5), Some(Duration::from_secs(3600)));
}

#[test]
fn a_window_is_the_difference_of_two_looks() {
    let histogram = Histogram::default();
    histogram.record(1000);
    let mut before = Measured::default();
    histogram.fold_into(&mut before);
    histogram.record(50_000);
    histogram.record(50_000);
    let mut after = Measured::default();
    histogram.fold_into(&mut after);
    let window = after.since(&before);
    assert_eq!((window.count(), window.sum_micros()), (2, 100_000));
    assert!(window.quantile(0.01).unwrap() > Duration::from_millis(40));
}

proptest! {
    /// Every value falls into the bucket whose edges hold it, and exported buckets count exactly.
    #[test]
    fn buckets_hold_what_they_say(values in proptest::collection::vec(prop_oneof![0u64..100, 0u64..100_000, 0u64..5_000_000_000], 1..200)) {
        for &micros in &values {
            let (low, high) = edges(bucket_of(micros));
            if micros <= 3_600_000_000 {
                prop_assert!((micros > low || micros == 0) && micros <= high, "{micros} in ({low}, {high}]");
            }
        }
        let all = measured(&values);
        for ms in PROMETHEUS_MS {
            let bound = (ms * 1e3) as u64;
            prop_assert_eq!(all.at_most(bound), values.iter().filter(|&&v| v <= bound).count() as u64);
        }
        prop_assert_eq!(all.count(), values.len() as u64);
        let quantiles: Vec<_> = (0..=100).map(|q| all.quantile(f64::from(q) / 100.0)).collect();
        prop_assert!(quantiles.is_sorted());
    }

    /// Folding workers is the same as one worker that saw everything.
    #[test]
    fn merging_is_adding(a in proptest::collection::vec(0u64..10_000_000, 0..50), b in proptest::collection::vec(0u64..10_000_000, 0..50)) {
        let mut merged = measured(&a);
        merged.merge(&measured(&b));
        prop_assert_eq!(&merged, &measured(&[a.clone(), b.clone()].concat()));
        prop_assert_eq!(merged.since(&measured(&a)), measured(&b));
    }
}
