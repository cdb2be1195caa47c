//! The right to run. Knows nothing of what runs.

use std::sync::Arc;

use crate::gate::Gate;

/// Leave to run. Dropping it frees the slot, or hands it to the oldest who waits.
#[must_use = "dropping a permit gives it back"]
pub struct Permit<G: AsRef<Gate> = Arc<Gate>> {
    /// `None` once it no longer counts.
    gate: Option<G>,
}

impl<G: AsRef<Gate>> Permit<G> {
    /// For a slot that is taken already.
    pub(crate) fn of(gate: G) -> Self {
        Self { gate: Some(gate) }
    }

    /// Ends without giving anything back: the slot went away before.
    pub(crate) fn forget(mut self) {
        self.gate = None;
    }
}

impl<G: AsRef<Gate>> Drop for Permit<G> {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            gate.as_ref().release(1);
        }
    }
}
