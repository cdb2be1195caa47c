//! What holds for every revision that does not say otherwise: Knative's ConfigMap `config-autoscaler` with its keys, values
//! and bounds. Knows no annotations.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_base::duration::{parse_go, show};

use super::{KPA, TARGET_MIN};

/// The cluster-wide defaults. The fields that have a key in `config-autoscaler` bear its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    /// Share of the concurrency target at which there should be one replica more, as a fraction. 0.7.
    pub container_concurrency_target_fraction: f64,
    /// Concurrency target of a revision without a hard limit. 100 requests.
    pub container_concurrency_target_default: f64,
    /// The same share for the rps metric. 0.7; no key.
    pub target_utilization: f64,
    /// Target of the rps metric. 200 requests per second.
    pub requests_per_second_target_default: f64,
    /// See [`super::Settings::target_burst_capacity`]. 211 requests.
    pub target_burst_capacity: f64,
    /// 60 s.
    pub stable_window: Duration,
    /// Share of the stable window. 10 %.
    pub panic_window_percentage: f64,
    /// Share of the ready replicas. 200 %.
    pub panic_threshold_percentage: f64,
    /// A factor. 1000.
    pub max_scale_up_rate: f64,
    /// A divisor. 2.
    pub max_scale_down_rate: f64,
    /// Whether the last replica may go. True.
    pub enable_scale_to_zero: bool,
    /// 30 s; costs nothing here once a revision is as old, because requests are always held by the gateway.
    pub scale_to_zero_grace_period: Duration,
    /// 0 s.
    pub scale_to_zero_pod_retention_period: Duration,
    /// 0 s.
    pub scale_down_delay: Duration,
    /// The class of revisions that name none.
    pub pod_autoscaler_class: String,
    /// Concurrency one activator handles. 100; read for its bounds only, there are no activators to count.
    pub activator_capacity: f64,
    /// 1 replica.
    pub initial_scale: u32,
    /// Whether `initial-scale: "0"` is allowed. True, where Knative says false: on one machine nobody is surprised.
    pub allow_zero_initial_scale: bool,
    /// 0 replicas.
    pub min_scale: u32,
    /// 0 = no bound.
    pub max_scale: u32,
    /// Bound of the bound; 0 = none.
    pub max_scale_limit: u32,
    /// 600 s; Knative keeps it in `config-deployment` under `progress-deadline`.
    pub progress_deadline: Duration,
    /// One bucket of the windows. 1 s; a constant in Knative, here for tests.
    pub bucket: Duration,
    /// Time between two decisions while load fades. 2 s; a constant in Knative, here for tests.
    pub tick: Duration,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            container_concurrency_target_fraction: 0.7,
            container_concurrency_target_default: 100.0,
            target_utilization: 0.7,
            requests_per_second_target_default: 200.0,
            target_burst_capacity: 211.0,
            stable_window: Duration::from_secs(60),
            panic_window_percentage: 10.0,
            panic_threshold_percentage: 200.0,
            max_scale_up_rate: 1000.0,
            max_scale_down_rate: 2.0,
            enable_scale_to_zero: true,
            scale_to_zero_grace_period: Duration::from_secs(30),
            scale_to_zero_pod_retention_period: Duration::ZERO,
            scale_down_delay: Duration::ZERO,
            pod_autoscaler_class: KPA.to_owned(),
            activator_capacity: 100.0,
            initial_scale: 1,
            allow_zero_initial_scale: true,
            min_scale: 0,
            max_scale: 0,
            max_scale_limit: 0,
            progress_deadline: Duration::from_secs(600),
            bucket: Duration::from_secs(1),
            tick: Duration::from_secs(2),
        }
    }
}

/// A ConfigMap that Knative would refuse, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("config-autoscaler: {0}")]
pub struct InvalidDefaults(pub String);

