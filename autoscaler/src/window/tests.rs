//! Sums next to the rows: [1 2 3] are buckets, oldest first.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// A start that is no multiple of any window used here, so that slots wrap in the middle.
const START: u64 = 1_700_000_003;

fn at(secs: u64) -> Moment {
    Moment::from_secs(START + secs)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn ring(window: u64, samples: &[(u64, f64)]) -> Ring {
    let mut ring = Ring::new(secs(window), SECOND, Averaging::Linear);
    for &(second, value) in samples {
        ring.record(at(second), value);
    }
    ring
}

#[track_caller]
fn assert_average(ring: &Ring, second: u64, expected: f64) {
    assert_eq!(ring.average(at(second)), expected);
}

#[test]
fn nothing_recorded_is_zero() {
    assert_average(&ring(5, &[]), 0, 0.0);
}

#[test]
fn a_first_sample_weighs_fully_whatever_the_window() {
    let one = ring(60, &[(0, 1.0)]);
    assert_average(&one, 0, 1.0);
    // No second was observed after it, so none dilutes it: 1 / min(1, 60 - gap), until the window has passed.
    assert_average(&one, 30, 1.0);
    assert_average(&one, 59, 1.0);
    assert_average(&one, 60, 0.0);
}

#[test]
fn samples_of_one_second_add_up() {
    assert_average(&ring(5, &[(0, 1.0), (0, 2.5)]), 0, 3.5);
}

#[test]
fn a_full_window_averages_all_its_seconds() {
    let full = ring(5, &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0), (4, 5.0)]);
    // [1 2 3 4 5] / 5
    assert_average(&full, 4, 3.0);
    // A clock behind the newest sample: the same.
    assert_average(&full, 3, 3.0);
    // Two seconds on, 1 and 2 fell out: [3 4 5] / (5 - 2)
    assert_average(&full, 6, 4.0);
    // Four on: [5] / 1
    assert_average(&full, 8, 5.0);
    assert_average(&full, 9, 0.0);
}

#[test]
fn the_oldest_second_makes_room_for_the_newest() {
    // [2 3 4 5 6] / 5
    let rolled = ring(5, &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0), (4, 5.0), (5, 6.0)]);
    assert_average(&rolled, 5, 4.0);
}

#[test]
fn skipped_seconds_inside_the_window_are_zero() {
    // [6 0 0 3] / 4
    assert_average(&ring(5, &[(0, 6.0), (3, 3.0)]), 3, 2.25);
    // Old values in the skipped slots go: [4 5 0 0 2] / 5, then [5 0 0 2 0]/... at second 8.
    let holes = ring(5, &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0), (4, 5.0), (7, 2.0)]);
    assert_average(&holes, 7, 2.2);
    // [5 0 0 2] / (5 - 1)
    assert_average(&holes, 8, 1.75);
}

#[test]
fn a_whole_window_of_silence_starts_over() {
    // Exactly five seconds after the last: [10] / 1
    assert_average(&ring(5, &[(0, 100.0), (1, 100.0), (6, 10.0)]), 6, 10.0);
    // One second less: [100 0 0 0 10] / 5
    assert_average(&ring(5, &[(0, 100.0), (1, 100.0), (5, 10.0)]), 5, 22.0);
}

#[test]
fn late_samples_join_their_second_or_are_dropped() {
    // Three seconds late stretches what was observed: [4 0 0 1984] / 4
    let late = ring(5, &[(10, 1984.0), (7, 4.0)]);
    assert_average(&late, 10, 497.0);
    // One more second: [4 0 0 1984 5] / 5 = 398.6
    let more = ring(5, &[(10, 1984.0), (7, 4.0), (11, 5.0)]);
    assert_average(&more, 11, 398.6);
    // Late again, into a second of its own: [4 10 0 1984 5] / 5
    assert_average(&ring(5, &[(10, 1984.0), (7, 4.0), (11, 5.0), (8, 10.0)]), 11, 400.6);
    // Five and six seconds late are outside: nothing changes.
    for second in [6, 5] {
        assert_average(&ring(5, &[(10, 1984.0), (7, 4.0), (11, 5.0), (second, 10.0)]), 11, 398.6);
    }
}

#[test]
fn samples_in_reverse_order_average_as_in_order() {
    let mut reverse = ring(5, &[]);
    for second in (0..=8).rev() {
        reverse.record(at(second), 5.0);
    }
    assert_average(&reverse, 5, 5.0);
}

#[test]
fn averages_have_six_decimals() {
    // 1 / 3 and 2 / 3
    assert_average(&ring(5, &[(0, 1.0), (2, 0.0)]), 2, 0.333_333);
    assert_average(&ring(5, &[(0, 2.0), (2, 0.0)]), 2, 0.666_667);
    // What subtraction leaves of 0.1 + 0.2 - 0.2 - 0.1 is rounded away.
    let mut ring = ring(2, &[(0, 0.1), (1, 0.2), (2, 0.0), (3, 0.0)]);
    assert_average(&ring, 3, 0.0);
    ring.record(at(3), 4e-7);
    assert_average(&ring, 3, 0.0);
}

