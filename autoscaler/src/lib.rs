//! Knative's pod autoscaler (KPA) on one machine. Knows nothing of proxies, processes or manifests.

mod moment;
pub mod window;

pub use moment::Moment;
