//! Gradual rollout: a new latest revision takes its configuration's share in steps, not at once. Pure, time is an
//! argument. Knows nothing of routes or hosts (facts/serving.md 4.6).
//!
//! Shares always sum to the configuration's percent, and no revision is kept with 0.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::traffic::Group;

/// The shares of one configuration in one origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rollout {
    pub(crate) configuration_name: Arc<str>,
    /// Empty: the main hosts.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) tag: Arc<str>,
    pub(crate) percent: u8,
    /// Oldest first. More than one: a rollout is under way.
    pub(crate) revisions: Vec<Part>,
    #[serde(default)]
    pub(crate) step_params: Steps,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Part {
    pub(crate) revision_name: Arc<str>,
    pub(crate) percent: u8,
}

/// Times in nanoseconds since 1970, as Knative writes them into the KIngress' annotation; 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Steps {
    #[serde(rename = "starttime", skip_serializing_if = "is_zero")]
    start_time: i64,
    #[serde(skip_serializing_if = "is_zero")]
    next_step_time: i64,
    #[serde(skip_serializing_if = "is_zero")]
    step_duration: i64,
    #[serde(skip_serializing_if = "is_zero")]
    step_size: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// The state of every latestRevision share, by tag, then configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Rollouts {
    pub(crate) configurations: Vec<Rollout>,
}

impl Rollouts {
    /// Everything at once: each configuration's latest revision has its whole share.
    pub(crate) fn of(groups: &[Group]) -> Self {
        let mut configurations: Vec<Rollout> = groups
            .iter()
            .flat_map(|group| {
                let tag: Arc<str> = group.tag.clone().unwrap_or_default();
                let latest = group.shares.iter().filter(|share| share.latest && share.percent > 0);
                latest.map(move |share| Rollout {
                    configuration_name: Arc::clone(&share.configuration),
                    tag: Arc::clone(&tag),
                    percent: share.percent,
                    revisions: vec![Part {
                        revision_name: Arc::clone(&share.revision),
                        percent: share.percent,
                    }],
                    step_params: Steps::default(),
                })
            })
            .collect();
        configurations.sort_by(|a, b| (&a.tag, &a.configuration_name).cmp(&(&b.tag, &b.configuration_name)));
        Self { configurations }
    }

    /// This as the goal, reached from `before` over `duration`: takes the first percent of a new revision, the steps
    /// that are due, or none.
    pub(crate) fn step_from(mut self, before: &Self, duration: Duration, now: SystemTime) -> Self {
        let now = nanos(now);
        for goal in &mut self.configurations {
            // One percent cannot be divided.
            if goal.percent > 1
                && let Some(before) = before.find(&goal.tag, &goal.configuration_name)
            {
                goal.continue_from(before.clone(), duration, now);
            }
        }
        self
    }

    pub(crate) fn find(&self, tag: &str, configuration: &str) -> Option<&Rollout> {
        self.configurations.iter().find(|c| &*c.tag == tag && &*c.configuration_name == configuration)
    }

    /// Nothing is on its way.
    pub(crate) fn is_done(&self) -> bool {
        self.configurations.iter().all(|c| c.revisions.len() < 2)
    }

    /// When the next step of any of them is due.
    pub(crate) fn next_step(&self) -> Option<SystemTime> {
        let pending = self.configurations.iter().filter(|c| c.revisions.len() > 1);
        let next = pending.map(|c| c.step_params.next_step_time).min()?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(next).unwrap_or(0)))
    }
}

fn nanos(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

impl Rollout {
    /// `self` is a goal of one revision.
    fn continue_from(&mut self, mut before: Rollout, duration: Duration, now: i64) {
        before.adjust(self.percent);
        let Some(latest) = self.revisions.first().map(|part| Arc::clone(&part.revision_name)) else { return };
        let Some(newest) = before.revisions.last() else { return };
        if newest.revision_name == latest {
            if before.revisions.len() > 1 {
                self.revisions = before.revisions;
                self.step_params = before.step_params;
                self.step(now);
            }
            return;
        }
        // The newest drains first: it gives the one percent the new revision begins with.
        if let Some(giver) = before.revisions.iter_mut().rev().find(|part| part.percent > 0) {
            giver.percent -= 1;
        }
        before.revisions.retain(|part| part.percent > 0 && part.revision_name != latest);
        let kept: u8 = before.revisions.iter().map(|part| part.percent).sum();
        before.revisions.push(Part { revision_name: latest, percent: self.percent - kept });
        self.revisions = before.revisions;
        if self.revisions.len() > 1 {
            self.plan(duration, now);
        }
    }

    /// The configuration's share became `goal`: the last revision gets what is more, the oldest lose what is less.
    fn adjust(&mut self, goal: u8) {
        if goal >= self.percent {
            if let Some(last) = self.revisions.last_mut() {
                last.percent += goal - self.percent;
            }
        } else {
            let mut less = self.percent - goal;
            while let Some(oldest) = self.revisions.first_mut() {
                if oldest.percent > less {
                    oldest.percent -= less;
                    break;
                }
                less -= oldest.percent;
                self.revisions.remove(0);
            }
        }
        self.percent = goal;
    }

    /// Knative waits here for the KIngress to be ready and takes that time, at least a second, for the shortest step; a
    /// gateway fed by xDS is ready in less, so the second is what is left.
    fn plan(&mut self, duration: Duration, now: i64) {
        const SHORTEST_STEP: f64 = 1.0;
        let seconds = (duration.as_secs_f64() - SHORTEST_STEP).max(1.0);
        // One percent has moved already.
        let rest = f64::from(self.percent - 1);
        let steps = (seconds / SHORTEST_STEP).max(1.0).min(rest);
        let step_duration = (seconds / steps * 1e9) as i64;
        self.step_params = Steps {
            start_time: now,
            next_step_time: now.saturating_add(step_duration),
            step_duration,
            step_size: (rest / steps).round() as i64,
        };
    }

    /// Moves one step to the newest, from the second newest backwards, if it is time.
    fn step(&mut self, now: i64) {
        if now < self.step_params.next_step_time {
            return;
        }
        let Some(mut newest) = self.revisions.pop() else { return };
        let mut size = u8::try_from(self.step_params.step_size).unwrap_or(u8::MAX);
        while let Some(giver) = self.revisions.last_mut() {
            if giver.percent > size {
                giver.percent -= size;
                newest.percent += size;
                break;
            }
            size -= giver.percent;
            newest.percent += giver.percent;
            self.revisions.pop();
        }
        self.revisions.push(newest);
        if self.revisions.len() > 1 {
            self.step_params.next_step_time = now.saturating_add(self.step_params.step_duration);
        } else {
            self.step_params = Steps::default();
        }
    }
}

#[cfg(test)]
mod tests;