#[test]
fn buckets_can_be_longer_and_shorter_than_a_second() {
    // ceil(5 / 3) = 2 buckets; 1_700_000_004 is a multiple of 3.
    let mut long = Ring::new(secs(5), secs(3), Averaging::Linear);
    for (second, value) in [(1, 10.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0), (6, 6.0), (7, 7.0)] {
        long.record(at(second), value);
    }
    // [4+5+6 7] / 2
    assert_eq!(long.average(at(7)), 11.0);

    let mut short = Ring::new(Duration::from_millis(300), Duration::from_millis(100), Averaging::Linear);
    for (ms, value) in [(0, 9.0), (100, 1.0), (200, 2.0), (310, 3.0)] {
        short.record(at(0) + Duration::from_millis(ms), value);
    }
    // [1 2 3] / 3
    assert_eq!(short.average(at(0) + Duration::from_millis(399)), 2.0);
    assert_eq!(short.average(at(0) + Duration::from_millis(600)), 0.0);
}

#[test]
fn growing_keeps_everything() {
    let mut ring = ring(5, &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0), (4, 5.0), (5, 6.0)]);
    ring.resize(secs(10), at(5));
    // [2 3 4 5 6] / 5: what was observed did not grow.
    assert_average(&ring, 5, 4.0);
    ring.record(at(6), 7.0);
    // [2 3 4 5 6 7] / 6
    assert_average(&ring, 6, 4.5);
}

#[test]
fn shrinking_keeps_the_newest() {
    let mut ring = ring(6, &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0), (4, 5.0), (5, 6.0)]);
    ring.resize(secs(4), at(5));
    // [3 4 5 6] / 4
    assert_average(&ring, 5, 4.5);
    ring.resize(secs(4), at(5));
    assert_average(&ring, 5, 4.5);
}

#[test]
fn growing_a_young_ring_counts_its_old_length_as_observed() {
    let mut ring = ring(5, &[(0, 5.0)]);
    assert_average(&ring, 0, 5.0);
    ring.resize(secs(10), at(0));
    // [5] / 5, as in Knative.
    assert_average(&ring, 0, 1.0);
}

#[test]
fn resizing_a_stale_ring_forgets() {
    let mut ring = ring(5, &[(0, 19.82)]);
    ring.resize(secs(10), at(6));
    assert_average(&ring, 6, 0.0);
    // The newest sample's time is still known, but not what was observed: [7] over a window's length less the gap.
    ring.record(at(7), 7.0);
    assert_average(&ring, 7, 7.0);
}

#[test]
fn weighted_averages_favour_the_newest() {
    let weighted = |window, samples: &[(u64, f64)]| {
        let mut ring = Ring::new(secs(window), SECOND, Averaging::WeightedExponential);
        for &(second, value) in samples {
            ring.record(at(second), value);
        }
        ring
    };
    // c = 1 - 0.0001^(1/5) = 0.841511; 6c + 5c(1-c) + 4c(1-c)^2 + 3c(1-c)^3 + 2c(1-c)^4
    let rising = weighted(5, &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0), (4, 5.0), (5, 6.0)]);
    let c = 1.0 - 0.0001_f64.powf(0.2);
    let r = 1.0 - c;
    let by_hand = c * (6.0 + 5.0 * r + 4.0 * r * r + 3.0 * r.powi(3) + 2.0 * r.powi(4));
    assert!((rising.average(at(5)) - by_hand).abs() < 1e-12);
    assert_eq!((rising.average(at(5)) * 1e3).round() / 1e3, 5.812);
    // Two seconds later every weight is r^2 of what it was and the two oldest are gone.
    let later = c * r * r * (6.0 + 5.0 * r + 4.0 * r * r);
    assert!((rising.average(at(7)) - later).abs() < 1e-12);
    assert_eq!(rising.average(at(10)), 0.0);
    // 60 buckets: 1 - 0.0001^(1/60) = 0.1423 is below the floor of 0.2.
    assert_eq!(weighted(60, &[(0, 10.0)]).average(at(0)), 2.0);
    assert!((weighted(60, &[(0, 10.0)]).average(at(1)) - 1.6).abs() < 1e-12);
}

#[test]
fn a_ring_holds_no_buckets_while_it_has_nothing_to_hold() {
    let mut load = Load::new(secs(60), secs(6), SECOND, Averaging::Linear);
    assert!(load.release(at(0)));
    load.record(at(0), 3.0);
    assert_eq!(load.averages(at(0)), (3.0, 3.0));
    assert!(!load.release(at(59)));
    // The panic ring is gone by now, which nobody can tell.
    assert_eq!(load.averages(at(59)), (3.0, 0.0));
    assert!(load.release(at(60)));
    assert_eq!(load.averages(at(60)), (0.0, 0.0));
    load.record(at(61), 2.0);
    assert_eq!(load.averages(at(61)), (2.0, 2.0));
}

