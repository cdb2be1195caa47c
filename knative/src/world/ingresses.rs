//! KIngresses as they are kept: what each differs in from others. Nearly all that one says follows from names that its Route
//! has anyway, and there are thousands. Knows nothing of what they are for.

use std::fmt;

use forebay_base::alike::{Examples, Packed};

use crate::ingress::Ingress;

/// What all kept KIngresses are compared with.
#[derive(Default)]
pub(super) struct Ingresses(Examples);

/// A kept KIngress; only the [`Ingresses`] that it was kept by give it back.
#[derive(Debug, Clone)]
pub(super) struct Kept(Packed);

impl Ingresses {
    /// Keeps `ingress` in place of what is there; false if it is the same.
    pub(super) fn replace(&mut self, kept: &mut Option<Kept>, ingress: &Ingress) -> bool {
        // A struct of texts and numbers always has a JSON.
        let bytes = serde_json::to_vec(ingress).unwrap_or_default();
        if kept.as_ref().is_some_and(|Kept(old)| *self.0.unpack(old.example, &old.bytes) == *bytes) {
            return false;
        }
        *kept = Some(Kept(self.0.pack(&bytes)));
        true
    }

    /// As it was kept.
    pub(super) fn get(&self, Kept(kept): &Kept) -> Option<Ingress> {
        serde_json::from_slice(&self.0.unpack(kept.example, &kept.bytes)).ok()
    }
}

impl fmt::Debug for Ingresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ingresses")
    }
}
