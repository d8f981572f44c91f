//! The last hour of counters that only grow: what they said at the beginning of each five minutes.

use std::{collections::VecDeque, time::Duration};

/// Sub-windows of the window.
pub const SUB_WINDOWS: usize = 12;

/// How long a sub-window is; they begin on the wall clock's multiples of it, so those of different replicas coincide.
pub const SUB_WINDOW: Duration = Duration::from_secs(300);

/// Readings of one set of counters. The window is what they have grown by since the oldest reading.
#[derive(Clone, Debug)]
pub struct Ring<T> {
    readings: VecDeque<(u64, T)>,
}

impl<T> Ring<T> {
    /// Begins with a reading at `now`, a time since the epoch.
    pub fn new(now: Duration, reading: T) -> Self {
        let mut readings = VecDeque::with_capacity(SUB_WINDOWS);
        readings.push_back((index(now), reading));
        Self { readings }
    }

    /// Reads the counters where a sub-window has begun since the last call. A clock that goes back begins none.
    pub fn turn(&mut self, now: Duration, read: impl FnOnce() -> T) {
        let (now, newest) = (index(now), self.readings.back().map(|(at, _)| *at));
        if newest.is_some_and(|newest| now <= newest) {
            return;
        }
        // After a long sleep most readings are of another hour; one is kept to measure from.
        while self.readings.len() > 1 && self.readings[1].0 + SUB_WINDOWS as u64 <= now + 1 {
            self.readings.pop_front();
        }
        if self.readings.len() == SUB_WINDOWS {
            self.readings.pop_front();
        }
        self.readings.push_back((now, read()));
    }

    /// The reading that the window is measured from.
    pub fn oldest(&self) -> &T {
        &self.readings[0].1
    }
}

fn index(time: Duration) -> u64 {
    time.as_secs() / SUB_WINDOW.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Duration {
        Duration::from_secs(1_000_000 * 300 + minutes * 60)
    }

    #[test]
    fn it_reaches_back_for_an_hour() {
        let mut ring = Ring::new(at(1), 0);
        for minute in 2..200 {
            ring.turn(at(minute), || minute);
            let oldest = *ring.oldest();
            let age = minute - oldest;
            match minute {
                // The first sub-window began before the process did.
                2..60 => assert_eq!(oldest, 0, "at {minute}"),
                _ => assert!((55..60).contains(&age), "{age} at {minute}"),
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_or_far_ahead_breaks_nothing() {
        let mut ring = Ring::new(at(60), 1);
        ring.turn(at(5), || 2);
        assert_eq!(*ring.oldest(), 1);
        ring.turn(at(65), || 3);
        ring.turn(at(100_000), || 4);
        // What was last known is still what the window is measured from.
        assert_eq!(*ring.oldest(), 3);
        ring.turn(at(100_060), || 5);
        assert_eq!(*ring.oldest(), 4);
    }
}
