//! Knative's pod autoscaler (KPA) on one machine: windows over reported load, the decision, the scaling of a revision
//! between zero and its bounds, and the websocket server that hears the gateway. Knows nothing of proxies, processes or
//! manifests: it is told how many replicas are ready and says how many there should be.
//!
//! Top down: [`Autoscaler`] is the running part; it drives one [`scaler::Scaler`] and one [`decision::Decider`] per
//! revision over the [`window::Load`] that the [`stat_server`] hears. Everything below [`Autoscaler`] and
//! [`stat_server`] is pure: time is an argument ([`Moment`]).
//!
//! What differs from Knative's autoscaler, on purpose:
//! - The gateway itself holds waiting requests, so "the activator is in the path" is always true: no probe before the
//!   last replica goes, no ServerlessService modes. Excess burst capacity is computed and shown, nothing depends on it.
//! - The gateway sees every request, so nothing is scraped and no data means no load (Knative's own rule where the
//!   activator is always in the path, `target-burst-capacity: -1`).
//! - A report of load is acted on when it arrives, not at the next tick; ticks only let load fade.
//! - `initial-scale: "0"` is allowed unless `allow-zero-initial-scale: "false"` is configured.
//! - A changed `scale-down-delay` takes effect at once (Knative keeps the delay a revision started with).
//! - `progress-deadline` is exact: Knative adds 30 s so that a Deployment can report first; there is none here.

mod actor;
pub mod decision;
mod moment;
mod revisions;
pub mod scaler;
pub mod settings;
pub mod stat_server;
pub mod window;

pub use actor::{Autoscaler, Config, StartError};
pub use moment::Moment;
pub use revisions::{ScaleTo, Status};
pub use settings::{Defaults, Settings};
