//! Counts the results of a seat's live requests, for the judge. The numbers only grow and are read from time to time.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use stillhouse_metrics::LATENCY_SECONDS;

/// Latencies are counted between the edges of [`LATENCY_SECONDS`], and above the last.
const PLACES: usize = LATENCY_SECONDS.len() + 1;

/// The first requests of a seat are remembered individually.
pub const FIRST: u32 = 64;

/// How many failing callers are remembered; each counts once.
const REMEMBERED: usize = 256;

/// The counters; an answered request changes two of them.
#[derive(Debug)]
pub(super) struct Live {
    /// Answers by latency.
    answers: [AtomicU64; PLACES],
    errors: AtomicU64,
    non_finite: AtomicU64,
    /// How many of the first requests have come.
    first: AtomicU64,
    /// One bit for each of the first requests, set if it was an error.
    first_errors: AtomicU64,
    /// The callers that failed lately, indexed by their lowest bits.
    failing: Box<[AtomicU64]>,
}

/// How a version failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its answer wasn't finite.
    NotFinite,
    /// Its queue was full: the rate of that counts, beside stable's. It isn't among the first requests, since how many come
    /// at once is for callers to choose.
    Overloaded,
    /// Its run failed, or took too long.
    Other,
}

/// A reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    by_latency: [u64; PLACES],
    /// Requests that the version failed, even if another version answered.
    pub errors: u64,
    /// Answers that weren't finite.
    pub non_finite: u64,
    first_errors: u64,
}

impl Live {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            answers: array::from_fn(|_| zero()),
            errors: zero(),
            non_finite: zero(),
            first: zero(),
            first_errors: zero(),
            failing: (0..REMEMBERED).map(|_| zero()).collect(),
        }
    }

    pub(super) fn answered(&self, took: Duration) {
        let took = took.as_secs_f64();
        let place = LATENCY_SECONDS.partition_point(|edge| took > *edge);
        self.answers[place].fetch_add(1, Relaxed);
        self.first();
    }

    /// Counts a failed request, unless its caller is known for one.
    pub(super) fn failed(&self, caller: u64, failure: Failure) {
        if !self.is_first_failure(caller) {
            return;
        }
        self.errors.fetch_add(1, Relaxed);
        let is_non_finite = failure == Failure::NotFinite;
        self.non_finite.fetch_add(is_non_finite.into(), Relaxed);
        if failure == Failure::Overloaded {
            return;
        }
        if let Some(place) = self.first() {
            self.first_errors.fetch_or(1 << place, Relaxed);
        }
    }

    /// Whether the last failure in a caller's cell came from another one; from now on it is known. A caller that repeats one
    /// request counts once, live and in shadows together.
    pub(super) fn is_first_failure(&self, caller: u64) -> bool {
        let place = &self.failing[caller as usize % REMEMBERED];
        // 0 marks an empty cell.
        place.swap(caller.max(1), Relaxed) != caller.max(1)
    }

    /// The number of this request, if it is one of the first.
    fn first(&self) -> Option<u64> {
        // Read first: after a short time of traffic this read is the whole cost.
        if self.first.load(Relaxed) >= u64::from(FIRST) {
            return None;
        }
        Some(self.first.fetch_add(1, Relaxed)).filter(|place| *place < u64::from(FIRST))
    }

    pub(super) fn read(&self) -> Counts {
        Counts {
            by_latency: array::from_fn(|place| self.answers[place].load(Relaxed)),
            errors: self.errors.load(Relaxed),
            non_finite: self.non_finite.load(Relaxed),
            first_errors: self.first_errors.load(Relaxed),
        }
    }
}

impl Counts {
    /// So many answers that took so long, and so many errors, none of them among the first: for tests of what reads counts.
    pub fn of(answers: u64, took: Duration, errors: u64) -> Self {
        let mut counts = Self {
            errors,
            ..Self::default()
        };
        let took = took.as_secs_f64();
        let place = LATENCY_SECONDS.partition_point(|edge| took > *edge);
        counts.by_latency[place] = answers;
        counts
    }
}