impl Defaults {
    /// Reads the data of a `config-autoscaler` ConfigMap. Keys that are absent keep their default; unknown keys (Knative
    /// ships an `_example`) are ignored, as Knative does.
    ///
    /// # Errors
    /// The first value that does not parse or is out of bounds, in Knative's words.
    pub fn from_map(data: &BTreeMap<String, String>) -> Result<Self, InvalidDefaults> {
        let mut d = Self::default();
        let text = |key: &str| data.get(key).map(String::as_str);
        if let Some(class) = text("pod-autoscaler-class") {
            class.clone_into(&mut d.pod_autoscaler_class);
        }
        for (key, field) in [
            ("enable-scale-to-zero", &mut d.enable_scale_to_zero),
            ("allow-zero-initial-scale", &mut d.allow_zero_initial_scale),
        ] {
            if let Some(value) = text(key) {
                *field = boolean(value).ok_or_else(|| unparsable(key, value))?;
            }
        }
        for (key, field) in [
            ("max-scale-up-rate", &mut d.max_scale_up_rate),
            ("max-scale-down-rate", &mut d.max_scale_down_rate),
            ("container-concurrency-target-percentage", &mut d.container_concurrency_target_fraction),
            ("container-concurrency-target-default", &mut d.container_concurrency_target_default),
            ("requests-per-second-target-default", &mut d.requests_per_second_target_default),
            ("target-burst-capacity", &mut d.target_burst_capacity),
            ("panic-window-percentage", &mut d.panic_window_percentage),
            ("activator-capacity", &mut d.activator_capacity),
            ("panic-threshold-percentage", &mut d.panic_threshold_percentage),
        ] {
            if let Some(value) = text(key) {
                let number = value.parse().ok().filter(|n: &f64| n.is_finite());
                *field = number.ok_or_else(|| unparsable(key, value))?;
            }
        }
        for (key, least, field) in [
            (
                "initial-scale",
                "must be at least 0 (or at least 1 when allow-zero-initial-scale is false)",
                &mut d.initial_scale,
            ),
            ("min-scale", "must be at least 0", &mut d.min_scale),
            ("max-scale", "must be at least 0", &mut d.max_scale),
            ("max-scale-limit", "must be at least 0", &mut d.max_scale_limit),
        ] {
            if let Some(value) = text(key) {
                let number: i32 = value.parse().map_err(|_| unparsable(key, value))?;
                *field = u32::try_from(number)
                    .map_err(|_| InvalidDefaults(format!("{key} = {number}, {least}")))?;
            }
        }
        for (key, bound, field) in [
            ("stable-window", "must be in [6s; 1h0m0s] range", &mut d.stable_window),
            ("scale-down-delay", "cannot be negative", &mut d.scale_down_delay),
            ("scale-to-zero-grace-period", "must be positive", &mut d.scale_to_zero_grace_period),
            (
                "scale-to-zero-pod-retention-period",
                "cannot be negative",
                &mut d.scale_to_zero_pod_retention_period,
            ),
        ] {
            if let Some(value) = text(key) {
                if value.starts_with('-') && parse_go(&value[1..]).is_ok() {
                    return Err(InvalidDefaults(format!("{key} {bound}, was: {value}")));
                }
                *field = parse_go(value).map_err(|_| unparsable(key, value))?;
            }
        }
        // Percentages up to 1 are fractions already: an old spelling that is still accepted.
        if d.container_concurrency_target_fraction > 1.0 {
            d.container_concurrency_target_fraction /= 100.0;
        }
        match d.broken_rule() {
            Some(rule) => Err(InvalidDefaults(rule)),
            None => Ok(d),
        }
    }

    /// The first rule these values break together or alone, in the order Knative checks them.
    fn broken_rule(&self) -> Option<String> {
        let fraction = self.container_concurrency_target_fraction;
        let target = fraction * self.container_concurrency_target_default;
        let least_max = u32::from(self.max_scale_limit > 0);
        let rules = [
            (self.scale_to_zero_grace_period.is_zero(), "scale-to-zero-grace-period must be positive, was: 0s".into()),
            (
                self.scale_down_delay.subsec_nanos() != 0,
                format!(
                    "scale-down-delay = {}, must be specified with at most second precision",
                    show(self.scale_down_delay)
                ),
            ),
            (
                self.target_burst_capacity < 0.0 && self.target_burst_capacity.to_bits() != (-1.0_f64).to_bits(),
                format!(
                    "target-burst-capacity must be either non-negative or -1 (for unlimited), was: {:.6}",
                    self.target_burst_capacity
                ),
            ),
            (
                fraction <= 0.0 || fraction > 1.0,
                format!("container-concurrency-target-percentage = {fraction:.6} is outside of valid range of (0, 100]"),
            ),
            (
                target < TARGET_MIN,
                format!(
                    "container-concurrency-target-percentage and container-concurrency-target-default yield target \
                     concurrency of {target}, can't be less than {TARGET_MIN}"
                ),
            ),
            (
                self.requests_per_second_target_default < TARGET_MIN,
                format!(
                    "requests-per-second-target-default must be at least {TARGET_MIN}, was: {}",
                    self.requests_per_second_target_default
                ),
            ),
            (
                self.activator_capacity < 1.0,
                format!("activator-capacity = {}, must be at least 1", self.activator_capacity),
            ),
            (
                self.max_scale_up_rate <= 1.0,
                format!("max-scale-up-rate = {}, must be greater than 1.0", self.max_scale_up_rate),
            ),
            (
                self.max_scale_down_rate <= 1.0,
                format!("max-scale-down-rate = {}, must be greater than 1.0", self.max_scale_down_rate),
            ),
            (
                self.stable_window < Duration::from_secs(6) || self.stable_window > Duration::from_secs(3600),
                format!("stable-window = {}, must be in [6s; 1h0m0s] range", show(self.stable_window)),
            ),
            (
                self.stable_window.subsec_nanos() != 0,
                format!("stable-window = {}, must be specified with at most second precision", show(self.stable_window)),
            ),
            (
                !(1.0..=100.0).contains(&self.panic_window_percentage),
                format!("panic-window-percentage = {}, must be in [1, 100] interval", self.panic_window_percentage),
            ),
            (
                self.initial_scale == 0 && !self.allow_zero_initial_scale,
                "initial-scale = 0, must be at least 0 (or at least 1 when allow-zero-initial-scale is false)".into(),
            ),
            (
                self.max_scale < least_max || (self.max_scale_limit > 0 && self.max_scale > self.max_scale_limit),
                format!(
                    "max-scale = {}, must be in [{least_max}, max-scale-limit({})] range",
                    self.max_scale, self.max_scale_limit
                ),
            ),
            (
                self.min_scale > self.max_scale && self.max_scale > 0,
                format!("min-scale ({}) must be less than max-scale ({})", self.min_scale, self.max_scale),
            ),
        ];
        rules.into_iter().find_map(|(broken, rule)| broken.then_some(rule))
    }
}

fn unparsable(key: &str, value: &str) -> InvalidDefaults {
    InvalidDefaults(format!("failed to parse data: failed to parse {key:?}: {value:?}: invalid syntax"))
}

/// The spellings Go's `strconv.ParseBool` takes.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
