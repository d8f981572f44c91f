//! Decides whether a batch is complete at `now`. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// When a batch that is being collected is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A batch is complete at this many rows, at least 1.
    pub max_batch: usize,
    /// How long the oldest row may wait for more rows. With zero, a worker takes all rows that are in the queue and
    /// runs them: batches form while all workers are busy.
    pub max_wait: Duration,
}

/// What the worker that collects a batch does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take another row if there is one now, without waiting.
    TakeReady,
    /// Take another row if one arrives before this instant.
    TakeUntil(Instant),
    /// Run what has been collected.
    Run,
}

impl Policy {
    /// The next step with `rows` collected, the first of which was submitted at `oldest`.
    ///
    /// `queue_empty`: the last [`Step::TakeReady`] found nothing.
    pub fn step(&self, rows: usize, oldest: Instant, queue_empty: bool, now: Instant) -> Step {
        if rows >= self.max_batch {
            return Step::Run;
        }
        if !queue_empty {
            return Step::TakeReady;
        }
        let until = oldest + self.max_wait;
        if now >= until {
            Step::Run
        } else {
            Step::TakeUntil(until)
        }
    }
}

/// The batch sizes that are warmed up and measured: powers of two below `most`, then `most` itself.
pub fn ladder(most: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1usize), |size| size.checked_mul(2))
        .take_while(move |size| *size < most)
        .chain(std::iter::once(most.max(1)))
}

/// Up to here a batch may have any size; above, only each so many, and above [`COARSE`] only those of the [`ladder`].
const FINE: usize = 16;
const STEP: usize = 8;
const COARSE: usize = 64;

/// Every size that a batch may have where at most `most` rows share a run. They are few, so each can be tried before a version is
/// served: a network may take its time and memory at any one of them.
pub fn sizes(most: usize) -> impl Iterator<Item = usize> {
    let fine = 1..=FINE.min(most);
    let steps = (FINE + STEP..=COARSE.min(most)).step_by(STEP);
    let above = ladder(most).filter(move |size| *size > FINE && !is_step(*size));
    fine.chain(steps).chain(above)
}

fn is_step(size: usize) -> bool {
    size <= COARSE && size.is_multiple_of(STEP)
}

/// How many of `rows` run together: as many as one of the [`sizes`] takes.
pub fn run_size(rows: usize, most: usize) -> usize {
    if rows <= FINE || rows >= most {
        return rows.min(most);
    }
    match rows {
        ..=COARSE => rows / STEP * STEP,
        _ => ladder(most)
            .take_while(|size| *size <= rows)
            .fold(COARSE, usize::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(max_batch: usize, wait_us: u64, rows: usize, empty: bool, age_us: u64) -> Step {
        let oldest = Instant::now();
        let policy = Policy {
            max_batch,
            max_wait: Duration::from_micros(wait_us),
        };
        match policy.step(rows, oldest, empty, oldest + Duration::from_micros(age_us)) {
            Step::TakeUntil(until) => {
                assert_eq!(until, oldest + Duration::from_micros(wait_us));
                Step::TakeUntil(until)
            }
            other => other,
        }
    }

    #[test]
    fn greedy_never_waits() {
        assert_eq!(step(8, 0, 1, false, 0), Step::TakeReady);
        assert_eq!(step(8, 0, 1, true, 0), Step::Run);
        assert_eq!(step(8, 0, 8, false, 0), Step::Run);
    }

    #[test]
    fn a_wait_ends_at_the_age_of_the_oldest() {
        assert!(matches!(step(8, 200, 3, true, 199), Step::TakeUntil(_)));
        assert_eq!(step(8, 200, 3, true, 200), Step::Run);
        assert_eq!(step(8, 200, 8, true, 0), Step::Run);
    }

    #[test]
    fn the_ladder_ends_with_the_largest() {
        let sizes = |most| ladder(most).collect::<Vec<_>>();
        assert_eq!(sizes(0), [1]);
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(6), [1, 2, 4, 6]);
        assert_eq!(sizes(8), [1, 2, 4, 8]);
    }

    proptest! {
        #[test]
        fn never_more_than_max_batch_and_never_past_the_wait(
            max_batch in 1usize..64, wait_us in 0u64..1000, rows in 1usize..80, empty: bool, age_us in 0u64..2000,
        ) {
            let next = step(max_batch, wait_us, rows, empty, age_us);
            if rows >= max_batch {
                prop_assert_eq!(next, Step::Run);
            }
            if empty && age_us >= wait_us {
                prop_assert_eq!(next, Step::Run);
            }
            if matches!(next, Step::TakeUntil(_)) {
                prop_assert!(wait_us > 0 && rows < max_batch && age_us < wait_us);
            }
        }
    }

    proptest! {
        #[test]
        fn b6_no_batch_has_a_size_that_is_not_tried(rows in 1_usize..3000, most in 1_usize..2000) {
            let tried: Vec<usize> = sizes(most).collect();
            prop_assert!(tried.is_sorted_by(|one, other| one < other));
            prop_assert!(ladder(most).all(|size| tried.contains(&size)));
            let mut left = rows;
            while left > 0 {
                let run = run_size(left, most);
                prop_assert!(tried.contains(&run), "{run} of {left}, at most {most}");
                left -= run;
            }
        }
    }

    #[test]
    fn b6_trying_every_size_stays_cheap() {
        assert_eq!(sizes(5).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(sizes(64).sum::<usize>(), 136 + 24 + 32 + 40 + 48 + 56 + 64);
        assert_eq!(run_size(64, 64), 64);
        assert_eq!(
            [17, 23, 24, 63].map(|rows| run_size(rows, 64)),
            [16, 16, 24, 56]
        );
        assert_eq!(
            [29, 31, 65, 200].map(|rows| run_size(rows, 30)),
            [24, 30, 30, 30]
        );
    }
}
