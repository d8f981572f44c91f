//! The run over time, in at most 100 intervals.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::outcome::Outcome;

const INTERVALS: u64 = 100;
/// Shorter intervals would show the noise of single requests.
const SHORTEST_NS: u64 = 100_000_000;

/// One interval of time.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    /// Requests that were due in it.
    pub offered: u64,
    /// Requests that ended in it, by outcome.
    pub answered: u64,
    pub refused: u64,
    pub failed: u64,
    /// Latencies in nanoseconds of the requests answered in it, up to ten minutes, with two significant digits.
    pub latencies: Histogram<u32>,
}

/// All intervals, from the start of the run.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    width_ns: u64,
    intervals: Vec<Interval>,
}

impl Timeline {
    pub(crate) fn new(duration: Duration) -> Self {
        let duration_ns = duration.as_nanos() as u64;
        let width_ns = duration_ns.div_ceil(INTERVALS).max(SHORTEST_NS);
        let interval = || Interval {
            offered: 0,
            answered: 0,
            refused: 0,
            failed: 0,
            latencies: Histogram::new_with_bounds(1_000, 600_000_000_000, 2)
                .expect("bounds in order"),
        };
        let count = duration_ns.div_ceil(width_ns).max(1);
        Self {
            width_ns,
            intervals: (0..count).map(|_| interval()).collect(),
        }
    }

    pub(super) fn done(&mut self, due_ns: u64, done_ns: u64, outcome: Outcome) {
        let width_ns = self.width_ns;
        let at = |ns: u64| (ns / width_ns) as usize;
        if let Some(interval) = self.intervals.get_mut(at(due_ns)) {
            interval.offered += 1;
        }
        // Requests that end after the run are counted in the totals only.
        let Some(interval) = self.intervals.get_mut(at(done_ns)) else {
            return;
        };
        match outcome {
            Outcome::Answered => {
                interval.answered += 1;
                interval
                    .latencies
                    .saturating_record(done_ns.saturating_sub(due_ns));
            }
            Outcome::Refused => interval.refused += 1,
            Outcome::Failed => interval.failed += 1,
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (own, other) in self.intervals.iter_mut().zip(&other.intervals) {
            own.offered += other.offered;
            own.answered += other.answered;
            own.refused += other.refused;
            own.failed += other.failed;
            own.latencies
                .add(&other.latencies)
                .expect("the same bounds");
        }
    }

    pub(crate) fn width_seconds(&self) -> f64 {
        self.width_ns as f64 * 1e-9
    }

    pub(crate) fn intervals(&self) -> &[Interval] {
        &self.intervals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_few_intervals_and_none_is_short() {
        let check = |seconds: u64, width_seconds: f64, count: usize| {
            let timeline = Timeline::new(Duration::from_secs(seconds));
            assert!(
                (timeline.width_seconds() - width_seconds).abs() < 1e-9,
                "{}",
                timeline.width_seconds()
            );
            assert_eq!(timeline.intervals().len(), count);
        };
        check(1, 0.1, 10);
        check(20, 0.2, 100);
        check(1800, 18.0, 100);
    }

    #[test]
    fn requests_count_when_due_and_answers_when_received() {
        let mut timeline = Timeline::new(Duration::from_secs(1));
        timeline.done(50_000_000, 250_000_000, Outcome::Answered);
        timeline.done(950_000_000, 2_000_000_000, Outcome::Answered);
        let counts: Vec<(u64, u64)> = timeline
            .intervals()
            .iter()
            .map(|one| (one.offered, one.answered))
            .collect();
        assert_eq!(counts[..3], [(1, 0), (0, 0), (0, 1)]);
        assert_eq!(counts[9], (1, 0));
        let latency = timeline.intervals()[2].latencies.max() as f64;
        assert!((latency / 200e6 - 1.0).abs() < 0.01);
    }
}