#[test]
fn peaks_last_their_time() {
    // Ten seconds in stretches of two: five stretches, beginning with START + 1.
    let mut peak = Peak::new(secs(10), secs(2));
    for (second, value, held) in [
        (1, 4, 4),
        (2, 1, 4), // same stretch, the larger wins
        (3, 9, 9),
        (5, 3, 9),
        (12, 2, 9), // 12 - 3 = 9 s: the fifth stretch
        (13, 1, 3), // 13 - 3 = 10 s: gone; 3 is 8 s old
        (15, 0, 2), // 3 is gone; 2 is 3 s old
        (60, 0, 0),
    ] {
        assert_eq!(peak.record(at(second), value), held, "second {second}");
    }
    assert!(peak.is_level(at(60)));
    assert_eq!(peak.record(at(61), 7), 7);
    assert!(!peak.is_level(at(61)));
    assert!(peak.is_level(at(71)));
    // A longer time brings nothing back, a shorter one drops at once.
    assert_eq!(peak.record(at(80), 5), 5);
    peak.last_for(secs(2));
    assert_eq!(peak.record(at(83), 1), 1);
}

/// The ring's rules over a plain list of samples, nothing reused and nothing subtracted.
#[derive(Default)]
struct Naive {
    samples: Vec<(u64, f64)>,
    first: u64,
    last: Option<u64>,
}

impl Naive {
    fn record(&mut self, window: u64, second: u64, value: f64) {
        match self.last {
            Some(last) if second <= last => {
                if last - second >= window {
                    return;
                }
                self.first = self.first.min(second);
            }
            Some(last) if second - last < window => self.last = Some(second),
            _ => {
                self.samples.clear();
                self.first = second;
                self.last = Some(second);
            }
        }
        self.samples.push((second, value));
    }

    fn linear(&self, window: u64, now: u64) -> f64 {
        let Some(last) = self.last else { return 0.0 };
        let end = now.max(last);
        if end - last >= window {
            return 0.0;
        }
        let sum: f64 = self.samples.iter().filter(|(s, _)| end - s < window).map(|(_, v)| v).sum();
        sum / (last - self.first + 1).min(window - (end - last)) as f64
    }

    fn weighted(&self, window: u64, now: u64) -> f64 {
        let Some(last) = self.last else { return 0.0 };
        let end = now.max(last);
        let c = (1.0 - 0.0001_f64.powf(1.0 / window as f64)).max(0.2);
        let inside = self.samples.iter().filter(|(s, _)| end - s < window);
        inside.map(|(s, v)| v * c * (1.0 - c).powf((end - s) as f64)).sum()
    }
}

proptest! {
    #[test]
    fn rings_agree_with_a_plain_list(
        window in 1_u64..12,
        steps in prop::collection::vec((0_u64..6, 0_u64..8, 0_u32..1000, 0_u64..14), 1..60),
    ) {
        let mut naive = Naive::default();
        let mut linear = Ring::new(secs(window), SECOND, Averaging::Linear);
        let mut weighted = Ring::new(secs(window), SECOND, Averaging::WeightedExponential);
        let mut clock = 20;
        for (forward, back, value, later) in steps {
            // Mostly forward, sometimes late; now and then a whole window is skipped.
            clock += if forward == 5 { window + 1 } else { forward };
            let second = clock - back.saturating_sub(4);
            let value = f64::from(value) / 8.0;
            naive.record(window, second, value);
            linear.record(at(second), value);
            weighted.record(at(second), value);
            for now in [clock, clock + later] {
                prop_assert!((linear.average(at(now)) - naive.linear(window, now)).abs() < 1e-6);
                prop_assert!((weighted.average(at(now)) - naive.weighted(window, now)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn releasing_at_any_time_changes_nothing(
        window in 1_u64..12,
        steps in prop::collection::vec((0_u64..15, 0_u32..1000), 1..60),
    ) {
        let mut kept = Ring::new(secs(window), SECOND, Averaging::Linear);
        let mut released = kept.clone();
        let mut clock = 20;
        for (forward, value) in steps {
            clock += forward;
            released.release(at(clock));
            prop_assert_eq!(released.average(at(clock)), kept.average(at(clock)));
            kept.record(at(clock), f64::from(value));
            released.record(at(clock), f64::from(value));
            prop_assert_eq!(released.average(at(clock)), kept.average(at(clock)));
        }
    }

    #[test]
    fn resizing_keeps_the_newest_buckets(
        from in 1_u64..12,
        to in 1_u64..12,
        values in prop::collection::vec(0_u32..1000, 1..30),
    ) {
        let mut ring = Ring::new(secs(from), SECOND, Averaging::Linear);
        for (second, &value) in values.iter().enumerate() {
            ring.record(at(second as u64), f64::from(value));
        }
        let now = values.len() as u64 - 1;
        ring.resize(secs(to), at(now));
        let kept = from.min(to).min(values.len() as u64) as usize;
        let sum: f64 = values.iter().rev().take(kept).map(|&v| f64::from(v)).sum();
        // The old ring's length counts as observed, up to the new one's.
        let observed = if from == to { from.min(values.len() as u64) } else { from.min(to) };
        prop_assert!((ring.average(at(now)) - sum / observed as f64).abs() < 1e-6);
    }
}
