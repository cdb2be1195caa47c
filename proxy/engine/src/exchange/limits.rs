//! What a request holds of its cluster's circuit breakers, given back by dropping it. Owns which limit is whose; the counts are
//! `forebay_balance`'s.

use std::rc::Rc;

use forebay_balance::Use;
use forebay_model::{ClusterConfig, Limits};

use crate::config::ClusterState;

/// One use of a cluster, counted until dropped.
pub(crate) struct Hold {
    state: Rc<ClusterState>,
    what: Use,
    high: bool,
}

impl Hold {
    /// Counts one more, unless the limit is reached.
    #[inline]
    pub(crate) fn of(
        state: &Rc<ClusterState>,
        what: Use,
        priority: Priority,
        config: &ClusterConfig,
    ) -> Option<Self> {
        let limits = priority.limits(config);
        let limit = match what {
            Use::Connections => limits.max_connections,
            Use::Pending => limits.max_pending_requests,
            Use::Requests => limits.max_requests,
            Use::Retries => retries(state, limits, priority),
        };
        let high = priority == Priority::High;
        state.breakers.enter(what, high, limit).then(|| Self { state: state.clone(), what, high })
    }

    /// Counts one that no limit keeps out.
    pub(crate) fn anyhow(state: &Rc<ClusterState>, what: Use, priority: Priority) -> Self {
        let high = priority == Priority::High;
        state.breakers.force(what, high);
        Self { state: state.clone(), what, high }
    }
}

impl Drop for Hold {
    #[inline]
    fn drop(&mut self) {
        self.state.breakers.leave(self.what, self.high);
    }
}

/// Which of a cluster's limits count a request: its route says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Priority {
    /// Most.
    #[default]
    Default,
    /// Those of a route with `priority: HIGH`.
    High,
}

impl Priority {
    fn limits(self, config: &ClusterConfig) -> &Limits {
        match self {
            Priority::Default => &config.limits,
            Priority::High => &config.high_limits,
        }
    }
}

/// A number, or a share of what is in flight.
fn retries(state: &ClusterState, limits: &Limits, priority: Priority) -> u32 {
    let used = |what| state.breakers.count(what, priority == Priority::High);
    limits.retries(used(Use::Requests), used(Use::Pending))
}
