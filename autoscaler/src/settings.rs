//! What a revision's annotations and the defaults say about scaling it, parsed once: everything decision and scaler need,
//! nothing optional that is required, nothing out of range. Knows no load and no time.

mod annotations;
mod defaults;
mod field;

pub use defaults::{Defaults, InvalidDefaults};
pub use field::{FieldError, Invalid};

use std::collections::BTreeMap;
use std::time::Duration;

use crate::window::Averaging;

/// What every annotation of this crate begins with.
pub const PREFIX: &str = "autoscaling.knative.dev/";
/// The class this crate implements, and the default.
pub const KPA: &str = "kpa.autoscaling.knative.dev";
/// Knative's other class, which scales on CPU and memory.
pub const HPA: &str = "hpa.autoscaling.knative.dev";

/// The smallest target there is, in the metric's unit per replica.
const TARGET_MIN: f64 = 0.01;

/// What a revision is scaled on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Mean of requests in flight, waiting ones included.
    Concurrency,
    /// Requests arriving per second.
    Rps,
    /// A class that needs what one machine does not have (CPU metrics of pods, another autoscaler): the revision stays
    /// at its lower bound, at least 1, whatever the load.
    Unscaled,
}

/// How to scale one revision. Fields are public so that tests can shorten what annotations cannot.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What is measured.
    pub metric: Metric,
    /// Load per replica to aim for: `total` times the utilization, at least 0.01.
    pub target: f64,
    /// Load one replica could take.
    pub total: f64,
    /// Load that must fit on top of the present one before Knative would take the activator out of the path; -1 = never
    /// taken out. Shown only.
    pub target_burst_capacity: f64,
    /// Panic begins when the panic window wants this many times the ready replicas.
    pub panic_threshold: f64,
    /// The largest factor by which one decision may grow the ready replicas.
    pub max_scale_up_rate: f64,
    /// The largest divisor by which one decision may shrink them.
    pub max_scale_down_rate: f64,
    /// What the stable average is over; also how long a panic and an idle last replica last at least.
    pub stable_window: Duration,
    /// What the panic average is over.
    pub panic_window: Duration,
    /// How both windows weigh their seconds.
    pub averaging: Averaging,
    /// Replicas that are always there while a route names the revision.
    pub min_scale: u32,
    /// Replicas there are at most; 0 = no bound.
    pub max_scale: u32,
    /// Replicas a new revision proves itself with; 0 = it is believed.
    pub initial_scale: u32,
    /// Replicas to start from zero with; 0 and 1 mean no more than the load asks for.
    pub activation_scale: u32,
    /// How long the largest wish of the past is kept before there are fewer replicas.
    pub scale_down_delay: Duration,
    /// Whether the last replica may go.
    pub scale_to_zero: bool,
    /// How long waiting requests must have been held here before the last replica may go.
    pub scale_to_zero_grace_period: Duration,
    /// How long the last replica stays after the revision was found idle.
    pub scale_to_zero_pod_retention_period: Duration,
    /// How long a revision may take to become ready, with no request waiting, before it is given up.
    pub progress_deadline: Duration,
    /// One bucket of the windows.
    pub bucket: Duration,
    /// How often a decision is made while load fades.
    pub tick: Duration,
}

impl Settings {
    /// Reads a revision's annotations, as Knative's webhook validates and its autoscaler resolves them.
    /// `container_concurrency` is the revision's hard limit of requests in flight per replica, 0 for none.
    ///
    /// # Errors
    /// All that is wrong, each with the webhook's wording and the annotation's name.
    pub fn from_annotations(
        annotations: &BTreeMap<String, String>,
        container_concurrency: u32,
        defaults: &Defaults,
    ) -> Result<Self, Invalid> {
        let given = annotations::Given::parse(annotations, defaults)?;
        let (target, total) = resolve_target(&given, container_concurrency, defaults);
        let stable_window = given.window.unwrap_or(defaults.stable_window);
        let panic_percentage = given.panic_window_percentage.unwrap_or(defaults.panic_window_percentage);
        Ok(Self {
            metric: given.metric,
            target,
            total,
            target_burst_capacity: given.target_burst_capacity.unwrap_or(defaults.target_burst_capacity),
            panic_threshold: given.panic_threshold_percentage.unwrap_or(defaults.panic_threshold_percentage)
                / 100.0,
            max_scale_up_rate: defaults.max_scale_up_rate,
            max_scale_down_rate: defaults.max_scale_down_rate,
            stable_window,
            panic_window: panic_window(stable_window, panic_percentage, defaults.bucket),
            averaging: given.averaging,
            min_scale: given.min_scale.unwrap_or(defaults.min_scale),
            max_scale: given.max_scale.unwrap_or(defaults.max_scale),
            initial_scale: given.initial_scale.unwrap_or(defaults.initial_scale),
            activation_scale: given.activation_scale.unwrap_or(0),
            scale_down_delay: given.scale_down_delay.unwrap_or(defaults.scale_down_delay),
            scale_to_zero: defaults.enable_scale_to_zero && given.metric != Metric::Unscaled,
            scale_to_zero_grace_period: defaults.scale_to_zero_grace_period,
            scale_to_zero_pod_retention_period: given
                .scale_to_zero_pod_retention_period
                .unwrap_or(defaults.scale_to_zero_pod_retention_period),
            progress_deadline: given.progress_deadline.unwrap_or(defaults.progress_deadline),
            bucket: defaults.bucket,
            tick: defaults.tick,
        })
    }
}

/// (target, total) per replica. An annotated target is the total, but never above what the revision's hard limit lets a
/// replica take.
fn resolve_target(given: &annotations::Given, container_concurrency: u32, defaults: &Defaults) -> (f64, f64) {
    let hard_limit = f64::from(container_concurrency);
    let (mut total, mut utilization) = match given.metric {
        Metric::Rps => (defaults.requests_per_second_target_default, defaults.target_utilization),
        Metric::Concurrency | Metric::Unscaled if container_concurrency == 0 => {
            (defaults.container_concurrency_target_default, defaults.container_concurrency_target_fraction)
        }
        Metric::Concurrency | Metric::Unscaled => {
            (hard_limit, defaults.container_concurrency_target_fraction)
        }
    };
    if let Some(target) = given.target {
        let limited = given.metric == Metric::Concurrency && container_concurrency != 0;
        total = if limited { target.min(hard_limit) } else { target };
    }
    if let Some(percentage) = given.target_utilization_percentage {
        utilization = percentage / 100.0;
    }
    ((total * utilization).max(TARGET_MIN), total)
}

/// The panic window: its share of the stable one, rounded to whole buckets, at least one.
fn panic_window(stable: Duration, percentage: f64, bucket: Duration) -> Duration {
    let buckets = stable.as_nanos() as f64 * percentage / 100.0 / bucket.as_nanos().max(1) as f64;
    // At most as many as the stable window has: the percentage is at most 100.
    bucket * (buckets.round() as u32).max(1)
}

#[cfg(test)]
mod tests;
