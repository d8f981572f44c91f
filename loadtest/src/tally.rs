//! Outcomes of requests: counts and latencies by phase, failures by reason, and a timeline.

mod outcome;
mod reasons;
mod timeline;

use std::time::Duration;

use hdrhistogram::Histogram;

pub(crate) use outcome::Outcome;
pub(crate) use reasons::{Reason, Reasons};
pub(crate) use timeline::Timeline;

/// An empty histogram of nanoseconds, from a microsecond to an hour, with three significant digits.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 3_600_000_000_000, 3).expect("bounds in order")
}

/// The counts of one phase, of one thread or of all threads.
#[derive(Clone, Debug)]
pub(crate) struct PhaseTally {
    pub answered: Histogram<u64>,
    pub refused: Histogram<u64>,
    /// Sent, but neither answered correctly nor refused.
    pub failed: u64,
    /// Due, but never sent, because no connection became free within the plan's `max_wait`.
    pub given_up: u64,
    /// How late this program sent requests for which a connection was free.
    pub lateness: Histogram<u64>,
    pub reasons: Reasons,
}

/// The counts of a whole run, of one thread or of all threads.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// One for each phase of the plan.
    pub phases: Vec<PhaseTally>,
    pub timeline: Timeline,
}

impl PhaseTally {
    fn new() -> Self {
        Self {
            answered: latencies(),
            refused: latencies(),
            failed: 0,
            given_up: 0,
            lateness: latencies(),
            reasons: Reasons::default(),
        }
    }

    /// The number of requests that were due.
    pub(crate) fn offered(&self) -> u64 {
        self.answered.len() + self.lost()
    }

    /// The number of requests that were due and not answered.
    pub(crate) fn lost(&self) -> u64 {
        self.refused.len() + self.failed + self.given_up
    }

    fn merge(&mut self, other: Self) {
        let same = "histograms have the same bounds";
        self.answered.add(other.answered).expect(same);
        self.refused.add(other.refused).expect(same);
        self.lateness.add(other.lateness).expect(same);
        self.failed += other.failed;
        self.given_up += other.given_up;
        self.reasons.merge(other.reasons);
    }
}

impl Tally {
    pub(crate) fn new(phases: usize, duration: Duration) -> Self {
        Self {
            phases: (0..phases).map(|_| PhaseTally::new()).collect(),
            timeline: Timeline::new(duration),
        }
    }

    /// Records that a request of `phase`, due at `due_ns`, ended at `done_ns`.
    pub(crate) fn done(&mut self, phase: usize, due_ns: u64, done_ns: u64, outcome: Outcome) {
        let latency_ns = done_ns.saturating_sub(due_ns);
        let tally = &mut self.phases[phase];
        match outcome {
            Outcome::Answered => tally.answered.saturating_record(latency_ns),
            Outcome::Refused => tally.refused.saturating_record(latency_ns),
            Outcome::Failed => tally.failed += 1,
        }
        self.timeline.done(due_ns, done_ns, outcome);
    }

    /// Records a request that no connection became free for in time.
    pub(crate) fn given_up(&mut self, phase: usize, due_ns: u64, now_ns: u64) {
        let tally = &mut self.phases[phase];
        tally.given_up += 1;
        tally
            .reasons
            .note(0, "never sent: no connection was free in time", String::new);
        self.timeline.done(due_ns, now_ns, Outcome::Failed);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (own, other) in self.phases.iter_mut().zip(other.phases) {
            own.merge(other);
        }
        self.timeline.merge(&other.timeline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn percentiles_are_those_of_the_values_to_three_digits() {
        let mut latencies = latencies();
        for step in 1..=100_000 {
            latencies.saturating_record(step * MS / 100);
        }
        for percent in [1.0, 50.0, 99.0, 99.9, 100.0] {
            let found = latencies.value_at_quantile(percent / 100.0) as f64 / MS as f64;
            let expected = percent * 10.0;
            assert!((found / expected - 1.0).abs() < 1e-3, "p{percent}: {found}");
        }
    }

    #[test]
    fn threads_add_up_and_what_is_due_is_accounted_for() {
        let mut all = Tally::new(2, Duration::from_secs(1));
        for thread in 0..3 {
            let mut one = Tally::new(2, Duration::from_secs(1));
            one.done(0, 0, (thread + 1) * MS, Outcome::Answered);
            one.done(1, 500 * MS, 501 * MS, Outcome::Refused);
            one.done(1, 500 * MS, 501 * MS, Outcome::Failed);
            one.given_up(1, 500 * MS, 900 * MS);
            all.merge(one);
        }
        assert_eq!((all.phases[0].offered(), all.phases[0].lost()), (3, 0));
        assert_eq!((all.phases[1].offered(), all.phases[1].lost()), (9, 9));
        assert!((all.phases[0].answered.max() as f64 / MS as f64 - 3.0).abs() < 0.01);
        let intervals = all.timeline.intervals();
        assert_eq!(
            intervals
                .iter()
                .map(|interval| interval.offered)
                .sum::<u64>(),
            12
        );
        assert_eq!(
            intervals
                .iter()
                .map(|interval| interval.failed)
                .sum::<u64>(),
            6
        );
    }
}
