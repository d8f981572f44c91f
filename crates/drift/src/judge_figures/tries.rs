//! Many canaries, one after the other.

use super::{Effort, Figure, Promise, check};
use crate::sequential::{Promotion, RollBack, streams::Stream};

/// Pairs after which a canary is given up.
const LONGEST: u64 = 10_000;

/// A twentieth, of which the kth try gets 6/(π²k²).
fn shared(try_number: u32) -> f64 {
    let part = 6.0 / (std::f64::consts::PI * f64::from(try_number)).powi(2);
    -(0.05 * part).ln()
}

fn unshared(_: u32) -> f64 {
    20_f64.ln()
}

/// Percent of families of 20 tries of a canary a twentieth beyond the margin of which one is promoted.
fn promoted(effort: Effort, needed: fn(u32) -> f64) -> f64 {
    let families = effort.runs(40, 500);
    let wrong = (0..families).filter(|seed| {
        let mut stream = Stream::new(*seed);
        (1..=20).any(|try_number| {
            let mut test = Promotion::new(-1.0, 1.0, 0.01);
            let needed = needed(try_number);
            (0..3000).any(|_| {
                test.observe(stream.difference(0.98 - 0.0105));
                let wealth = test.log_wealth();
                wealth.iter().any(|wealth| *wealth >= needed) && test.log_e() >= needed
            })
        })
    });
    wrong.count() as f64 / families as f64 * 100.0
}

/// Points lost after ten canaries that are each .45 worse than the one before, on average.
fn crept(effort: Effort, with_anchor: bool) -> f64 {
    const STEP: f64 = 0.0045;
    let families = effort.runs(10, 100);
    let lost = (0..families).map(|seed| {
        let mut stream = Stream::new(seed);
        let mut lost = 0.0;
        for _ in 0..10 {
            let canary = lost + STEP;
            if is_promoted(&mut stream, STEP, with_anchor.then_some(canary)) {
                lost = canary;
            }
        }
        lost
    });
    lost.sum::<f64>() / families as f64 * 100.0
}

/// Whether a canary so much worse than stable, and than the anchor, is promoted before it is rolled back or given up.
fn is_promoted(stream: &mut Stream, than_stable: f64, than_anchor: Option<f64>) -> bool {
    let new = || {
        (
            Promotion::new(-1.0, 1.0, 0.01),
            RollBack::new(-1.0, 1.0, 0.01, Some(1000)),
        )
    };
    let (mut beside_stable, mut beside_anchor) = (new(), new());
    for n in 0..LONGEST {
        let difference = stream.difference(0.98 - than_stable);
        beside_stable.0.observe(difference);
        beside_stable.1.observe(difference);
        if let Some(than_anchor) = than_anchor {
            beside_anchor
                .0
                .observe(stream.difference(0.98 - than_anchor));
        }
        if n % 10 > 0 {
            continue;
        }
        if beside_stable.1.log_e() >= 500_f64.ln() {
            return false;
        }
        let proven = |test: &Promotion| test.log_e() >= 20_f64.ln();
        if proven(&beside_stable.0) && (than_anchor.is_none() || proven(&beside_anchor.0)) {
            return true;
        }
    }
    false
}

#[test]
fn judge_figures_of_many_tries() {
    check(&[
        Figure {
            part: "tries",
            what: "a canary at +1.05 points, tried 20 times: ever promoted",
            promise: Promise::AtMost(5.0),
            unit: "%",
            measure: |effort| promoted(effort, shared),
        },
        Figure {
            part: "tries",
            what: "the same, each try with the whole chance of error",
            promise: Promise::Without(8.0),
            unit: "%",
            measure: |effort| promoted(effort, unshared),
        },
        Figure {
            part: "tries",
            what: "ten canaries, each .45 points worse: lost with the anchor",
            promise: Promise::AtMost(1.0),
            unit: "points",
            measure: |effort| crept(effort, true),
        },
        Figure {
            part: "tries",
            what: "the same without an anchor",
            promise: Promise::Without(2.5),
            unit: "points",
            measure: |effort| crept(effort, false),
        },
    ]);
}
