//! Ending well: a guard is held by whatever is in flight, and the drain is done when all guards are gone. Knows nothing
//! of listeners or HTTP; they ask for the phase.
//!
//! [`Drain`] belongs to the process; each worker follows it through a [`WorkerDrain`], so that taking and dropping a
//! guard is a few instructions without an atomic.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use forebay_base::rng::Rng;
use tokio::sync::{Notify, watch};

/// How far the end has come. Phases only follow one another; some may be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not ending.
    Running,
    /// As `Draining`, for what came in by inbound listeners; all others go on as before.
    DrainingInbound,
    /// New work is still taken, but connections are told to go elsewhere next time (`connection: close`, GOAWAY).
    Draining,
    /// No new work; what is in flight may finish.
    Closing,
    /// The deadline: what is in flight is cut.
    Cut,
}

/// Envoy's drain strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ramp {
    /// All at once.
    Immediate,
    /// More and more: each response with a probability that grows from 0 to 1 over the drain time, so that the clients
    /// do not all connect anew in the same moment.
    Gradual,
}

/// The drain of a process. Clones are the same drain.
#[derive(Clone)]
pub struct Drain(Arc<Shared>);

struct Shared {
    state: watch::Sender<State>,
    /// Workers (and holders of [`Drain::guard`]) that have something in flight. Written by a worker when it takes its
    /// first guard and when it drops its last; read by `done`.
    busy: AtomicUsize,
    idle: Notify,
}

#[derive(Clone, Copy)]
struct State {
    phase: Phase,
    ramp: Ramp,
    /// The drain time.
    lasts: Duration,
    /// When connections of inbound listeners began to be told, and when all others did.
    inbound: Option<Instant>,
    others: Option<Instant>,
}

impl State {
    /// Since when connections of such a listener are told to go; `None` if they are not.
    fn began(&self, inbound: bool) -> Option<Instant> {
        if inbound { self.inbound } else { self.others }
    }
}

impl Drain {
    /// A drain that has not begun.
    pub fn new() -> Self {
        let state = State {
            phase: Phase::Running,
            ramp: Ramp::Immediate,
            lasts: Duration::ZERO,
            inbound: None,
            others: None,
        };
        let (state, _) = watch::channel(state);
        Self(Arc::new(Shared { state, busy: AtomicUsize::new(0), idle: Notify::new() }))
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.0.state.borrow().phase
    }

    /// Goes on to `phase`; going back is not possible and does nothing. Returns whether anything changed.
    pub fn advance(&self, phase: Phase) -> bool {
        self.0.state.send_if_modified(|state| {
            let forward = phase > state.phase;
            if forward {
                state.phase = phase;
            }
            forward
        })
    }

    /// Begins to drain everything, or inbound listeners alone, over the time that `lasts`. Does nothing where that drains
    /// already. Returns whether anything changed.
    pub fn begin(&self, inbound_only: bool, ramp: Ramp, lasts: Duration) -> bool {
        let phase = if inbound_only { Phase::DrainingInbound } else { Phase::Draining };
        self.0.state.send_if_modified(|state| {
            let forward = phase > state.phase;
            if forward {
                let at = now();
                let inbound = state.inbound.or(Some(at));
                let others = state.others.or((!inbound_only).then_some(at));
                *state = State { phase, ramp, lasts, inbound, others };
            }
            forward
        })
    }

    /// Ends: no new work from now on, and what is in flight is cut after `grace`; without one it may take as long as it
    /// likes. Done when all guards are gone, or after the cut. Returns the phase in which it ended: `Closing` if nothing
    /// had to be cut.
    pub async fn end(&self, grace: Option<Duration>) -> Phase {
        self.advance(Phase::Closing);
        let cut = async {
            match grace {
                // Somebody may be in more of a hurry meanwhile.
                Some(grace) => drop(tokio::time::timeout(grace, self.reached(Phase::Cut)).await),
                None => self.reached(Phase::Cut).await,
            }
        };
        tokio::select! {
            biased;
            () = self.idle() => {}
            () = cut => drop(self.advance(Phase::Cut)),
        }
        self.phase()
    }

    /// Waits until `phase` or a later one is reached.
    pub async fn reached(&self, phase: Phase) {
        // The sender lives in `self`: it cannot be gone.
        let _ = self.0.state.subscribe().wait_for(|state| state.phase >= phase).await;
    }

