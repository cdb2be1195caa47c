//! From a decision to the replicas a revision is given: bounds, the first start, activity, the way to zero. Knative's
//! PodAutoscaler reconciler without Kubernetes. Pure; knows neither load nor processes.
//!
//! The gateway that reports load is also the one that holds requests for a revision without replicas, so it is in the
//! path of every request from the beginning. Knative's probe for the activator, its wait for network programming and its
//! two ServerlessService modes therefore have nothing to do here, and an idle revision goes from inactive to zero in one
//! step instead of coming back after 3 s.

use std::fmt;
use std::time::Duration;

use forebay_base::duration::show;

use crate::moment::Moment;
use crate::settings::Settings;

/// What a reconciliation is made of, beside its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The decision's number of replicas.
    pub desired: u32,
    /// Replicas that answer their probe.
    pub ready: u32,
    /// False once no route names the revision: then it has no lower bound. A revision that no route names *yet* is
    /// reachable in this sense.
    pub reachable: bool,
}

/// Whether a revision serves; Knative's condition `Active`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Replicas are wanted and not there yet; requests wait.
    Activating,
    /// Enough replicas are ready.
    Active,
    /// No traffic: at zero or on the way to it.
    Inactive,
}

/// What one reconciliation found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Replicas there should be from now on.
    pub replicas: u32,
    /// When to look again although nothing was heard, if ever.
    pub again: Option<Moment>,
    /// What decided the number.
    pub why: Why,
}

/// What decided a revision's number of replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is becoming ready and has until then to do so; no request waits.
    Activating { until: Moment },
    /// What the load asks for.
    Demand,
    /// It had no traffic for its stable window.
    Idle,
    /// `initial-scale`: a new revision proves itself.
    InitialScale,
    /// No traffic lately, but it has not been active for a whole stable window.
    Lingering { until: Moment },
    /// `max-scale`.
    MaxScale,
    /// `min-scale`.
    MinScale,
    /// `enable-scale-to-zero` is off, or the revision's class does not scale.
    NeverZero,
    /// `scale-to-zero-grace-period` since requests are held here.
    Grace { until: Moment },
    /// `scale-to-zero-pod-retention-period` since it was found idle.
    Retention { until: Moment },
    /// It did not become ready within its progress deadline.
    TimedOut,
}

/// One revision's way between zero and its bounds.
#[derive(Debug, Clone)]
pub struct Scaler {
    activity: Activity,
    /// When `activity` last changed.
    since: Moment,
    /// When the gateway began to hold this revision's requests.
    held_since: Moment,
    /// Replicas last asked for.
    replicas: u32,
    /// Once true, `initial-scale` is history; Knative's condition `ScaleTargetInitialized`.
    initialized: bool,
}

impl Scaler {
    /// A new revision: it starts at its initial scale, to prove itself.
    pub fn new(settings: &Settings, now: Moment) -> Self {
        Self {
            activity: Activity::Activating,
            since: now,
            held_since: now,
            replicas: settings.initial_scale,
            initialized: false,
        }
    }

    /// A revision that proved itself before this process began: it waits at zero for traffic.
    pub fn proven(now: Moment) -> Self {
        Self { activity: Activity::Inactive, since: now, held_since: now, replicas: 0, initialized: true }
    }

    /// Whether it serves.
    pub fn activity(&self) -> Activity {
        self.activity
    }

    /// Whether it was ready once.
    pub fn is_initialized(&self) -> bool {
        self.initialized
    }

    /// Brings the number of replicas in line with what was seen.
    pub fn reconcile(&mut self, settings: &Settings, seen: Seen, now: Moment) -> Outcome {
        let before = self.activity;
        let mut step = self.step(settings, seen, now);
        // Other rules hold from now on, and nothing has to settle before they are asked. Twice is enough: a revision that
        // just became active or inactive stays so for now.
        if self.activity != before && step.why != Why::TimedOut {
            step = self.step(settings, seen, now);
        }
        Outcome { replicas: self.replicas, again: step.again, why: step.why }
    }

    fn step(&mut self, settings: &Settings, seen: Seen, now: Moment) -> Step {
        let step = self.scale(settings, seen, now);
        if let (Some(replicas), true) = (step.want, step.apply) {
            self.replicas = replicas;
        }
        self.update_activity(settings, seen, step.want, now);
        step
    }

    /// The bounds, then zero.
    fn scale(&self, settings: &Settings, seen: Seen, now: Moment) -> Step {
        let min = lower_bound(settings, seen);
        // Unlike min-scale, an initial scale of 1 is met by the first start alone and binds nobody afterwards.
        let first = settings.initial_scale > 1 && !self.initialized && seen.reachable;
        let low = if first { min.max(settings.initial_scale) } else { min };
        let (want, why) = if seen.desired < low {
            (low, if low > min { Why::InitialScale } else { Why::MinScale })
        } else if settings.max_scale != 0 && seen.desired > settings.max_scale {
            (settings.max_scale, Why::MaxScale)
        } else {
            (seen.desired, Why::Demand)
        };
        if want > 0 { Step::apply(want, why) } else { self.to_zero(settings, seen, now) }
    }

