//! What a batch costs on this machine, measured before the version is used; batch size and workers are chosen from it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stillhouse_engine::{Engine, EngineError, Priority};
use utoipa::ToSchema;

use crate::batch::policy::ladder;

/// Larger batches have never paid off on a processor; for a device, the configuration may allow more.
pub const LARGEST_MEASURED: usize = 64;

/// If the run of a size takes longer, larger sizes are not measured: the latency in the queue would be too high.
const LONGEST_RUN: Duration = Duration::from_millis(100);

/// The whole measurement of one version ends after about this long, pauses not counted.
const BUDGET: Duration = Duration::from_millis(400);

/// A size within this share of the best throughput is as good as the best, and has the lower latency.
const GOOD_ENOUGH: f64 = 0.95;

/// The cost of a batch besides its run, whatever its size: waking workers and callers, a queue's lock, a write. With
/// batches of 4 instead of 1 the shipped `s1` takes 10 % less processor time per request, although its run alone gains
/// only 4 %.
const HAND_OVER: Duration = Duration::from_micros(20);

/// After this many sizes in a row without gain, larger ones won't gain either.
const LEVEL_SIZES: usize = 2;

/// From this gain on, one worker with full batches is better than two with half-full ones.
const GAIN_FOR_FEWER_WORKERS: f64 = 2.0;

/// One batch size with its best observed run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchTiming {
    /// Images in the batch.
    pub rows: usize,
    /// The shortest of the measured runs.
    pub seconds: f64,
}

impl BatchTiming {
    /// As in a server, where each batch also costs [`HAND_OVER`].
    fn images_per_second(&self) -> f64 {
        self.rows as f64 / (self.seconds + HAND_OVER.as_secs_f64())
    }
}

/// Runs the sizes 1, 2, 4 ... `most`, each once to warm up and then up to five times, within a time budget and as long
/// as larger sizes gain anything.
///
/// # Errors
/// The engine's error, at any size.
pub fn measure(
    engine: &mut dyn Engine,
    most: usize,
    priority: Priority,
) -> Result<Vec<BatchTiming>, EngineError> {
    let mut spent = Duration::ZERO;
    let mut timings = Vec::new();
    for rows in ladder(most) {
        let mut best = Duration::MAX;
        for run in 0..6 {
            let took = priority.run(|| run_once(engine, rows))?;
            spent += took;
            // The first run of a size allocates memory; it counts only if there is no shorter one.
            if run > 0 || took > LONGEST_RUN {
                best = best.min(took);
            }
            if best < Duration::MAX && spent > BUDGET {
                break;
            }
        }
        timings.push(BatchTiming {
            rows,
            seconds: best.as_secs_f64(),
        });
        if best > LONGEST_RUN || spent > BUDGET || is_level(&timings) {
            break;
        }
    }
    Ok(timings)
}

/// Runs one batch of this size; returns how long that took.
pub(super) fn run_once(engine: &mut dyn Engine, rows: usize) -> Result<Duration, EngineError> {
    engine.input(rows).fill(0.5);
    let started = Instant::now();
    engine.run(rows)?;
    Ok(started.elapsed())
}

/// Whether the last sizes were no better than those before them.
fn is_level(timings: &[BatchTiming]) -> bool {
    let (before, last) = timings.split_at(timings.len().saturating_sub(LEVEL_SIZES));
    !before.is_empty() && GOOD_ENOUGH * best_rate(last) <= best_rate(before)
}

fn best_rate(timings: &[BatchTiming]) -> f64 {
    let rates = timings.iter().map(BatchTiming::images_per_second);
    rates.fold(0.0, f64::max)
}

/// The smallest size that is as good as the best, of those whose run fits into half of the latency target: a row that
/// just missed a batch waits for its run, and then for its own. If none fits, one row.
pub fn best_batch(timings: &[BatchTiming], latency: Option<Duration>) -> usize {
    let fits = |timing: &BatchTiming| {
        latency.is_none_or(|latency| 2.0 * timing.seconds <= latency.as_secs_f64())
    };
    let fitting = timings.iter().take_while(|timing| fits(timing)).count();
    let timings = &timings[..fitting];
    let best = best_rate(timings);
    timings
        .iter()
        .find(|timing| timing.images_per_second() >= GOOD_ENOUGH * best)
        .map_or(1, |timing| timing.rows)
}

/// Workers for `cores` cores when each run uses `intra_threads`: one per core, or half as many if a full batch is so
/// much cheaper per image that filling it matters more than a second thread.
pub fn best_workers(
    timings: &[BatchTiming],
    max_batch: usize,
    cores: usize,
    intra_threads: usize,
) -> usize {
    let slots = (cores / intra_threads.max(1)).max(1);
    let rate = |rows| {
        timings
            .iter()
            .find(|timing| timing.rows == rows)
            .map(BatchTiming::images_per_second)
    };
    match (rate(1), rate(max_batch)) {
        (Some(one), Some(full)) if full >= GAIN_FOR_FEWER_WORKERS * one => slots.div_ceil(2),
        _ => slots,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timings(rates: &[(usize, f64)]) -> Vec<BatchTiming> {
        rates
            .iter()
            .map(|&(rows, images_per_second)| BatchTiming {
                rows,
                seconds: rows as f64 / images_per_second,
            })
            .collect()
    }

    #[test]
    fn what_gains_nothing_is_not_measured_further() {
        let measured = |rates: &[f64]| {
            let sizes = (0..).map(|step| 1 << step).zip(rates.iter().copied());
            let all = timings(&sizes.collect::<Vec<_>>());
            let ends = (1..=all.len()).find(|sizes| is_level(&all[..*sizes]));
            ends.map_or(all.len(), |sizes| sizes)
        };
        assert_eq!(measured(&[150.0, 148.0, 151.0, 140.0, 130.0]), 3);
        assert_eq!(measured(&[5e3, 1e4, 2e4, 2.4e4, 4e4, 3.9e4, 3.8e4, 5e4]), 7);
        // One bad size among good ones is chance, or a property of its kernel.
        assert_eq!(measured(&[5e3, 4e3, 2e4, 2.4e4, 4e4, 5e4]), 6);
        assert_eq!(measured(&[5e3, 1e4]), 2);
        assert_eq!(measured(&[]), 0);
    }

    #[test]
    fn the_smallest_good_size_wins() {
        let mlp = timings(&[
            (1, 5e3),
            (2, 1e4),
            (4, 2e4),
            (8, 2.4e4),
            (16, 4.0e4),
            (32, 3.9e4),
        ]);
        assert_eq!(best_batch(&mlp, None), 16);
        assert_eq!(best_workers(&mlp, 16, 2, 1), 1);
        // 16 rows take 0.4 ms, 8 take 0.33, 4 take 0.2.
        for (microseconds, rows) in [(800, 16), (799, 8), (400, 4), (100, 1)] {
            let latency = Some(Duration::from_micros(microseconds));
            assert_eq!(best_batch(&mlp, latency), rows, "{microseconds} µs");
        }
        let squeezenet = timings(&[(1, 150.0), (2, 148.0), (4, 151.0), (8, 140.0)]);
        assert_eq!(best_batch(&squeezenet, None), 1);
        assert_eq!(best_workers(&squeezenet, 1, 2, 1), 2);
        assert_eq!(best_workers(&squeezenet, 1, 8, 2), 4);
        assert_eq!(best_batch(&[], None), 1);
        assert_eq!(best_workers(&[], 1, 1, 4), 1);
    }
}
