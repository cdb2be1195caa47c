//! What an installation decides, with Knative's defaults where it has any. Knows nothing of objects.

use std::sync::Arc;
use std::time::Duration;

/// What an installation decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// Domains under which public hosts are made, `<name>.<namespace>.<domain>`; the first is the one shown in URLs.
    pub domains: Vec<Arc<str>>,
    /// `cluster.local`: the domain of `<name>.<namespace>.svc.<domain>`.
    pub cluster_domain: Arc<str>,
    /// How long a new latest revision takes to get all traffic, unless the annotation says otherwise; zero: at once.
    pub rollout_duration: Duration,
    /// Requests with `Knative-Serving-Tag: <tag>` go to that tag's target on the Route's main hosts, too.
    pub tag_header_routing: bool,
    /// Largest `timeoutSeconds` a revision may have.
    pub max_timeout_seconds: u32,
    /// Non-active revisions of one Configuration that are kept.
    pub max_non_active_revisions: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            domains: vec!["localhost".into(), "127.0.0.1.sslip.io".into()],
            cluster_domain: "cluster.local".into(),
            rollout_duration: Duration::ZERO,
            tag_header_routing: false,
            max_timeout_seconds: 600,
            max_non_active_revisions: 20,
        }
    }
}
