//! A runtime on a thread of its own, so that tests can be written top to bottom.

use std::future::Future;

use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What is spawned on it runs until this is dropped.
pub struct Background {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

impl Background {
    pub fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::spawn(move || drop(runtime.block_on(stopped)));
        Self { handle, _stop: stop }
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    pub fn spawn<F: Future<Output: Send> + Send + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        self.handle.spawn(future)
    }

    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}
