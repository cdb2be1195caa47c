//! Rules for the autoscaler's annotations (facts/serving.md 3.10). Knows nothing of how a revision is scaled.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use forebay_base::duration::show;

use super::Checks;
use super::names::{Signed, parse_duration};
use crate::path::Path;

type Annotations = BTreeMap<String, String>;

const GROUP: &str = "autoscaling.knative.dev";
const KPA: &str = "kpa.autoscaling.knative.dev";
const HPA: &str = "hpa.autoscaling.knative.dev";

/// Preferred spelling first.
const CLASS: &[&str] = &["autoscaling.knative.dev/class"];
const METRIC: &[&str] = &["autoscaling.knative.dev/metric"];
const MIN_SCALE: &[&str] = &["autoscaling.knative.dev/min-scale", "autoscaling.knative.dev/minScale"];
const MAX_SCALE: &[&str] = &["autoscaling.knative.dev/max-scale", "autoscaling.knative.dev/maxScale"];
const INITIAL_SCALE: &[&str] =
    &["autoscaling.knative.dev/initial-scale", "autoscaling.knative.dev/initialScale"];
const ACTIVATION_SCALE: &[&str] = &["autoscaling.knative.dev/activation-scale"];
const SCALE_DOWN_DELAY: &[&str] =
    &["autoscaling.knative.dev/scale-down-delay", "autoscaling.knative.dev/scaleDownDelay"];
const RETENTION: &[&str] = &[
    "autoscaling.knative.dev/scale-to-zero-pod-retention-period",
    "autoscaling.knative.dev/scaleToZeroPodRetentionPeriod",
];
const WINDOW: &[&str] = &["autoscaling.knative.dev/window"];
const TARGET: &[&str] = &["autoscaling.knative.dev/target"];
const UTILIZATION: &[&str] = &[
    "autoscaling.knative.dev/target-utilization-percentage",
    "autoscaling.knative.dev/targetUtilizationPercentage",
];
const BURST: &[&str] =
    &["autoscaling.knative.dev/target-burst-capacity", "autoscaling.knative.dev/targetBurstCapacity"];
const PANIC_WINDOW: &[&str] =
    &["autoscaling.knative.dev/panic-window-percentage", "autoscaling.knative.dev/panicWindowPercentage"];
const PANIC_THRESHOLD: &[&str] = &[
    "autoscaling.knative.dev/panic-threshold-percentage",
    "autoscaling.knative.dev/panicThresholdPercentage",
];
const ALGORITHM: &[&str] = &[
    "autoscaling.knative.dev/metric-aggregation-algorithm",
    "autoscaling.knative.dev/metricAggregationAlgorithm",
];

/// Bounds of the stable window, and the longest of all delays.
const WINDOW_MIN: Duration = Duration::from_secs(6);
const WINDOW_MAX: Duration = Duration::from_secs(3600);
const TARGET_MIN: f64 = 0.01;

/// On a Service or Configuration they would do nothing.
pub(super) fn misplaced(annotations: &Annotations, at: &Path<'_>, checks: &mut Checks) {
    for key in annotations.keys().filter(|key| key.starts_with(GROUP)) {
        let details =
            "autoscaling annotations must be put under \"spec.template.metadata.annotations\" to work";
        checks.detailed(format!("invalid key name {key:?}"), at, details);
    }
}

/// All of a template's.
pub(super) fn annotations(annotations: &Annotations, at: &Path<'_>, checks: &mut Checks) {
    if !annotations.keys().any(|key| key.starts_with(GROUP)) {
        return;
    }
    let mut rules = Rules { annotations, at, checks };
    rules.class();
    rules.scale();
    rules.floats();
    rules.durations();
    rules.metric();
    rules.initial_scale();
}

struct Rules<'a> {
    annotations: &'a Annotations,
    at: &'a Path<'a>,
    checks: &'a mut Checks,
}

impl<'a> Rules<'a> {
    fn get(&self, keys: &[&str]) -> Option<(&'a str, &'a str)> {
        let (key, value) = keys.iter().find_map(|key| self.annotations.get_key_value(*key))?;
        Some((key, value))
    }

    fn invalid(&mut self, value: impl Display, key: &str) {
        self.checks.invalid(value, &self.at.field(key));
    }

    fn error(&mut self, message: String, key: &str) {
        self.checks.error(message, &self.at.field(key));
    }

    fn out_of_bounds(&mut self, low: impl Display, value: &str, high: impl Display, key: &str) {
        self.checks.out_of_bounds(low, value, high, &self.at.field(key));
    }

