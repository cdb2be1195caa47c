use proptest::prelude::*;

use super::*;

fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let full = |key: &str| if key.contains('/') { key.to_owned() } else { format!("{PREFIX}{key}") };
    pairs.iter().map(|&(key, value)| (full(key), value.to_owned())).collect()
}

fn settings(pairs: &[(&str, &str)], container_concurrency: u32) -> Settings {
    Settings::from_annotations(&annotations(pairs), container_concurrency, &Defaults::default()).unwrap()
}

#[test]
fn without_annotations_the_defaults_hold() {
    let s = settings(&[], 0);
    assert_eq!((s.metric, s.averaging), (Metric::Concurrency, Averaging::Linear));
    // 100 * 0.7
    assert_eq!((s.target, s.total), (70.0, 100.0));
    assert_eq!((s.min_scale, s.max_scale, s.initial_scale, s.activation_scale), (0, 0, 1, 0));
    assert_eq!((s.panic_threshold, s.max_scale_up_rate, s.max_scale_down_rate), (2.0, 1000.0, 2.0));
    assert_eq!((s.stable_window, s.panic_window), (Duration::from_secs(60), Duration::from_secs(6)));
    assert_eq!(s.target_burst_capacity, 211.0);
    assert!(s.scale_to_zero);
    assert_eq!(s.progress_deadline, Duration::from_secs(600));
    assert_eq!((s.bucket, s.tick), (Duration::from_secs(1), Duration::from_secs(2)));
}

#[test]
fn targets_follow_metric_limit_and_utilization() {
    // (annotations, containerConcurrency, target = max(0.01, total * utilization), total)
    for (pairs, limit, target, total) in [
        (&[][..], 10, 7.0, 10.0),                                        // 10 * 0.7
        (&[][..], 1, 0.7, 1.0),                                          // 1 * 0.7
        (&[("target", "50")][..], 0, 35.0, 50.0),                        // 50 * 0.7
        (&[("target", "50")][..], 10, 7.0, 10.0),                        // min(50, 10) * 0.7
        (&[("target", "5")][..], 10, 3.5, 5.0),                          // min(5, 10) * 0.7
        (&[("target", "0.01")][..], 0, 0.01, 0.01),                      // 0.007 is below the floor
        (&[("target-utilization-percentage", "90")][..], 10, 9.0, 10.0), // 10 * 0.9
        (&[("targetUtilizationPercentage", "50"), ("target", "8")][..], 0, 4.0, 8.0), // 8 * 0.5
        (&[("metric", "rps")][..], 10, 140.0, 200.0),                    // 200 * 0.7, no limit
        (&[("metric", "rps"), ("target", "150")][..], 10, 105.0, 150.0), // 150 * 0.7
        (
            &[("metric", "rps"), ("target", "150"), ("target-utilization-percentage", "100")][..],
            1,
            150.0,
            150.0,
        ),
    ] {
        let s = settings(pairs, limit);
        assert!(
            (s.target - target).abs() < 1e-9 && s.total == total,
            "{pairs:?}: {} of {}",
            s.target,
            s.total
        );
    }
}

#[test]
fn the_panic_window_is_whole_seconds_and_never_empty() {
    for (window, percentage, panic) in [
        ("60s", "10", 6),
        ("6s", "10", 1),  // 0.6 s rounds to 1 s
        ("6s", "1", 1),   // 0.06 s rounds to nothing, but there is one bucket
        ("25s", "10", 3), // 2.5 s rounds away from zero
        ("24s", "10", 2), // 2.4 s
        ("1h", "100", 3600),
    ] {
        let s = settings(&[("window", window), ("panic-window-percentage", percentage)], 0);
        assert_eq!(s.panic_window, Duration::from_secs(panic), "{percentage} % of {window}");
    }
}

