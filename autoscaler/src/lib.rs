//! Knative's pod autoscaler (KPA) on one machine. Knows nothing of proxies, processes or manifests.

pub mod decision;
mod moment;
pub mod scaler;
pub mod settings;
pub mod stat_server;
pub mod window;

pub use moment::Moment;
pub use settings::{Defaults, Settings};
