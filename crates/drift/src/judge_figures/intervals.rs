//! Bounds of differences, and intervals of divergences.

use super::{Effort, Figure, Promise, check};
use crate::{
    sequential::{
        Paired, Thresholds,
        streams::{Endings, Stream},
    },
    tally::Estimate,
};

const THRESHOLDS: Thresholds = Thresholds {
    roll_back_log_e: 6.214_608,
    promotion_log_e: 2.995_732,
};

fn disagreement() -> Paired {
    Paired::new(0.01, Some(1000))
}

/// Half the distance of the bounds in points, after 500 pairs in which nothing differs.
fn half_width_of_equals(_: Effort) -> f64 {
    let mut paired = disagreement();
    (0..500).for_each(|_| paired.observe(0.0));
    let [low, high] = paired.compared(1.0, &THRESHOLDS).bounds;
    50.0 * (high - low)
}

/// The same of versions that are as good but not equal; the mean over streams.
fn half_width(effort: Effort) -> f64 {
    let runs = effort.runs(40, 400);
    let widths = (0..runs).map(|seed| {
        let (mut paired, mut stream) = (disagreement(), Stream::new(seed));
        (0..500).for_each(|_| paired.observe(stream.difference(0.98)));
        let [low, high] = paired.compared(1.0, &THRESHOLDS).bounds;
        50.0 * (high - low)
    });
    widths.sum::<f64>() / runs as f64
}

/// Percent of the streams in which the bounds ever leave out the true difference, looked at every ten pairs.
fn missed(effort: Effort, agreement: f64) -> f64 {
    let ended = Endings::of(
        effort.runs(100, 1000),
        2000,
        disagreement,
        |paired, stream, n| {
            paired.observe(stream.difference(agreement));
            let truth = 0.98 - agreement;
            n % 10 == 0 && {
                let [low, high] = paired.compared(1.0, &THRESHOLDS).bounds;
                !(low..=high).contains(&truth)
            }
        },
    );
    ended.percent()
}

/// Percent of the windows in which the interval of `drift` holds the mean of log-normal divergences.
fn coverage(effort: Effort, sigma: f64, pairs: u64) -> f64 {
    let (windows, mut stream) = (effort.runs(1000, 10_000), Stream::new(23));
    let held = (0..windows).filter(|_| {
        let mut sums = [0.0; 3];
        for _ in 0..pairs {
            let kl = 0.05 * (sigma * stream.normal() - sigma * sigma / 2.0).exp();
            for (sum, power) in sums.iter_mut().zip(1..) {
                *sum += kl.powi(power);
            }
        }
        let [low, high] = Estimate::of_mean(pairs, sums).expect("counted").interval;
        (low..=high).contains(&0.05)
    });
    held.count() as f64 / windows as f64 * 100.0
}

#[test]
fn judge_figures_of_bounds() {
    check(&[
        Figure {
            part: "bounds",
            what: "half width after 500 pairs in which nothing differs",
            promise: Promise::AtMost(1.47),
            unit: "points",
            measure: half_width_of_equals,
        },
        Figure {
            part: "bounds",
            what: "half width after 500 pairs of versions that are as good, both agreeing with the teacher in 98 %",
            promise: Promise::AtMost(2.7),
            unit: "points",
            measure: half_width,
        },
        Figure {
            part: "bounds",
            what: "versions that are as good: streams whose bounds ever miss the difference",
            promise: Promise::AtMost(5.2),
            unit: "%",
            measure: |effort| missed(effort, 0.98),
        },
        Figure {
            part: "bounds",
            what: "a canary three points worse: the same",
            promise: Promise::AtMost(5.2),
            unit: "%",
            measure: |effort| missed(effort, 0.95),
        },
    ]);
}

#[test]
fn judge_figures_of_divergences() {
    check(&[
        Figure {
            part: "drift",
            what: "windows of 100 pairs whose interval holds the mean KL, log-normal, σ 1.5",
            promise: Promise::AtLeast(93.0),
            unit: "%",
            measure: |effort| coverage(effort, 1.5, 100),
        },
        Figure {
            part: "drift",
            what: "the same, σ 2.1",
            promise: Promise::AtLeast(93.0),
            unit: "%",
            measure: |effort| coverage(effort, 2.1, 100),
        },
        Figure {
            part: "drift",
            what: "windows of 1000 pairs, σ 1.5",
            promise: Promise::AtLeast(93.0),
            unit: "%",
            measure: |effort| coverage(effort, 1.5, 1000),
        },
        Figure {
            part: "drift",
            what: "the same, σ 2.1",
            promise: Promise::AtLeast(93.0),
            unit: "%",
            measure: |effort| coverage(effort, 2.1, 1000),
        },
    ]);
}
