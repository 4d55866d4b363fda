//! Waits that differ from node to node, from a seed, so that a simulation replays.

use std::time::Duration;

/// A stream of numbers (`SplitMix64`). Not for secrets.
#[derive(Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Between half of `wait` and `wait`.
    pub(super) fn spread(&mut self, wait: Duration) -> Duration {
        let half = wait / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX - 1);
        half + Duration::from_micros(self.next() % (micros + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_spread_over_its_upper_half_and_the_same_for_the_same_seed() {
        let waits = |seed| {
            let mut jitter = Jitter::new(seed);
            (0..100).map(|_| jitter.spread(Duration::from_millis(50))).collect::<Vec<_>>()
        };
        assert!(waits(1).iter().all(|w| (25..=50).contains(&w.as_millis())));
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
