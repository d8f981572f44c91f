//! A lost class.

use super::{Effort, Figure, Promise, check};
use crate::sequential::{
    ClassGuard,
    streams::{Endings, Stream},
};

/// ln of the e-value that rolls back where five kinds of evidence share a hundredth.
const NEEDED: f64 = 6.214_608;

/// Stable answers ten classes: class 9 in `share` of the pairs, the others alike.
fn class(stream: &mut Stream, share: f64) -> usize {
    match stream.happens(share) {
        true => 9,
        false => (stream.uniform() * 9.0) as usize,
    }
}

fn guard() -> ClassGuard {
    let mut guard = ClassGuard::new(0.1);
    guard.announce(10);
    guard
}

/// Percent of good canaries that are taken out, looked at ten times a hundred pairs.
fn false_alarms(effort: Effort) -> f64 {
    let longest = effort.runs(3000, 20_000);
    let ended = Endings::of(300, longest, guard, |guard, stream, n| {
        let class = class(stream, 0.005);
        guard.observe(class, stream.difference(0.98));
        n % 10 == 0 && guard.log_e() >= NEEDED
    });
    ended.percent()
}

/// At the exact margin in every class.
fn at_the_margin(effort: Effort) -> f64 {
    let runs = effort.runs(300, 3000);
    let ended = Endings::of(runs, 1000, guard, |guard, stream, n| {
        let class = class(stream, 0.1);
        guard.observe(class, f64::from(stream.happens(0.1)));
        n % 10 == 0 && guard.log_e() >= NEEDED
    });
    ended.percent()
}

/// Pairs until a class is found of which the canary gets nothing right: so many in the median.
fn delay(runs: u64, share: f64) -> f64 {
    let ended = Endings::of(runs, 20_000, guard, |guard, stream, _| {
        let class = class(stream, share);
        let difference = match class {
            9 => 1.0,
            _ => stream.difference(0.98),
        };
        guard.observe(class, difference);
        class == 9 && guard.log_e() >= NEEDED
    });
    ended.quantile(0.5) as f64
}

#[test]
fn judge_figures_of_classes() {
    check(&[
        Figure {
            part: "classes",
            what: "good canaries taken out, of 300",
            promise: Promise::AtMost(0.0),
            unit: "%",
            measure: false_alarms,
        },
        Figure {
            part: "classes",
            what: "canaries at the margin in every class taken out",
            promise: Promise::AtMost(0.2),
            unit: "%",
            measure: at_the_margin,
        },
        Figure {
            part: "classes",
            what: "a class of 0.5 % that is lost, pairs spread evenly over the classes, median",
            promise: Promise::AtMost(190.0),
            unit: "pairs",
            measure: |effort| delay(effort.runs(200, 3000), 0.1),
        },
        Figure {
            part: "classes",
            what: "a class of 0.5 % that is lost, pairs as they come, median",
            promise: Promise::AtMost(3800.0),
            unit: "pairs",
            measure: |effort| delay(effort.runs(100, 1000), 0.005),
        },
    ]);
}