    fn to_zero(&self, settings: &Settings, seen: Seen, now: Moment) -> Step {
        if !settings.scale_to_zero {
            return Step::apply(1, Why::NeverZero);
        }
        match self.activity {
            Activity::Activating => {
                let until = self.since + settings.progress_deadline;
                if now >= until {
                    return Step::apply(0, Why::TimedOut);
                }
                Step { want: None, apply: false, again: Some(until), why: Why::Activating { until } }
            }
            Activity::Active => {
                let until = self.since + settings.stable_window;
                if now >= until {
                    // Only marks it inactive; see `reconcile`.
                    return Step { want: Some(0), apply: false, again: None, why: Why::Idle };
                }
                Step { again: Some(until), ..Step::apply(1, Why::Lingering { until }) }
            }
            Activity::Inactive => self.last_replica(settings, seen, now),
        }
    }

    /// Whether the last replica of an inactive revision may go.
    fn last_replica(&self, settings: &Settings, seen: Seen, now: Moment) -> Step {
        // Nobody will come back to a revision that no route names.
        let retention =
            if seen.reachable { settings.scale_to_zero_pod_retention_period } else { Duration::ZERO };
        let grace = settings.scale_to_zero_grace_period;
        let inactive = now.since(self.since);
        // What never was ready is inactive because it was given up.
        let why = if self.initialized { Why::Idle } else { Why::TimedOut };
        // At zero there is nothing left to keep.
        if self.replicas == 0 || inactive >= retention.max(grace) {
            return Step::apply(0, why);
        }
        if inactive < retention {
            let until = self.since + retention;
            return Step { want: Some(0), apply: false, again: Some(until), why: Why::Retention { until } };
        }
        let until = self.held_since + grace;
        if now >= until {
            return Step::apply(0, why);
        }
        Step { want: Some(0), apply: false, again: Some(until), why: Why::Grace { until } }
    }

    fn update_activity(&mut self, settings: &Settings, seen: Seen, want: Option<u32>, now: Moment) {
        let min = lower_bound(settings, seen);
        let enough = if self.initialized { min.max(1) } else { min.max(settings.initial_scale) };
        if seen.ready >= enough {
            self.initialized = true;
        }
        let next = match want {
            Some(0) => Activity::Inactive,
            _ if enough == 0 => Activity::Inactive,
            // Nothing was decided: what sleeps is not woken.
            None if self.activity == Activity::Inactive => Activity::Inactive,
            _ if seen.ready < enough => Activity::Activating,
            _ => Activity::Active,
        };
        if next != self.activity {
            self.activity = next;
            self.since = now;
        }
    }
}

/// `min-scale`, which an unreachable revision does not have.
fn lower_bound(settings: &Settings, seen: Seen) -> u32 {
    if seen.reachable { settings.min_scale } else { 0 }
}

/// One pass over bounds and zero.
struct Step {
    /// Replicas wanted; `None` = leave what is there and judge nothing by it.
    want: Option<u32>,
    /// Whether to ask for them, or only to judge activity by them.
    apply: bool,
    again: Option<Moment>,
    why: Why,
}

impl Step {
    fn apply(want: u32, why: Why) -> Self {
        Self { want: Some(want), apply: true, again: None, why }
    }
}

impl Why {
    /// The reason in words for people, as the end of a sentence.
    pub(crate) fn words<'a>(&'a self, settings: &'a Settings) -> impl fmt::Display + 'a {
        Words { why: self, settings }
    }
}

struct Words<'a> {
    why: &'a Why,
    settings: &'a Settings,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.settings;
        match self.why {
            Why::Activating { .. } => {
                write!(f, "starting, with {} to become ready", show(s.progress_deadline))
            }
            Why::Demand => write!(f, "what the load asks for"),
            Why::Idle => write!(f, "no traffic for {}", show(s.stable_window)),
            Why::InitialScale => write!(f, "initial-scale {}: a new revision proves itself", s.initial_scale),
            Why::Lingering { .. } => {
                write!(f, "no traffic, kept until it was active for {}", show(s.stable_window))
            }
            Why::MaxScale => write!(f, "cut to max-scale {}", s.max_scale),
            Why::MinScale => write!(f, "kept at min-scale {}", s.min_scale),
            Why::NeverZero => write!(f, "never scaled to zero"),
            Why::Grace { .. } => {
                write!(f, "no traffic, kept for the grace period of {}", show(s.scale_to_zero_grace_period))
            }
            Why::Retention { .. } => {
                let retention = s.scale_to_zero_pod_retention_period;
                write!(f, "no traffic, kept for the retention period of {}", show(retention))
            }
            Why::TimedOut => write!(f, "not ready within {}", show(s.progress_deadline)),
        }
    }
}

#[cfg(test)]
mod tests;