#[test]
fn every_annotation_is_read_under_both_its_names() {
    let kebab = settings(
        &[
            ("min-scale", "2"),
            ("max-scale", "9"),
            ("initial-scale", "3"),
            ("activation-scale", "4"),
            ("scale-down-delay", "15m"),
            ("scale-to-zero-pod-retention-period", "1m5.5s"),
            ("target-burst-capacity", "-1"),
            ("panic-threshold-percentage", "150.5"),
            ("panic-window-percentage", "20"),
            ("target-utilization-percentage", "80"),
            ("metric-aggregation-algorithm", "weighted-exponential"),
            ("window", "40s"),
            ("serving.knative.dev/progress-deadline", "2m"),
        ],
        0,
    );
    let camel = settings(
        &[
            ("minScale", "2"),
            ("maxScale", "9"),
            ("initialScale", "3"),
            ("activation-scale", "4"),
            ("scaleDownDelay", "15m"),
            ("scaleToZeroPodRetentionPeriod", "1m5.5s"),
            ("targetBurstCapacity", "-1"),
            ("panicThresholdPercentage", "150.5"),
            ("panicWindowPercentage", "20"),
            ("targetUtilizationPercentage", "80"),
            ("metricAggregationAlgorithm", "weightedExponential"),
            ("window", "40s"),
            ("serving.knative.dev/progress-deadline", "2m"),
        ],
        0,
    );
    assert_eq!(kebab, camel);
    assert_eq!((kebab.min_scale, kebab.max_scale, kebab.initial_scale, kebab.activation_scale), (2, 9, 3, 4));
    assert_eq!(kebab.scale_down_delay, Duration::from_secs(900));
    assert_eq!(kebab.scale_to_zero_pod_retention_period, Duration::from_millis(65_500));
    assert_eq!((kebab.target_burst_capacity, kebab.panic_threshold), (-1.0, 1.505));
    assert_eq!((kebab.stable_window, kebab.panic_window), (Duration::from_secs(40), Duration::from_secs(8)));
    assert_eq!(kebab.averaging, Averaging::WeightedExponential);
    assert_eq!(kebab.progress_deadline, Duration::from_secs(120));
    // The new name wins over the old one.
    assert_eq!(settings(&[("min-scale", "1"), ("minScale", "5")], 0).min_scale, 1);
}

#[test]
fn zero_as_initial_scale_is_allowed_here() {
    assert_eq!(settings(&[("initial-scale", "0")], 0).initial_scale, 0);
    let strict = Defaults { allow_zero_initial_scale: false, ..Defaults::default() };
    let refused =
        Settings::from_annotations(&annotations(&[("initial-scale", "0")]), 0, &strict).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "invalid value: 0: autoscaling.knative.dev/initial-scale=0 not allowed by cluster"
    );
}

#[test]
fn other_classes_keep_their_lower_bound() {
    for pairs in [
        &[("class", HPA), ("metric", "cpu"), ("target", "50"), ("min-scale", "2")][..],
        &[("class", "example.com/mine"), ("metric", "anything"), ("metric-aggregation-algorithm", "own")][..],
    ] {
        let s = settings(pairs, 0);
        assert_eq!((s.metric, s.scale_to_zero), (Metric::Unscaled, false));
    }
}

#[test]
fn refusals_are_worded_as_in_the_webhook() {
    for (pairs, expected) in [
        (&[("class", "foo.knative.dev")][..], "invalid value: foo.knative.dev: A/class"),
        (&[("min-scale", "-1")], "expected 0 <= -1 <= 2147483647: A/min-scale"),
        (&[("min-scale", "99999999999")], "expected 0 <= 99999999999 <= 2147483647: A/min-scale"),
        (&[("minScale", "many")], "invalid value: many: A/minScale"),
        (&[("max-scale", "1.5")], "invalid value: 1.5: A/max-scale"),
        (
            &[("min-scale", "5"), ("max-scale", "2")],
            "max-scale=2 is less than min-scale=5: A/max-scale, A/min-scale",
        ),
        (&[("activation-scale", "1")], "activation-scale=1 must be greater than 1: A/activation-scale"),
        (&[("activation-scale", "x")], "invalid value: x: A/activation-scale"),
        (
            &[("activation-scale", "2"), ("min-scale", "3")],
            "min-scale=3 is greater than activation-scale=2: A/activation-scale",
        ),
        (
            &[("activation-scale", "4"), ("max-scale", "3")],
            "max-scale=3 is less than activation-scale=4: A/activation-scale",
        ),
        (&[("panic-window-percentage", "0.5")], "expected 1 <= 0.5 <= 100: A/panic-window-percentage"),
        (&[("panic-window-percentage", "NaN")], "invalid value: NaN: A/panic-window-percentage"),
        (&[("panicThresholdPercentage", "109")], "expected 110 <= 109 <= 1000: A/panicThresholdPercentage"),
        (
            &[("panic-threshold-percentage", "1001")],
            "expected 110 <= 1001 <= 1000: A/panic-threshold-percentage",
        ),
        (&[("target", "0.001")], "target 0.001 should be at least 0.01: A/target"),
        (&[("target", "ten")], "invalid value: ten: A/target"),
        (
            &[("target-utilization-percentage", "0")],
            "expected 1 <= 0 <= 100: A/target-utilization-percentage",
        ),
        (&[("target-burst-capacity", "-2")], "invalid value: -2: A/target-burst-capacity"),
        (&[("window", "5s")], "expected 6s <= 5s <= 1h0m0s: A/window"),
        (&[("window", "-10s")], "expected 6s <= -10s <= 1h0m0s: A/window"),
        (&[("window", "2h")], "expected 6s <= 2h <= 1h0m0s: A/window"),
        (&[("window", "7.5s")], "must be specified with at most second precision: A/window"),
        (&[("window", "60")], "invalid value: 60: A/window"),
        (&[("scale-down-delay", "1h1s")], "expected 0s <= 1h1s <= 1h0m0s: A/scale-down-delay"),
        (
            &[("scale-down-delay", "100ms")],
            "must be specified with at most second precision: A/scale-down-delay",
        ),
        (
            &[("scaleToZeroPodRetentionPeriod", "-1s")],
            "expected 0s <= -1s <= 1h0m0s: A/scaleToZeroPodRetentionPeriod",
        ),
        (&[("metric", "cpu")], "invalid value: cpu: A/metric"),
        (&[("class", HPA), ("metric", "")], "invalid value: : A/metric"),
        (
            &[("metric-aggregation-algorithm", "median")],
            "invalid value: median: A/metric-aggregation-algorithm",
        ),
        (&[("initial-scale", "-1")], "invalid value: -1: A/initial-scale must be greater than 0"),
        (&[("initial-scale", "two")], "invalid value: two: A/initial-scale"),
        (
            &[("serving.knative.dev/progress-deadline", "1.5s")],
            "progress-deadline=1.5s is not at second precision: serving.knative.dev/progress-deadline",
        ),
        (
            &[("serving.knative.dev/progress-deadline", "-1s")],
            "progress-deadline=-1s must be positive: serving.knative.dev/progress-deadline",
        ),
        (
            &[("serving.knative.dev/progress-deadline", "365d")],
            "invalid value: 365d: serving.knative.dev/progress-deadline",
        ),
    ] {
        let refused = Settings::from_annotations(&annotations(pairs), 0, &Defaults::default()).unwrap_err();
        assert_eq!(refused.to_string(), expected.replace("A/", PREFIX), "{pairs:?}");
    }
}

