//! KPA's decision: from two averages and the number of ready replicas to the number there should be. Pure; knows neither
//! where the averages come from nor what becomes of the number (bounds and zero are [`crate::scaler`]'s).

use crate::moment::Moment;
use crate::settings::{Metric, Settings};
use crate::window::Peak;

/// What a decision is made of, beside its history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Replicas that answer their probe.
    pub ready: u32,
    /// Average over the stable window, in the metric's unit.
    pub stable: f64,
    /// Average over the panic window.
    pub panic: f64,
    /// False once no route names the revision: then nothing slows its way down.
    pub reachable: bool,
}

/// How many replicas there should be, and what decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Replicas wanted, before the revision's bounds.
    pub desired: u32,
    /// Load that would still fit after the target burst; negative where Knative would keep the activator in the path.
    pub excess_burst_capacity: i32,
    /// Whether the panic window has a say and nothing is taken away.
    pub panicking: bool,
    /// What had the last word.
    pub decided_by: By,
}

/// The rule that had the last word in a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// `activation-scale`: more than the load asks for, because there is load.
    Activation,
    /// The scale-down delay still holds a larger wish.
    Delay,
    /// `max-scale-down-rate`: the load asks for fewer.
    DownRate,
    /// A panic that began with more load than there is now.
    Panic,
    /// The average over the panic window.
    PanicWindow,
    /// The average over the stable window.
    StableWindow,
    /// The revision is not scaled by load.
    Unscaled,
    /// `max-scale-up-rate`: the load asks for more.
    UpRate,
}

/// One revision's history as far as it matters to decisions.
#[derive(Debug, Clone)]
pub struct Decider {
    /// When load last was above the panic threshold; set as long as the panic lasts.
    panic_since: Option<Moment>,
    /// The most replicas wanted in this panic. It only grows.
    panic_peak: u32,
    /// Recent wishes, if there is a scale-down delay and something to hold.
    delay: Option<Box<Peak>>,
}

impl Decider {
    /// A decider for a revision of which `ready` replicas run already. More than one means that an autoscaler before
    /// this one knew why: it starts in panic, keeping them until a stable window's worth of load is known.
    pub fn new(ready: u32, now: Moment) -> Self {
        Self { panic_since: (ready > 1).then_some(now), panic_peak: ready, delay: None }
    }

    /// Decides. Averages must be finite; a changed setting takes effect with the next call.
    pub fn decide(&mut self, settings: &Settings, observed: Observed, now: Moment) -> Decision {
        if settings.metric == Metric::Unscaled {
            *self = Self::new(0, now);
            return Decision {
                desired: 1,
                excess_burst_capacity: -1,
                panicking: false,
                decided_by: By::Unscaled,
            };
        }
        let ready = f64::from(observed.ready.max(1));
        let wishes = Wishes::new(settings, observed, ready);
        self.panic(settings, wishes.panic_raw / ready >= settings.panic_threshold, now);

        let (mut desired, mut by) = wishes.stable;
        if self.panic_since.is_some() {
            if desired < wishes.panic.0 {
                by = if wishes.panic.1 == By::StableWindow { By::PanicWindow } else { wishes.panic.1 };
                desired = wishes.panic.0;
            }
            if desired < self.panic_peak {
                by = By::Panic;
            }
            self.panic_peak = self.panic_peak.max(desired);
            desired = self.panic_peak;
        }
        if observed.reachable && !settings.scale_down_delay.is_zero() {
            let delay = self
                .delay
                .get_or_insert_with(|| Box::new(Peak::new(settings.scale_down_delay, settings.tick)));
            delay.last_for(settings.scale_down_delay);
            let held = delay.record(now, desired);
            if held != desired {
                (desired, by) = (held, By::Delay);
            }
        } else if settings.scale_down_delay.is_zero() {
            self.delay = None;
        }
        Decision {
            desired,
            excess_burst_capacity: excess_burst_capacity(settings, observed),
            panicking: self.panic_since.is_some(),
            decided_by: by,
        }
    }

    /// True if with the same observation the decision will stay the same for ever, so that nobody needs to ask again.
    /// Forgets what no longer matters.
    pub fn settle(&mut self, now: Moment) -> bool {
        if self.delay.as_mut().is_some_and(|delay| delay.is_level(now)) {
            self.delay = None;
        }
        self.panic_since.is_none() && self.delay.is_none()
    }

    /// Enters, extends or leaves panic. It outlives the load that caused it by a stable window: by then the surge is in
    /// the stable average.
    fn panic(&mut self, settings: &Settings, over_threshold: bool, now: Moment) {
        if over_threshold {
            self.panic_since = Some(now);
        } else if self.panic_since.is_some_and(|since| since + settings.stable_window < now) {
            self.panic_since = None;
            self.panic_peak = 0;
        }
    }
}

/// What each window wants, in replicas.
struct Wishes {
    /// With rates and activation scale applied.
    stable: (u32, By),
    /// The same for the panic window; `By::StableWindow` stands for "its own average" here.
    panic: (u32, By),
    /// What the panic window's average asks for, before any limit: it is this that causes panic.
    panic_raw: f64,
}

impl Wishes {
    fn new(settings: &Settings, observed: Observed, ready: f64) -> Self {
        // Rounded up, so that a rate just above 1 still adds a replica; and down likewise.
        let most = (settings.max_scale_up_rate * ready).ceil();
        let least = if observed.reachable { (ready / settings.max_scale_down_rate).floor() } else { 0.0 };
        let stable_raw = (observed.stable / settings.target).ceil();
        let panic_raw = (observed.panic / settings.target).ceil();
        let limit = |raw: f64| {
            let bounded = raw.max(least).min(most);
            let by = if bounded < raw {
                By::UpRate
            } else if bounded > raw {
                By::DownRate
            } else {
                By::StableWindow
            };
            // Saturates far above any number of replicas; averages are not negative, so neither is this.
            let wish = bounded.min(f64::from(i32::MAX)) as u32;
            if settings.activation_scale > 1 && raw > 0.0 && settings.activation_scale > wish {
                (settings.activation_scale, By::Activation)
            } else {
                (wish, by)
            }
        };
        Self { stable: limit(stable_raw), panic: limit(panic_raw), panic_raw }
    }
}

/// What would still fit if the target burst came now. Measured against the panic window: leaving the activator out of the
/// path because of one quiet second would be rash.
fn excess_burst_capacity(settings: &Settings, observed: Observed) -> i32 {
    let burst = settings.target_burst_capacity;
    if burst < 0.0 {
        return -1;
    }
    if burst == 0.0 {
        return 0;
    }
    // Float to integer saturates; Go's result beyond int32 is not defined.
    (f64::from(observed.ready) * settings.total - burst - observed.panic).floor() as i32
}

#[cfg(test)]
mod tests;
