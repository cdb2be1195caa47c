//! Long work on a thread beside others that answer requests: it gives the processor away every half a millisecond, where the scheduler
//! would let it run until its next tick (4 ms at 250 Hz) and let whoever waits wait. Costs a look at the clock, and two system
//! calls a millisecond; does nothing on a thread that has said nothing of long work.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a piece of work has the processor for itself.
const LONG: Duration = Duration::from_micros(500);

/// Since when the processor was not given away.
#[derive(Debug, Clone, Copy)]
pub struct Turn(Instant);

impl Turn {
    /// Begins now.
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Lets others have the processor if this turn is over, and begins the next.
    pub fn share(&mut self) {
        if self.0.elapsed() >= LONG {
            std::thread::yield_now();
            *self = Self::begin();
        }
    }
}

thread_local! {
    /// The turn of [`long`]'s work, while there is any.
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
}

/// Does work that may be long, and shares the processor wherever it calls [`share`].
pub fn long<T>(work: impl FnOnce() -> T) -> T {
    /// Also when the work panics.
    struct End(Option<Turn>);
    impl Drop for End {
        fn drop(&mut self) {
            TURN.set(self.0);
        }
    }
    let _end = End(TURN.replace(Some(Turn::begin())));
    work()
}

/// Whoever waits may run now, if this is a piece of [`long`] work and has had the processor long enough. For loops over
/// thousands.
#[inline]
pub fn share() {
    if let Some(mut turn) = TURN.get() {
        turn.share();
        TURN.set(Some(turn));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_lasts_until_it_is_long_and_then_begins_anew() {
        let mut turn = Turn(Instant::now() + Duration::from_secs(60));
        let begun = turn.0;
        turn.share();
        assert_eq!(turn.0, begun, "its time is not over");
        let mut turn = Turn(Instant::now() - LONG);
        let begun = turn.0;
        turn.share();
        assert!(turn.0 > begun);
    }

    #[test]
    fn a_turn_that_was_shared_is_the_next_one() {
        let begun = long(|| {
            let over = Instant::now() - LONG;
            TURN.set(Some(Turn(over)));
            share();
            TURN.get().is_some_and(|turn| turn.0 > over)
        });
        assert!(begun);
    }

    #[test]
    fn only_long_work_shares_and_only_while_it_lasts() {
        share();
        assert!(TURN.get().is_none());
        let outer = long(|| {
            long(share);
            TURN.get().is_some()
        });
        assert!(outer, "an inner piece of work does not end the outer");
        assert!(TURN.get().is_none());
        let panics = std::panic::catch_unwind(|| long(|| panic!("on purpose")));
        assert!(panics.is_err() && TURN.get().is_none());
    }
}