impl Counts {
    /// Requests answered.
    pub fn answers(&self) -> u64 {
        self.by_latency.iter().sum()
    }

    /// Errors among this many first requests, of which 64 are remembered.
    pub fn errors_among_first(&self, requests: u64) -> u64 {
        let mask = match requests {
            0..64 => (1 << requests) - 1,
            _ => u64::MAX,
        };
        u64::from((self.first_errors & mask).count_ones())
    }

    /// Answers that took longer than one edge of [`LATENCY_SECONDS`].
    pub fn slower_than(&self, edge: usize) -> u64 {
        self.by_latency[edge + 1..].iter().sum()
    }

    /// The edge just above the quantile of the latencies; none if it is above the last edge, or nothing was answered.
    pub fn edge_above(&self, quantile: f64) -> Option<usize> {
        let answers = self.answers();
        let within = (quantile * answers as f64).ceil() as u64;
        let mut sum = 0;
        let place = self.by_latency.iter().position(|count| {
            sum += count;
            sum >= within
        });
        place.filter(|place| answers > 0 && *place < LATENCY_SECONDS.len())
    }

    /// What was counted since an earlier reading of the same seat; the first requests are kept as they are.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            by_latency: array::from_fn(|place| self.by_latency[place] - earlier.by_latency[place]),
            errors: self.errors - earlier.errors,
            non_finite: self.non_finite - earlier.non_finite,
            first_errors: self.first_errors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_and_their_edges() {
        let live = Live::new();
        assert_eq!(live.read().edge_above(0.99), None);
        for _ in 0..99 {
            live.answered(Duration::from_micros(150));
        }
        live.answered(Duration::from_millis(40));
        let counts = live.read();
        let edge = counts.edge_above(0.99).expect("answers");
        assert_eq!(LATENCY_SECONDS[edge], 0.0002);
        assert_eq!((counts.answers(), counts.slower_than(edge)), (100, 1));
        let high = counts.edge_above(1.0).expect("answers");
        assert_eq!((LATENCY_SECONDS[high], counts.slower_than(high)), (0.05, 0));
        for _ in 0..100 {
            live.answered(Duration::from_secs(60));
        }
        assert_eq!(live.read().edge_above(0.99), None, "beyond every edge");
        assert_eq!(live.read().since(&counts).slower_than(edge), 100);
    }

    #[test]
    fn the_first_are_remembered_one_by_one() {
        let live = Live::new();
        for request in 0..100 {
            match request % 3 {
                0 => live.failed(request, Failure::Other),
                _ => live.answered(Duration::ZERO),
            }
        }
        let counts = live.read();
        assert_eq!(counts.errors, 34);
        for (requests, errors) in [(0, 0), (1, 1), (3, 1), (20, 7), (64, 22), (1000, 22)] {
            assert_eq!(counts.errors_among_first(requests), errors, "{requests}");
        }
    }

    #[test]
    fn a_caller_that_repeats_a_failing_request_counts_once() {
        let live = Live::new();
        for _ in 0..1000 {
            live.failed(7, Failure::NotFinite);
            live.failed(0, Failure::Other);
        }
        live.failed(8, Failure::Other);
        assert!(!live.is_first_failure(8) && live.is_first_failure(9));
        let counts = live.read();
        assert_eq!((counts.errors, counts.non_finite), (3, 1));
        assert_eq!(counts.errors_among_first(20), 3);
    }

    /// Callers choose how many requests they send at once, and a queue may be full of them: that is no version's beginning.
    #[test]
    fn a_full_queue_is_an_error_and_not_an_early_one() {
        let live = Live::new();
        (0..20).for_each(|caller| live.failed(caller, Failure::Overloaded));
        (20..25).for_each(|caller| live.failed(caller, Failure::Other));
        let counts = live.read();
        assert_eq!((counts.errors, counts.errors_among_first(20)), (25, 5));
    }
}
