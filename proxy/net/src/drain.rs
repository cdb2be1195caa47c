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

/// How far the end has come. Phases only follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not ending.
    Running,
    /// New work is still taken, but connections are told to go elsewhere next time (`connection: close`, GOAWAY), and
    /// idle ones are closed.
    Draining,
    /// No new work; what is in flight may finish.
    Closing,
    /// The deadline: what is in flight is cut.
    Cut,
}

/// How a drain is to go.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How long `Draining` lasts before `Closing`. Zero: skipped.
    pub drain: Duration,
    /// How long `Closing` lasts before `Cut`. None: until all guards are gone.
    pub grace: Option<Duration>,
    /// Which connections are told to go while `Draining`.
    pub ramp: Ramp,
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
    began: Instant,
    lasts: Duration,
}

impl Drain {
    /// A drain that has not begun.
    pub fn new() -> Self {
        let state =
            State { phase: Phase::Running, ramp: Ramp::Immediate, began: now(), lasts: Duration::ZERO };
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

    /// Carries out a plan: draining, closing, cut, each when it is time. Ends when all guards are gone after `Closing`
    /// began, or after the cut. Returns the phase in which it ended: `Closing` if nothing had to be cut.
    pub async fn run(&self, plan: Plan) -> Phase {
        if !plan.drain.is_zero() {
            self.0.state.send_if_modified(|state| {
                let forward = state.phase < Phase::Draining;
                if forward {
                    *state =
                        State { phase: Phase::Draining, ramp: plan.ramp, began: now(), lasts: plan.drain };
                }
                forward
            });
            // Somebody may be in more of a hurry meanwhile.
            let _ = tokio::time::timeout(plan.drain, self.reached(Phase::Closing)).await;
        }
        self.advance(Phase::Closing);
        let cut = async {
            match plan.grace {
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

    /// Whether a connection should be told to go now; asked once per response.
    pub fn sends_away(&self, rng: &Rng) -> bool {
        let state = self.0.state.get();
        match (state.phase, state.ramp) {
            (Phase::Running, _) => false,
            (Phase::Draining, Ramp::Gradual) => {
                let elapsed = state.began.elapsed().as_micros().min(state.lasts.as_micros());
                let whole = u32::try_from(state.lasts.as_micros()).unwrap_or(u32::MAX).max(1);
                rng.below(whole) < u32::try_from(elapsed).unwrap_or(u32::MAX)
            }
            _ => true,
        }
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