    fn class(&mut self) {
        let Some((key, class)) = self.get(CLASS) else { return };
        if class.ends_with(GROUP) && class != KPA && class != HPA {
            self.invalid(class, key);
        } else if class != KPA {
            let message =
                format!("autoscaler class {class} has no effect on this platform, {KPA} scales the revision");
            self.checks.warn(message, &self.at.field(key));
        }
    }

    /// Whole numbers, 0 and up.
    fn whole(&mut self, keys: &[&str]) -> i32 {
        let Some((key, value)) = self.get(keys) else { return 0 };
        match value.parse::<i128>() {
            Ok(n) => i32::try_from(n).ok().filter(|n| *n >= 0).unwrap_or_else(|| {
                self.out_of_bounds(0, value, i32::MAX, key);
                0
            }),
            Err(_) => {
                self.invalid(value, key);
                0
            }
        }
    }

    fn scale(&mut self) {
        let (min, max) = (self.whole(MIN_SCALE), self.whole(MAX_SCALE));
        if max != 0 && max < min {
            let paths = [MAX_SCALE, MIN_SCALE].map(|keys| self.at.field(keys[0]).to_string()).to_vec();
            self.checks.among(format!("max-scale={max} is less than min-scale={min}"), paths);
        }
        let Some((key, value)) = self.get(ACTIVATION_SCALE) else { return };
        match value.parse::<i32>() {
            Err(_) => self.invalid(value, key),
            Ok(n) if min > n => {
                self.error(format!("min-scale={min} is greater than activation-scale={n}"), key)
            }
            Ok(n) if max < n && max != 0 => {
                self.error(format!("max-scale={max} is less than activation-scale={n}"), key);
            }
            Ok(n) if n < 2 => self.error(format!("activation-scale={n} must be greater than 1"), key),
            Ok(_) => {}
        }
    }

    /// 0 is allowed on this platform, as with Knative's `allow-zero-initial-scale`.
    fn initial_scale(&mut self) {
        let Some((key, value)) = self.get(INITIAL_SCALE) else { return };
        match value.parse::<i32>() {
            Err(_) => self.invalid(value, key),
            Ok(n) if n < 0 => self.invalid(value, &format!("{key} must be greater than 0")),
            Ok(_) => {}
        }
    }

    /// A finite number, which Go's parser does not insist on.
    fn float(&mut self, keys: &[&str]) -> Option<(&'a str, &'a str, f64)> {
        let (key, value) = self.get(keys)?;
        match value.parse::<f64>() {
            Ok(n) if n.is_finite() => Some((key, value, n)),
            _ => {
                self.invalid(value, key);
                None
            }
        }
    }

    fn floats(&mut self) {
        for (keys, low, high) in
            [(PANIC_WINDOW, 1.0, 100.0), (PANIC_THRESHOLD, 110.0, 1000.0), (UTILIZATION, 1.0, 100.0)]
        {
            if let Some((key, value, n)) = self.float(keys)
                && !(low..=high).contains(&n)
            {
                self.out_of_bounds(low, value, high, key);
            }
        }
        if let Some((key, value, n)) = self.float(TARGET)
            && n < TARGET_MIN
        {
            self.error(format!("target {value} should be at least {TARGET_MIN}"), key);
        }
        if let Some((key, value, n)) = self.float(BURST)
            && n < 0.0
            && n != -1.0
        {
            self.invalid(value, key);
        }
    }

    fn durations(&mut self) {
        const PRECISION: &str = "must be specified with at most second precision";
        for (keys, low, whole) in [
            (WINDOW, WINDOW_MIN, true),
            (SCALE_DOWN_DELAY, Duration::ZERO, true),
            (RETENTION, Duration::ZERO, false),
        ] {
            let Some((key, value)) = self.get(keys) else { continue };
            match parse_duration(value) {
                None => self.invalid(value, key),
                Some(Signed::Positive(d)) if (low..=WINDOW_MAX).contains(&d) => {
                    if whole && d.subsec_nanos() != 0 {
                        self.error(PRECISION.to_owned(), key);
                    }
                }
                Some(_) => self.out_of_bounds(show(low), value, show(WINDOW_MAX), key),
            }
        }
    }

    fn metric(&mut self) {
        let class = self.get(CLASS).map_or(KPA, |(_, class)| class);
        if class != KPA {
            return;
        }
        if let Some((key, metric)) = self.get(METRIC)
            && !matches!(metric, "concurrency" | "rps")
        {
            self.invalid(metric, key);
        }
        if let Some((key, algorithm)) = self.get(ALGORITHM)
            && !matches!(algorithm, "" | "linear" | "weighted-exponential" | "weightedExponential")
        {
            self.invalid(algorithm, key);
        }
    }
}
