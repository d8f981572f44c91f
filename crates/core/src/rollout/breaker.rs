//! A circuit breaker for a canary or teacher: after several failures in a row, no request is sent to it for a while.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// This many failures in a row open it.
pub(super) const FAILURES: u32 = 5;

/// How long it stays open; then the next request tries again, and one more failure opens it again.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

/// Two atomics, since every request passes it.
#[derive(Debug)]
pub(super) struct Breaker {
    made: Instant,
    in_a_row: AtomicU32,
    /// Open until then, in microseconds after `made`.
    open_until: AtomicU64,
}

impl Breaker {
    /// A closed breaker.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            made: now,
            in_a_row: AtomicU32::new(0),
            open_until: AtomicU64::new(0),
        }
    }

    /// Whether a request may try the version.
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.since(now) >= self.open_until.load(Relaxed)
    }

    /// Records that the version answered.
    pub(super) fn succeeded(&self) {
        // Most requests succeed: reading first keeps the cache line shared.
        if self.in_a_row.load(Relaxed) != 0 {
            self.in_a_row.store(0, Relaxed);
        }
    }

    /// Records that the version failed, refused or was late.
    pub(super) fn failed(&self, now: Instant) {
        let before = self.in_a_row.fetch_add(1, Relaxed);
        if before + 1 >= FAILURES {
            // Not reset to 0: after the pause, one failure is enough.
            self.in_a_row.store(FAILURES - 1, Relaxed);
            self.open_until.store(self.since(now + PAUSE), Relaxed);
        }
    }

    fn since(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.made).as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_a_row_of_failures_and_tries_again_after_the_pause() {
        let start = Instant::now();
        let breaker = Breaker::new(start);
        (1..FAILURES).for_each(|_| breaker.failed(start));
        breaker.succeeded();
        (1..FAILURES).for_each(|_| breaker.failed(start));
        assert!(breaker.admits(start), "never {FAILURES} in a row");
        breaker.failed(start);
        assert!(!breaker.admits(start));
        assert!(!breaker.admits(start + PAUSE - Duration::from_micros(1)));
        assert!(breaker.admits(start + PAUSE));
        breaker.failed(start + PAUSE);
        assert!(!breaker.admits(start + PAUSE), "one failure opens it again");
        breaker.succeeded();
        let later = start + 3 * PAUSE;
        (1..FAILURES).for_each(|_| breaker.failed(later));
        assert!(breaker.admits(later), "a success had closed it");
    }
}
