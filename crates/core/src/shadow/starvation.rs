//! Notices when answers are sampled but no pairs come.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// How many answers must have been sampled without a pair: a few may still be in progress.
const IN_VAIN: u64 = 20;

/// Two atomics, since requests write to it.
#[derive(Debug)]
pub(super) struct Starvation {
    made: Instant,
    in_vain: AtomicU64,
    /// Milliseconds after `made`, when the last pair came.
    fed_at: AtomicU64,
}

impl Starvation {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            made: now,
            in_vain: AtomicU64::new(0),
            fed_at: AtomicU64::new(0),
        }
    }

    /// Records that an answer was sampled.
    pub(super) fn hungry(&self, now: Instant) {
        if self.in_vain.fetch_add(1, Relaxed) == 0 {
            self.fed_at.store(self.since(now), Relaxed);
        }
    }

    /// Records a pair, or a sample for which a pair was possible.
    pub(super) fn fed(&self, now: Instant) {
        self.in_vain.store(0, Relaxed);
        self.fed_at.store(self.since(now), Relaxed);
    }

    pub(super) fn is_starved(&self, after: Duration, now: Instant) -> bool {
        let without = self.since(now).saturating_sub(self.fed_at.load(Relaxed));
        self.in_vain.load(Relaxed) >= IN_VAIN && u128::from(without) >= after.as_millis()
    }

    fn since(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.made).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_in_vain_for_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (starvation, after) = (Starvation::new(start), Duration::from_secs(60));
        // No answer was sampled for an hour: that is no starvation.
        (0..IN_VAIN - 1).for_each(|_| starvation.hungry(at(3600)));
        assert!(!starvation.is_starved(after, at(4000)), "too few");
        starvation.hungry(at(3601));
        assert!(!starvation.is_starved(after, at(3659)), "too soon");
        assert!(starvation.is_starved(after, at(3660)));
        starvation.fed(at(3661));
        assert!(!starvation.is_starved(after, at(9999)));
    }
}
