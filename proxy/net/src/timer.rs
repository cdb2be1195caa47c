//! Coarse timeouts of one worker: thousands of them on one tokio timer. Knows nothing of what they end.
//!
//! For idle times and request deadlines, which almost never fire: starting one is a few stores, moving it further is
//! one. It fires up to [`RESOLUTION`] and a millisecond late, never early. For shorter or exact waits use
//! `tokio::time`.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::{Clock, Micros};
use crate::wheel::Wheel;

/// One tick, in microseconds: a power of two near the 5 to 10 ms that nobody notices in a timeout.
const TICK: u64 = 1 << 13;

/// How late a timeout may fire, about.
pub const RESOLUTION: Duration = Duration::from_micros(TICK);

/// The timers of one worker. Clones are the same timers.
#[derive(Clone)]
pub struct Timer(Rc<Inner>);

struct Inner {
    clock: Clock,
    wheel: RefCell<Wheel>,
    /// The tick that the driver sleeps for; `u64::MAX` while it has nothing to wait for.
    planned: Cell<u64>,
    driver: Cell<Option<Waker>>,
    /// Reused from turn to turn.
    fired: Cell<Vec<Waker>>,
}

impl Timer {
    /// Timers that go by `clock`. Nothing fires before [`Timer::run`] runs.
    pub fn new(clock: Clock) -> Self {
        let now = clock.tick().0 / TICK;
        Self(Rc::new(Inner {
            clock,
            wheel: RefCell::new(Wheel::new(now)),
            planned: Cell::new(u64::MAX),
            driver: Cell::new(None),
            fired: Cell::default(),
        }))
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// A timeout so long from now. Reads the clock: counting from its last tick would let a worker that just woke from
    /// an hour's idling start timeouts that are over already. Who knows the time uses `at`.
    pub fn after(&self, duration: Duration) -> Timeout {
        self.at(self.0.clock.tick().after(duration))
    }

    /// A timeout at a moment.
    pub fn at(&self, deadline: Micros) -> Timeout {
        Timeout { timer: self.clone(), deadline, key: None }
    }

    /// A timeout that is off: it fires only after a `reset`.
    pub fn never(&self) -> Timeout {
        self.at(NEVER)
    }

    /// Timeouts that are registered: polled once and not dropped.
    pub fn len(&self) -> usize {
        self.0.wheel.borrow().len()
    }

    /// Whether no timeout is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drives the timers, for ever. One task per worker runs it.
    pub async fn run(&self) {
        let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
        poll_fn(|cx| {
            loop {
                let now = self.turn();
                let next = self.0.wheel.borrow().next();
                self.0.planned.set(next.unwrap_or(u64::MAX));
                self.0.driver.set(Some(cx.waker().clone()));
                let Some(next) = next else { return Poll::Pending };
                let wait = Duration::from_micros((next * TICK).saturating_sub(now.0));
                sleep.as_mut().reset(tokio::time::Instant::now() + wait);
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Reads the clock and wakes whoever's time has come.
    fn turn(&self) -> Micros {
        let now = self.0.clock.tick();
        let mut fired = self.0.fired.take();
        self.0.wheel.borrow_mut().advance(now.0 / TICK, &mut fired);
        // After the borrow: waking may run code that starts or drops timeouts.
        fired.drain(..).for_each(Waker::wake);
        self.0.fired.set(fired);
        now
    }

    /// Lets the driver see a deadline that is nearer than what it sleeps for.
    fn hurry(&self, tick: u64) {
        if tick < self.0.planned.get() {
            // Once is enough until the driver has looked.
            self.0.planned.set(tick);
            if let Some(driver) = self.0.driver.take() {
                driver.wake();
            }
        }
    }
}

/// The deadline of a timeout that is off.
const NEVER: Micros = Micros(u64::MAX);

/// One timeout. Registered on the first poll that finds it pending; dropping it cancels it. Off or on, it is three words,
/// and polling it allocates nothing.
pub struct Timeout {
    timer: Timer,
    deadline: Micros,
    key: Option<u32>,
}

impl Timeout {
    /// When it fires.
    pub fn deadline(&self) -> Option<Micros> {
        (self.deadline != NEVER).then_some(self.deadline)
    }

    /// The clock it goes by.
    pub fn clock(&self) -> &Clock {
        &self.timer.0.clock
    }

    /// Starts anew: so long from now. Reads the clock, as `Timer::after`. The task that polled it last is woken then.
    pub fn reset(&mut self, duration: Duration) {
        self.reset_at(self.timer.0.clock.tick().after(duration));
    }

    /// Starts anew, for a moment.
    pub fn reset_at(&mut self, deadline: Micros) {
        self.deadline = deadline;
        let Some(key) = self.key else { return };
        if deadline == NEVER {
            self.cancel();
            return;
        }
        let mut wheel = self.timer.0.wheel.borrow_mut();
        // One that fired has lost its waker: the next poll registers it again.
        if !wheel.fired(key) {
            wheel.postpone(key, tick(deadline));
            drop(wheel);
            self.timer.hurry(tick(deadline));
        }
    }

    /// Turns it off. `reset` turns it on again.
    pub fn stop(&mut self) {
        self.deadline = NEVER;
        self.cancel();
    }

    /// Ready once the time has come, and from then on until reset.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline == NEVER {
            return Poll::Pending;
        }
        if self.timer.0.clock.now() >= self.deadline {
            return Poll::Ready(());
        }
        let tick = tick(self.deadline);
        let stale;
        {
            let mut wheel = self.timer.0.wheel.borrow_mut();
            match self.key {
                None => {
                    self.key = Some(wheel.insert(tick, cx.waker().clone()));
                    stale = None;
                }
                Some(key) => {
                    if wheel.fired(key) {
                        wheel.postpone(key, tick);
                    }
                    stale = wheel.set_waker(key, cx.waker());
                }
            }
        }
        // After the borrow: dropping a waker may drop its task, and that task its timeouts.
        drop(stale);
        self.timer.hurry(tick);
        Poll::Pending
    }

    fn cancel(&mut self) {
        if let Some(key) = self.key.take() {
            let waker = self.timer.0.wheel.borrow_mut().remove(key);
            drop(waker);
        }
    }
}

impl Future for Timeout {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_expired(cx)
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// The first tick at which the moment has passed.
fn tick(deadline: Micros) -> u64 {
    deadline.0.div_ceil(TICK)
}

#[cfg(test)]
mod tests;
