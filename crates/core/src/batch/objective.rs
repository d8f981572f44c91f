//! A latency target: how many rows may wait so that the last of them is still answered in time.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The weight of the newest batch in the mean cost of a row: a change takes effect after about eight batches.
const NEWEST: u64 = 8;

/// The time between two batches counts for at most this many times the run of the batch: the rest was idle time.
const LONGEST_TURN: u32 = 4;

/// Nine tenths of the latency are planned for: the calculation uses means, but 99 of 100 rows must be in time.
const PLANNED_TENTHS: u64 = 9;

/// Shared by the sending end of a queue, which reads it, and the workers, which report how long their batches take.
///
/// If two updates happen at the same moment, one may be lost; it is one batch of many and not worth a lock.
pub(super) struct Objective {
    /// `None`: only the capacity limits the queue.
    latency: Option<Duration>,
    capacity: usize,
    workers: u64,
    /// Rows that are always accepted: one batch for each worker.
    least: usize,
    row_nanos: AtomicU64,
    run_nanos: AtomicU64,
}

impl Objective {
    pub(super) fn new(
        latency: Option<Duration>,
        capacity: usize,
        workers: usize,
        max_batch: usize,
    ) -> Self {
        Self {
            latency,
            capacity,
            workers: workers.max(1) as u64,
            least: capacity.min(workers * max_batch),
            row_nanos: AtomicU64::new(0),
            run_nanos: AtomicU64::new(0),
        }
    }

    /// How many rows may wait now. The next row waits for the run in progress and for all rows before it, and is then
    /// run itself: its latency is two runs plus `waiting` times the cost of a row while all workers are busy.
    pub(super) fn room(&self) -> usize {
        let Some(latency) = self.latency else {
            return self.capacity;
        };
        let (row, run) = (self.row_nanos.load(Relaxed), self.run_nanos.load(Relaxed));
        if row == 0 {
            return self.capacity;
        }
        let planned = latency.as_nanos() as u64 / 10 * PLANNED_TENTHS;
        let left = planned.saturating_sub(2 * run);
        let rows = left.saturating_mul(self.workers) / row;
        usize::try_from(rows)
            .unwrap_or(usize::MAX)
            .clamp(self.least, self.capacity)
    }

    /// Records that a batch of `rows` took `run`; `turn` is the time since the worker's last batch, if rows were
    /// waiting.
    pub(super) fn ran(&self, rows: usize, run: Duration, turn: Option<Duration>) {
        if self.latency.is_none() || rows == 0 {
            return;
        }
        let turn = turn.map_or(run, |turn| turn.clamp(run, LONGEST_TURN * run));
        follow(&self.row_nanos, turn.as_nanos() as u64 / rows as u64);
        follow(&self.run_nanos, run.as_nanos() as u64);
    }
}

/// An exponentially weighted mean that begins with its first value.
fn follow(mean: &AtomicU64, newest: u64) {
    let next = match mean.load(Relaxed) {
        0 => newest,
        before => (before * (NEWEST - 1) + newest) / NEWEST,
    };
    mean.store(next.max(1), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn without_an_objective_only_the_capacity_counts() {
        let objective = Objective::new(None, 256, 2, 8);
        objective.ran(1, 500 * MS, None);
        assert_eq!(objective.room(), 256);
    }

    #[test]
    fn nothing_is_refused_before_anything_is_known() {
        assert_eq!(Objective::new(Some(MS), 256, 2, 8).room(), 256);
    }

    #[test]
    fn the_last_row_accepted_is_answered_in_time() {
        // Two workers, 10 ms per row: of the 90 ms planned for, 20 are two runs, and in the other 70 ms 14 rows are
        // finished.
        let objective = Objective::new(Some(100 * MS), 256, 2, 1);
        objective.ran(1, 10 * MS, Some(10 * MS));
        assert_eq!(objective.room(), 14);
    }

    #[test]
    fn what_lies_between_runs_of_a_busy_worker_counts_and_idleness_doesnt() {
        let objective = Objective::new(Some(100 * MS), 256, 1, 1);
        objective.ran(1, 5 * MS, Some(10 * MS));
        assert_eq!(objective.room(), 8);
        let idle = Objective::new(Some(100 * MS), 256, 1, 1);
        idle.ran(1, 5 * MS, Some(1000 * MS));
        assert_eq!(idle.room(), 4);
    }

    #[test]
    fn a_change_of_pace_is_followed() {
        let objective = Objective::new(Some(100 * MS), 256, 1, 1);
        objective.ran(1, 20 * MS, None);
        for _ in 0..60 {
            objective.ran(1, 2 * MS, None);
        }
        assert!(
            (42..=43).contains(&objective.room()),
            "{}",
            objective.room()
        );
    }

    proptest! {
        #[test]
        fn always_room_for_a_batch_a_worker_and_never_beyond_the_capacity(
            latency_us in 1u64..1_000_000, capacity in 1usize..500, workers in 1usize..8, max_batch in 1usize..64,
            batches in prop::collection::vec((1usize..64, 1u64..1_000_000, prop::option::of(0u64..10_000_000)), 0..20),
        ) {
            let micros = Duration::from_micros;
            let objective = Objective::new(Some(micros(latency_us)), capacity, workers, max_batch);
            for (rows, run, turn) in batches {
                objective.ran(rows, micros(run), turn.map(micros));
                let room = objective.room();
                prop_assert!(room <= capacity && room >= capacity.min(workers * max_batch));
            }
        }
    }
}