#[test]
fn every_broken_rule_is_told_at_once() {
    let given =
        annotations(&[("min-scale", "x"), ("target", "y"), ("window", "1s"), ("initial-scale", "-3")]);
    let refused = Settings::from_annotations(&given, 0, &Defaults::default()).unwrap_err();
    assert_eq!(refused.errors.len(), 4, "{refused}");
}

#[test]
fn a_limit_of_limits_binds_max_scale() {
    let defaults = Defaults { max_scale: 10, max_scale_limit: 10, ..Defaults::default() };
    for (value, expected) in [
        ("11", "expected 1 <= 11 <= 10: autoscaling.knative.dev/max-scale"),
        ("0", "max-scale=0 (unlimited), must be less than 10: autoscaling.knative.dev/max-scale"),
    ] {
        let refused =
            Settings::from_annotations(&annotations(&[("max-scale", value)]), 0, &defaults).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
    assert_eq!(Settings::from_annotations(&BTreeMap::new(), 0, &defaults).unwrap().max_scale, 10);
}

fn config(pairs: &[(&str, &str)]) -> Result<Defaults, String> {
    let data = pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    Defaults::from_map(&data).map_err(|e| e.0)
}

#[test]
fn config_autoscaler_is_read_by_its_keys() {
    assert_eq!(config(&[]).unwrap(), Defaults::default());
    assert_eq!(config(&[("_example", "anything")]).unwrap(), Defaults::default());
    let d = config(&[
        ("container-concurrency-target-percentage", "50"),
        ("container-concurrency-target-default", "10"),
        ("requests-per-second-target-default", "7.5"),
        ("target-burst-capacity", "-1"),
        ("stable-window", "2m"),
        ("panic-window-percentage", "20"),
        ("panic-threshold-percentage", "110"),
        ("max-scale-up-rate", "1.5"),
        ("max-scale-down-rate", "3"),
        ("enable-scale-to-zero", "false"),
        ("scale-to-zero-grace-period", "5s"),
        ("scale-to-zero-pod-retention-period", "1m5s"),
        ("scale-down-delay", "3m"),
        ("pod-autoscaler-class", HPA),
        ("activator-capacity", "150"),
        ("initial-scale", "0"),
        ("min-scale", "1"),
        ("max-scale", "5"),
        ("max-scale-limit", "6"),
    ])
    .unwrap();
    let expected = Defaults {
        container_concurrency_target_fraction: 0.5,
        container_concurrency_target_default: 10.0,
        target_utilization: 0.7,
        requests_per_second_target_default: 7.5,
        target_burst_capacity: -1.0,
        stable_window: Duration::from_secs(120),
        panic_window_percentage: 20.0,
        panic_threshold_percentage: 110.0,
        max_scale_up_rate: 1.5,
        max_scale_down_rate: 3.0,
        enable_scale_to_zero: false,
        scale_to_zero_grace_period: Duration::from_secs(5),
        scale_to_zero_pod_retention_period: Duration::from_secs(65),
        scale_down_delay: Duration::from_secs(180),
        pod_autoscaler_class: HPA.to_owned(),
        activator_capacity: 150.0,
        initial_scale: 0,
        min_scale: 1,
        max_scale: 5,
        max_scale_limit: 6,
        ..Defaults::default()
    };
    assert_eq!(d, expected);
    // The old spelling of 70 %.
    assert_eq!(config(&[("container-concurrency-target-percentage", "0.7")]).unwrap(), Defaults::default());
}

#[test]
fn a_bad_config_autoscaler_names_its_key() {
    for (pairs, part) in [
        (&[("max-scale-up-rate", "x")][..], "failed to parse \"max-scale-up-rate\""),
        (&[("max-scale-up-rate", "1")], "max-scale-up-rate = 1, must be greater than 1.0"),
        (&[("max-scale-down-rate", "0.9")], "max-scale-down-rate = 0.9, must be greater than 1.0"),
        (&[("stable-window", "5s")], "stable-window = 5s, must be in [6s; 1h0m0s] range"),
        (&[("stable-window", "6.5s")], "at most second precision"),
        (
            &[("panic-window-percentage", "101")],
            "panic-window-percentage = 101, must be in [1, 100] interval",
        ),
        (&[("scale-to-zero-grace-period", "0")], "scale-to-zero-grace-period must be positive"),
        (&[("scale-to-zero-grace-period", "-1s")], "scale-to-zero-grace-period must be positive"),
        (&[("scale-down-delay", "-1s")], "scale-down-delay cannot be negative"),
        (&[("scale-down-delay", "1500ms")], "scale-down-delay = 1.5s, must be specified"),
        (&[("scale-to-zero-pod-retention-period", "-4s")], "cannot be negative"),
        (&[("target-burst-capacity", "-2")], "target-burst-capacity must be either non-negative or -1"),
        (&[("container-concurrency-target-percentage", "101")], "outside of valid range of (0, 100]"),
        (&[("container-concurrency-target-default", "0.001")], "yield target concurrency of 0.0007"),
        (&[("requests-per-second-target-default", "0")], "must be at least 0.01"),
        (&[("activator-capacity", "0.5")], "activator-capacity = 0.5, must be at least 1"),
        (&[("initial-scale", "0"), ("allow-zero-initial-scale", "false")], "initial-scale = 0"),
        (&[("initial-scale", "-1")], "initial-scale = -1"),
        (&[("min-scale", "-1")], "min-scale = -1, must be at least 0"),
        (&[("min-scale", "4"), ("max-scale", "3")], "min-scale (4) must be less than max-scale (3)"),
        (&[("max-scale-limit", "3")], "max-scale = 0, must be in [1, max-scale-limit(3)] range"),
        (&[("max-scale-limit", "3"), ("max-scale", "4")], "max-scale = 4, must be in"),
        (&[("enable-scale-to-zero", "yes")], "failed to parse \"enable-scale-to-zero\""),
    ] {
        let refused = config(pairs).unwrap_err();
        assert!(refused.contains(part), "{pairs:?}: {refused}");
    }
}

proptest! {
    /// Whatever the annotations say: refused with their names, or settings that decider and rings can work with.
    #[test]
    fn what_is_accepted_is_in_range(
        keys in prop::collection::vec(prop::sample::select(vec![
            "class", "metric", "target", "target-utilization-percentage", "target-burst-capacity", "window",
            "panic-window-percentage", "panic-threshold-percentage", "min-scale", "max-scale", "initial-scale",
            "activation-scale", "scale-down-delay", "scale-to-zero-pod-retention-period",
            "metric-aggregation-algorithm", "minScale", "maxScale",
        ]), 0..6),
        values in prop::collection::vec("[-+]?([0-9]{0,6}(\\.[0-9]{1,3})?(s|ms|m|h|e3)?|inf|nan|rps|.{0,4})", 6),
        limit in 0_u32..2000,
    ) {
        let pairs: Vec<(&str, &str)> = keys.iter().copied().zip(values.iter().map(String::as_str)).collect();
        match Settings::from_annotations(&annotations(&pairs), limit, &Defaults::default()) {
            Err(refused) => {
                prop_assert!(!refused.errors.is_empty());
                prop_assert!(refused.errors.iter().all(|e| e.paths.iter().all(|p| p.contains(".knative.dev/"))));
            }
            Ok(s) => {
                prop_assert!(s.target.is_finite() && s.target >= TARGET_MIN && s.total >= TARGET_MIN);
                prop_assert!((Duration::from_secs(6)..=Duration::from_secs(3600)).contains(&s.stable_window));
                prop_assert!(s.panic_window >= s.bucket && s.panic_window <= s.stable_window);
                prop_assert!((1.1..=10.0).contains(&s.panic_threshold));
                prop_assert!(s.max_scale == 0 || s.min_scale <= s.max_scale);
                prop_assert!(s.activation_scale != 1);
            }
        }
    }
}
