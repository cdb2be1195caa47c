//! How it ends: probes say no, then nothing may come for a while, then what is in flight finishes. Owns the drain that `preStop`
//! and SIGTERM share; knows no signals and no sockets.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use forebay_net::{Clock, Micros};
use tokio::sync::Notify;
use tokio::time::sleep;

/// serving: `vendor/knative.dev/pkg/network/handlers/drain.go`: all who ask for a drain wait for the same one, and it is over when
/// no request has come for a while.
pub(crate) struct Quiet {
    period: Duration,
    clock: Clock,
    draining: RefCell<Option<Rc<Draining>>>,
    /// Whether there is a drain: what every request looks at.
    on: Cell<bool>,
    last: Cell<Micros>,
}

#[derive(Default)]
struct Draining {
    over: Cell<bool>,
    told: Notify,
}

impl Draining {
    fn end(&self) {
        self.over.set(true);
        self.told.notify_waiters();
    }

    async fn ended(&self) {
        let told = self.told.notified();
        if !self.over.get() {
            told.await;
        }
    }
}

impl Quiet {
    pub(crate) fn new(period: Duration, clock: Clock) -> Rc<Self> {
        Rc::new(Self {
            period,
            clock,
            draining: RefCell::default(),
            on: Cell::new(false),
            last: Cell::default(),
        })
    }

    /// Whether probes are to fail.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.get()
    }

    /// A request has come that is no probe.
    #[inline]
    pub(crate) fn touch(&self, now: Micros) {
        if self.on.get() {
            self.last.set(now);
        }
    }

    /// Starts a drain or joins the one that there is; returns when it is over or called off.
    pub(crate) async fn drain(self: &Rc<Self>) {
        let joined = self.draining.borrow().clone();
        let draining = joined.unwrap_or_else(|| self.begin());
        draining.ended().await;
    }

    fn begin(self: &Rc<Self>) -> Rc<Draining> {
        let draining = Rc::<Draining>::default();
        *self.draining.borrow_mut() = Some(draining.clone());
        self.on.set(true);
        self.last.set(self.clock.tick());
        let (this, watched) = (self.clone(), draining.clone());
        tokio::task::spawn_local(async move {
            loop {
                let now = this.clock.tick();
                let until = this.last.get().after(this.period);
                if now >= until || watched.over.get() {
                    return watched.end();
                }
                sleep(Duration::from_micros(until.since(now))).await;
            }
        });
        draining
    }

    /// Calls a drain off: it was for the app's container alone. Whoever waits for it goes on.
    pub(crate) fn reset(&self) {
        self.on.set(false);
        let draining = self.draining.borrow_mut().take();
        if let Some(draining) = draining {
            draining.end();
        }
    }
}

/// Requests that are being served, by whether a connection of HTTP/1.1 belongs to them alone.
#[derive(Default)]
pub(crate) struct InFlight {
    all: Cell<u32>,
    /// Upgraded connections and streams of HTTP/2: the reference's server lets go of their connections.
    apart: Cell<u32>,
    ended: Notify,
}

impl InFlight {
    pub(crate) fn all(&self) -> u32 {
        self.all.get()
    }

    /// Waits until nothing is left but upgraded connections and streams of HTTP/2.
    pub(crate) async fn only_apart(&self) {
        self.until(|| self.all.get() == self.apart.get()).await;
    }

    /// Waits until nothing is left.
    pub(crate) async fn none(&self) {
        self.until(|| self.all.get() == 0).await;
    }

    async fn until(&self, done: impl Fn() -> bool) {
        loop {
            let ended = self.ended.notified();
            if done() {
                return;
            }
            ended.await;
        }
    }

    fn add(count: &Cell<u32>) {
        count.set(count.get() + 1);
    }

    fn sub(&self, count: &Cell<u32>) {
        count.set(count.get().saturating_sub(1));
        self.ended.notify_waiters();
    }
}

/// One request, counted until dropped.
pub(crate) struct Counted {
    of: Rc<InFlight>,
    apart: bool,
}

impl Counted {
    pub(crate) fn new(of: &Rc<InFlight>, apart: bool) -> Self {
        InFlight::add(&of.all);
        if apart {
            InFlight::add(&of.apart);
        }
        Self { of: of.clone(), apart }
    }

    /// Its connection was upgraded.
    pub(crate) fn set_apart(&mut self) {
        if !std::mem::replace(&mut self.apart, true) {
            InFlight::add(&self.of.apart);
            self.of.ended.notify_waiters();
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.of.sub(&self.of.all);
        if self.apart {
            self.of.sub(&self.of.apart);
        }
    }
}

#[cfg(test)]
mod tests;
