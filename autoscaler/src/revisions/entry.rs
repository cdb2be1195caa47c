//! One revision: its load, its decider, its scaler, and what they said last. Knows nothing of other revisions.

use std::sync::Arc;

use forebay_base::duration::show;
use forebay_report::metrics::Stat;

use super::Status;
use crate::decision::{By, Decider, Decision, Observed};
use crate::moment::Moment;
use crate::scaler::{Scaler, Seen, Why};
use crate::settings::{Metric, Settings};
use crate::window::Load;

/// Why a sample was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadStat {
    #[error("a value is not a finite number")]
    NotFinite,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// Shared with every revision that has equal ones.
    pub(super) settings: Arc<Settings>,
    /// Present while something was heard within the stable window.
    load: Option<Box<Load>>,
    decider: Decider,
    scaler: Scaler,
    decision: Decision,
    why: Why,
    pub(super) ready: u32,
    /// Replicas last ordered.
    ordered: u32,
    pub(super) reachable: bool,
    /// Whether a sample came in since the last look.
    pub(super) heard: bool,
    /// When to look again; `None` = when something happens.
    pub(super) due: Option<Moment>,
}

impl Entry {
    pub(super) fn new(settings: Arc<Settings>, scaler: Scaler, reachable: bool, now: Moment) -> Self {
        Self {
            settings,
            load: None,
            decider: Decider::new(0, now),
            scaler,
            decision: Decision {
                desired: 0,
                excess_burst_capacity: 0,
                panicking: false,
                decided_by: By::StableWindow,
            },
            why: Why::InitialScale,
            ready: 0,
            ordered: 0,
            reachable,
            heard: false,
            due: None,
        }
    }

    /// New settings. Load of another kind is forgotten; windows of another length keep the newest of it.
    pub(super) fn change(&mut self, settings: Arc<Settings>, reachable: bool, now: Moment) {
        let old = std::mem::replace(&mut self.settings, settings);
        let new = &self.settings;
        self.reachable = reachable;
        if old.metric != new.metric || old.averaging != new.averaging || old.bucket != new.bucket {
            self.load = None;
        } else if let Some(load) = &mut self.load {
            load.resize(new.stable_window, new.panic_window, now);
        }
    }

    /// Takes in one sample. What came through an activator was counted there already.
    pub(super) fn record(&mut self, stat: &Stat, now: Moment) -> Result<(), BadStat> {
        let value = match self.settings.metric {
            Metric::Concurrency => {
                stat.average_concurrent_requests - stat.average_proxied_concurrent_requests
            }
            Metric::Rps => stat.request_count - stat.proxied_request_count,
            Metric::Unscaled => return Ok(()),
        };
        if !value.is_finite() {
            return Err(BadStat::NotFinite);
        }
        // Reporters leave the time to us. A time to come would make everything reported until then look late.
        let at = match u64::try_from(stat.timestamp) {
            Ok(0) | Err(_) => now,
            Ok(secs) => Moment::from_secs(secs).min(now),
        };
        let s = &self.settings;
        self.load
            .get_or_insert_with(|| {
                Box::new(Load::new(s.stable_window, s.panic_window, s.bucket, s.averaging))
            })
            .record(at, value);
        self.heard = true;
        Ok(())
    }

    /// Decides and reconciles. Returns the replicas to order and why, if they changed; sets `due`.
    pub(super) fn look(&mut self, now: Moment) -> Option<(u32, String)> {
        self.heard = false;
        if self.load.as_mut().is_some_and(|load| load.release(now)) {
            self.load = None;
        }
        let (stable, panic) = self.averages(now);
        let observed = Observed { ready: self.ready, stable, panic, reachable: self.reachable };
        self.decision = self.decider.decide(&self.settings, observed, now);
        let seen = Seen { desired: self.decision.desired, ready: self.ready, reachable: self.reachable };
        let outcome = self.scaler.reconcile(&self.settings, seen, now);
        self.why = outcome.why;

        // Without load, panic and delay the decision stands until something happens: no tick is spent on it.
        let fades = self.load.is_some() || !self.decider.settle(now);
        let tick = fades.then(|| now.next_on_grid(self.settings.tick));
        self.due = [tick, outcome.again].into_iter().flatten().min();

        let before = std::mem::replace(&mut self.ordered, outcome.replicas);
        (before != outcome.replicas).then(|| (outcome.replicas, self.reason(stable, panic)))
    }

    pub(super) fn status(&self, namespace: &Arc<str>, name: &Arc<str>, now: Moment) -> Status {
        let (stable, panic) = self.averages(now);
        Status {
            namespace: namespace.clone(),
            name: name.clone(),
            desired: self.decision.desired,
            wanted: self.ordered,
            ready: self.ready,
            metric: self.settings.metric,
            target: self.settings.target,
            stable,
            panic,
            panicking: self.decision.panicking,
            excess_burst_capacity: self.decision.excess_burst_capacity,
            activity: self.scaler.activity(),
            initialized: self.scaler.is_initialized(),
            reason: self.reason(stable, panic),
        }
    }

    #[cfg(test)]
    pub(super) fn has_load(&self) -> bool {
        self.load.is_some()
    }

    fn averages(&self, now: Moment) -> (f64, f64) {
        self.load.as_ref().map_or((0.0, 0.0), |load| load.averages(now))
    }

    /// What decided the number of replicas, in words.
    fn reason(&self, stable: f64, panic: f64) -> String {
        let s = &self.settings;
        match self.why {
            Why::Demand => {}
            Why::Activating { .. } if !self.scaler.is_initialized() && s.initial_scale > 0 => {
                return Why::InitialScale.words(s).to_string();
            }
            why => return why.words(s).to_string(),
        }
        let unit = match s.metric {
            Metric::Rps => "requests per second",
            Metric::Concurrency | Metric::Unscaled => "requests in flight",
        };
        let long = format!("{stable:.2} {unit} over {}, {} per replica", show(s.stable_window), s.target);
        let short = format!("{panic:.2} {unit} over {}, {} per replica", show(s.panic_window), s.target);
        match self.decision.decided_by {
            By::Activation => format!("activation-scale {}", s.activation_scale),
            By::Delay => format!("scale-down-delay {}", show(s.scale_down_delay)),
            By::DownRate => {
                format!("{long}, shrinking at most by max-scale-down-rate {}", s.max_scale_down_rate)
            }
            By::Panic => format!("panic: nothing is taken away for {} after a surge", show(s.stable_window)),
            By::PanicWindow => format!("panic: {short}"),
            By::StableWindow => long,
            By::Unscaled => "not scaled by load: its autoscaler class needs a cluster".to_owned(),
            By::UpRate => format!("{short}, growing at most by max-scale-up-rate {}", s.max_scale_up_rate),
        }
    }
}
