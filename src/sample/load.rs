//! How many requests the sample app has at once, now and at most. Counts; judges nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// One thread reads and writes these; they are atomics only because hyper's connections must be `Send`.
#[derive(Debug, Default)]
pub(super) struct Load {
    now: AtomicU32,
    most: AtomicU32,
    served: AtomicU32,
}

impl Load {
    pub(super) fn enter(self: &Arc<Self>) -> Present {
        let now = self.now.fetch_add(1, Relaxed) + 1;
        self.most.fetch_max(now, Relaxed);
        self.served.fetch_add(1, Relaxed);
        Present(Arc::clone(self))
    }

    pub(super) fn now(&self) -> u32 {
        self.now.load(Relaxed)
    }

    pub(super) fn most(&self) -> u32 {
        self.most.load(Relaxed)
    }

    pub(super) fn served(&self) -> u32 {
        self.served.load(Relaxed)
    }
}

/// One request that has begun and not ended.
#[derive(Debug)]
pub(super) struct Present(Arc<Load>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Relaxed);
    }
}
