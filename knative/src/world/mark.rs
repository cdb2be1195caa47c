//! One fact an object's conditions are made of: how it stands, why, and since when. Knows nothing of objects.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::api::{Condition, Status};

/// How one thing stands. Small, since every object has some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) verdict: Verdict,
    pub(super) since: Since,
}

/// A moment by the wall clock, in half the room that the system's type takes: nanoseconds since 1970, until 2554.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "SystemTime", into = "SystemTime")]
pub(super) struct Since(u64);

impl From<SystemTime> for Since {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Since> for SystemTime {
    fn from(since: Since) -> Self {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(since.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    True,
    Unknown(Option<Box<Why>>),
    False(Box<Why>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Why {
    pub(super) reason: Box<str>,
    pub(super) message: Box<str>,
}

impl Verdict {
    pub(super) fn unknown(reason: &str, message: impl Into<Box<str>>) -> Self {
        Self::Unknown(Some(Box::new(Why { reason: reason.into(), message: message.into() })))
    }

    pub(super) fn wrong(reason: &str, message: impl Into<Box<str>>) -> Self {
        Self::False(Box::new(Why { reason: reason.into(), message: message.into() }))
    }

    pub(super) fn why(&self) -> Option<&Why> {
        match self {
            Verdict::True => None,
            Verdict::Unknown(why) => why.as_deref(),
            Verdict::False(why) => Some(why),
        }
    }

    fn status(&self) -> Status {
        match self {
            Verdict::True => Status::True,
            Verdict::Unknown(_) => Status::Unknown,
            Verdict::False(_) => Status::False,
        }
    }
}

impl Mark {
    pub(super) fn new(now: SystemTime) -> Self {
        Self { verdict: Verdict::Unknown(None), since: now.into() }
    }

    /// True if it was not so before. The time moves with the status, as `lastTransitionTime` does.
    pub(super) fn set(&mut self, verdict: Verdict, now: SystemTime) -> bool {
        if self.verdict == verdict {
            return false;
        }
        if self.verdict.status() != verdict.status() {
            self.since = now.into();
        }
        self.verdict = verdict;
        true
    }

    pub(super) fn condition(&self, kind: &str) -> Condition {
        let why = self.verdict.why();
        Condition {
            kind: kind.into(),
            status: self.verdict.status(),
            reason: why.map(|why| why.reason.clone()).unwrap_or_default(),
            message: why.map(|why| why.message.clone()).unwrap_or_default(),
            last_transition_time: self.since.into(),
        }
    }
}

/// `Ready` over all of `parts`, as Knative's condition sets have it: any that is false, else any unknown, else true.
/// Among equals one that says why speaks, then the one that turned last, then the first.
pub(super) fn ready<'m>(parts: impl IntoIterator<Item = &'m Mark>) -> Mark {
    let weight = |mark: &Mark| {
        let rank = match mark.verdict {
            Verdict::False(_) => 2,
            Verdict::Unknown(_) => 1,
            Verdict::True => 0,
        };
        (rank, mark.verdict.why().is_some(), mark.since)
    };
    let worst =
        parts.into_iter().reduce(|worst, mark| if weight(mark) > weight(worst) { mark } else { worst });
    worst.cloned().unwrap_or(Mark { verdict: Verdict::True, since: SystemTime::UNIX_EPOCH.into() })
}