    /// Waits until no guard is held anywhere. Before `Closing` new ones can follow.
    pub async fn idle(&self) {
        loop {
            let notified = self.0.idle.notified();
            if self.0.busy.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Whether any guard is held.
    pub fn is_idle(&self) -> bool {
        self.0.busy.load(Ordering::Acquire) == 0
    }

    /// A guard for something that is no worker's: a control task.
    pub fn guard(&self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.0.clone())
    }

    /// A worker's view: make it on the worker, and run [`WorkerDrain::follow`] there.
    pub fn worker(&self) -> WorkerDrain {
        let state = *self.0.state.borrow();
        WorkerDrain(Rc::new(Local {
            drain: self.clone(),
            state: Cell::new(state),
            guards: Cell::new(0),
            busy: RefCell::new(None),
            waiting: RefCell::default(),
        }))
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts in a whole worker, or anything else that is in flight.
pub struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        // Release: whoever sees the count at zero sees what the work did.
        if self.0.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

/// A worker's view of the drain. Clones are the same view.
#[derive(Clone)]
pub struct WorkerDrain(Rc<Local>);

struct Local {
    drain: Drain,
    state: Cell<State>,
    guards: Cell<usize>,
    /// Held while `guards` is above zero.
    busy: RefCell<Option<Busy>>,
    waiting: RefCell<Waiting>,
}

/// Wakers of guards that wait for the next phase; places are reused.
#[derive(Default)]
struct Waiting {
    places: Vec<Option<Waker>>,
    free: Vec<u32>,
}

impl WorkerDrain {
    /// Follows the process's drain, for ever: wakes this worker's guards at each phase. One task per worker runs it.
    pub async fn follow(&self) {
        let mut states = self.0.drain.0.state.subscribe();
        loop {
            self.0.state.set(*states.borrow_and_update());
            let woken: Vec<Waker> =
                self.0.waiting.borrow_mut().places.iter_mut().filter_map(Option::take).collect();
            woken.into_iter().for_each(Waker::wake);
            if states.changed().await.is_err() {
                return;
            }
        }
    }

    /// Where the drain stands, as this worker knows it.
    #[inline]
    pub fn phase(&self) -> Phase {
        self.0.state.get().phase
    }

    /// Whether connections of such a listener are told to go, each as soon as it can be: not by and by.
    pub fn is_immediate(&self, inbound: bool) -> bool {
        let state = self.0.state.get();
        state.phase >= Phase::Closing || (state.ramp == Ramp::Immediate && state.began(inbound).is_some())
    }

    /// Whether a connection of such a listener should be told to go now; asked once per response.
    #[inline]
    pub fn sends_away(&self, inbound: bool, rng: &Rng) -> bool {
        self.phase() != Phase::Running && self.sends_this_away(inbound, rng)
    }

    #[cold]
    fn sends_this_away(&self, inbound: bool, rng: &Rng) -> bool {
        let state = self.0.state.get();
        match (state.phase, state.began(inbound), state.ramp) {
            (Phase::Closing | Phase::Cut, ..) => true,
            (_, None, _) => false,
            (_, Some(_), Ramp::Immediate) => true,
            (_, Some(began), Ramp::Gradual) => {
                let elapsed = began.elapsed().as_micros().min(state.lasts.as_micros());
                let whole = u32::try_from(state.lasts.as_micros()).unwrap_or(u32::MAX).max(1);
                rng.below(whole) < u32::try_from(elapsed).unwrap_or(u32::MAX)
            }
        }
    }

    /// When a connection without requests is to go, from now: at some moment of the drain's last third, early enough that
    /// `patience` after it the drain is not over. `None`: it is not told, for there is no such moment. So does Envoy.
    pub fn idle_leaves(&self, inbound: bool, patience: Duration, rng: &Rng) -> Option<Duration> {
        let state = self.0.state.get();
        let began = state.began(inbound)?;
        let (first, last) = (state.lasts * 2 / 3, state.lasts.checked_sub(patience)?);
        let span = u32::try_from(last.checked_sub(first)?.as_millis()).unwrap_or(u32::MAX);
        let at = first + Duration::from_millis(rng.below(span.max(1)).into());
        (span > 0).then(|| at.saturating_sub(began.elapsed()))
    }

    /// Counts something in. Held by connections, or by requests: by whatever the drain must wait for.
    #[inline]
    pub fn guard(&self) -> Guard {
        let local = &self.0;
        if local.guards.replace(local.guards.get() + 1) == 0 {
            *local.busy.borrow_mut() = Some(local.drain.guard());
        }
        Guard { local: local.clone(), seen: self.phase(), place: None }
    }

    /// Guards held on this worker.
    pub fn guards(&self) -> usize {
        self.0.guards.get()
    }
}

/// Something in flight. The drain is not done before it is dropped.
pub struct Guard {
    local: Rc<Local>,
    /// The last phase that `poll_phase` told.
    seen: Phase,
    place: Option<u32>,
}

impl Guard {
    /// Where the drain stands.
    #[inline]
    pub fn phase(&self) -> Phase {
        self.local.state.get().phase
    }

    /// Ready with the phase as soon as it is later than the last one told here (at first: than when the guard was
    /// made). Costs a comparison when nothing changed and the task is registered already; no allocation.
    pub fn poll_phase(&mut self, cx: &mut Context<'_>) -> Poll<Phase> {
        let phase = self.phase();
        if phase > self.seen {
            self.seen = phase;
            return Poll::Ready(phase);
        }
        let stale;
        {
            let mut waiting = self.local.waiting.borrow_mut();
            let place = *self.place.get_or_insert_with(|| {
                waiting.free.pop().unwrap_or_else(|| {
                    waiting.places.push(None);
                    (waiting.places.len() - 1) as u32
                })
            });
            let slot = &mut waiting.places[place as usize];
            if slot.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            stale = slot.replace(cx.waker().clone());
        }
        // After the borrow: dropping a waker may drop its task, and that task its guards.
        drop(stale);
        Poll::Pending
    }

    /// The next phase.
    pub fn next_phase(&mut self) -> impl Future<Output = Phase> {
        poll_fn(|cx| self.poll_phase(cx))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let left = self.local.guards.get() - 1;
        self.local.guards.set(left);
        let waker = self.place.and_then(|place| {
            let mut waiting = self.local.waiting.borrow_mut();
            waiting.free.push(place);
            waiting.places[place as usize].take()
        });
        drop(waker);
        if left == 0 {
            let busy = self.local.busy.borrow_mut().take();
            drop(busy);
        }
    }
}

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
