//! Live requests second by second: what the tests of errors and late answers observe. Pure.

use std::time::{Duration, Instant};

use super::SeatReadings;
use stillhouse_core::rollout::Counts;
use stillhouse_drift::sequential::Rate;
use stillhouse_metrics::LATENCY_SECONDS;

const SECOND: Duration = Duration::from_secs(1);

/// Answers of stable before its 99th percentile says anything about latency.
const ANSWERS_FOR_LATENCY: u64 = 200;

/// The quantile of stable's latencies above which an answer is late.
const LATE_QUANTILE: f64 = 0.99;

/// A second that has begun: when, and what both seats had counted then.
#[derive(Debug)]
pub(super) struct LiveSecond {
    begun: Instant,
    before: SeatReadings,
}

/// What both seats answered in a second.
pub(super) struct Seen {
    canary: Counts,
    stable: Counts,
}

impl LiveSecond {
    pub(super) fn new(before: SeatReadings, now: Instant) -> Self {
        Self { begun: now, before }
    }

    /// What was seen since it began, if that was a second ago or more; then the next begins.
    pub(super) fn complete(&mut self, reading: &SeatReadings, now: Instant) -> Option<Seen> {
        if now.saturating_duration_since(self.begun) < SECOND {
            return None;
        }
        let seen = Seen {
            canary: reading.canary.since(&self.before.canary),
            stable: reading.stable.since(&self.before.stable),
        };
        *self = Self::new(reading.clone(), now);
        Some(seen)
    }
}

impl Seen {
    /// Failed requests, of the canary and of stable.
    pub(super) fn errors(&self) -> (Rate, Rate) {
        self.rates(|counts| Rate {
            events: counts.errors,
            requests: counts.answers() + counts.errors,
        })
    }

    /// Answers that took longer than one edge of [`LATENCY_SECONDS`], of the canary and of stable.
    pub(super) fn late(&self, edge: usize) -> (Rate, Rate) {
        self.rates(|counts| Rate {
            events: counts.slower_than(edge),
            requests: counts.answers(),
        })
    }

    fn rates(&self, of: impl Fn(&Counts) -> Rate) -> (Rate, Rate) {
        (of(&self.canary), of(&self.stable))
    }
}

/// The edge of [`LATENCY_SECONDS`] above which an answer is late: the 99th percentile of stable, but at least the floor. None
/// before stable has answered often enough.
///
/// A version that seldom answers finds the caches cold: the same file in both roles, in a tenth of a millisecond a picture,
/// exceeds its own 99th percentile in a quarter of the answers at a share of 1 %. The floor keeps that out.
pub(super) fn late_above(stable: &Counts, floor_seconds: f64) -> Option<usize> {
    if stable.answers() < ANSWERS_FOR_LATENCY {
        return None;
    }
    let floor = LATENCY_SECONDS.partition_point(|edge| *edge < floor_seconds);
    let edge = stable.edge_above(LATE_QUANTILE)?.max(floor);
    (edge < LATENCY_SECONDS.len()).then_some(edge)
}
