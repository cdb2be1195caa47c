//! Sources (a directory of manifests) to `knative` to xDS resources in a store. Knows nothing of `proxy/*`.
//!
//! ```text
//! files ── directory ──> Event ──> Control { declared, World } ── translate ──> Store
//!                                     └──> revisions to run, lines for people, records for the state directory
//! ```

pub mod directory;
pub mod translate;

mod control;
mod declared;
mod state;

pub use control::{Control, Level, Line, Run, Work};
pub use directory::{Directory, Event, OpenError};
pub use state::{Journal, Record, StateError};
