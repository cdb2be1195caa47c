//! A small, fast, non-cryptographic random generator, one per worker. Its numbers choose endpoints and splits; they are
//! no secrets.

use std::cell::Cell;

/// wyrand: one multiply a number, passes BigCrush, 8 bytes of state.
#[derive(Debug, Clone)]
pub struct Rng(Cell<u64>);

impl Rng {
    /// A generator with a fixed start, for tests and replays.
    pub fn seeded(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// A generator seeded from the standard library's per-process random keys.
    pub fn from_entropy() -> Self {
        use std::hash::{BuildHasher, Hasher};
        Self::seeded(std::hash::RandomState::new().build_hasher().finish())
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&self) -> u64 {
        let s = self.0.get().wrapping_add(0xa076_1d64_78bd_642f);
        self.0.set(s);
        let t = u128::from(s) * u128::from(s ^ 0xe703_7ed1_a0b4_28db);
        (t >> 64) as u64 ^ t as u64
    }

    /// A number in `0..n`, without a division (Lemire's multiply-shift; its bias for the small `n` of endpoint lists and
    /// weights is below 2^-32). 0 for `n` = 0.
    #[inline]
    pub fn below(&self, n: u32) -> u32 {
        (((self.next_u64() >> 32) * u64::from(n)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let rng = Rng::seeded(7);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[rng.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }
}
