//! Medians, sums, and the gap between the steps and the server. Pure.

use serde::Serialize;

/// One step of a prediction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimedStep {
    /// Its name, as text.
    pub step: String,
    /// CPU-µs per request.
    pub cpu_us: f64,
    /// Fraction of what the server spends.
    pub share: f64,
    /// CPU-µs of this step and all before it.
    pub sum_us: f64,
}

/// The steps of a prediction beside what the server spends on one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Waterfall {
    /// In the order of a request.
    pub steps: Vec<TimedStep>,
    /// Sum of the steps, in CPU-µs per request.
    pub limit_cpu_us: f64,
    /// Measured in the server, in CPU-µs per request.
    pub server_cpu_us: f64,
    /// `server_cpu_us - limit_cpu_us`.
    pub gap_cpu_us: f64,
    /// `server_cpu_us / limit_cpu_us`.
    pub server_over_limit: f64,
}

impl Waterfall {
    /// From pairs of a step's name and its CPU-µs.
    pub fn new(steps: Vec<(String, f64)>, server_cpu_us: f64) -> Self {
        let mut sum_us = 0.0;
        let step = |(step, cpu_us): (String, f64)| {
            sum_us += cpu_us;
            TimedStep {
                step,
                cpu_us,
                share: cpu_us / server_cpu_us,
                sum_us,
            }
        };
        let steps = steps.into_iter().map(step).collect();
        Self {
            steps,
            limit_cpu_us: sum_us,
            server_cpu_us,
            gap_cpu_us: server_cpu_us - sum_us,
            server_over_limit: server_cpu_us / sum_us,
        }
    }
}

/// The median; the mean of the middle two for an even number of values, NaN for none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

/// CPU-µs per picture at a mean batch size, from `(rows, CPU-µs per picture)` at measured sizes (ascending). Between two
/// sizes the cost of a whole batch is interpolated linearly in its rows: then the mean over batches of mixed sizes depends on
/// their mean size alone.
pub fn at_batch(measured: &[(usize, f64)], mean: f64) -> f64 {
    let run = |&(rows, each): &(usize, f64)| (rows as f64, rows as f64 * each);
    let above = measured.iter().position(|&(rows, _)| rows as f64 >= mean);
    match (above, measured) {
        (_, []) => f64::NAN,
        (Some(0), [first, ..]) => first.1,
        (None, [.., last]) => last.1,
        (Some(above), _) => {
            let (below, above) = (run(&measured[above - 1]), run(&measured[above]));
            let part = (mean - below.0) / (above.0 - below.0);
            (below.1 + part * (above.1 - below.1)) / mean
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_gap_is_what_the_steps_leave() {
        let steps = [("HTTP", 20.0), ("decode", 10.0), ("inference", 30.0)];
        let steps = steps.map(|(name, cpu)| (name.to_owned(), cpu)).to_vec();
        let waterfall = Waterfall::new(steps, 75.0);
        let sums: Vec<f64> = waterfall.steps.iter().map(|step| step.sum_us).collect();
        assert_eq!(sums, [20.0, 30.0, 60.0]);
        assert_eq!(waterfall.limit_cpu_us, 60.0);
        assert_eq!(waterfall.gap_cpu_us, 15.0);
        assert_eq!(waterfall.server_over_limit, 1.25);
        assert_eq!(waterfall.steps[2].share, 0.4);
    }

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median([]).is_nan());
    }

    #[test]
    fn a_batch_between_two_sizes() {
        // Runs of 100, 120 and 160.
        let measured = [(1, 100.0), (2, 60.0), (4, 40.0)];
        for (mean, each) in [
            (0.5, 100.0),
            (1.0, 100.0),
            (1.5, 110.0 / 1.5),
            (2.0, 60.0),
            (3.0, 140.0 / 3.0),
            (4.0, 40.0),
            (9.0, 40.0),
        ] {
            let found = at_batch(&measured, mean);
            assert!((found - each).abs() < 1e-9, "{mean}: {found}, not {each}");
        }
        assert!(at_batch(&[], 1.0).is_nan());
    }

    proptest! {
        /// Why the whole run is interpolated and not the cost of a picture.
        #[test]
        fn batches_of_several_sizes_cost_what_their_mean_does(
            fixed in 0.0f64..1000.0, each in 0.1f64..100.0, batches in prop::collection::vec(1usize..=32, 1..50),
        ) {
            let run = |rows: usize| fixed + each * rows as f64;
            let measured = [1, 2, 4, 8, 16, 32].map(|rows| (rows, run(rows) / rows as f64));
            let rows: usize = batches.iter().sum();
            let spent: f64 = batches.iter().map(|rows| run(*rows)).sum();
            let mean = rows as f64 / batches.len() as f64;
            let (found, expected) = (at_batch(&measured, mean), spent / rows as f64);
            prop_assert!((found - expected).abs() <= 1e-9 * expected, "{found} {expected}");
        }
    }
}
