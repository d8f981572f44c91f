//! Errors and late answers.

use super::{Effort, Figure, Promise, check};
use crate::sequential::{EventRates, Rate, streams::Endings};

/// Requests a second, of canary and stable together.
const REQUESTS: f64 = 50.0;

/// What a canary with `share` of the traffic does: the chance that a request belongs to an event, and how many requests share
/// the same event.
struct Case {
    share: f64,
    canary: f64,
    stable: f64,
    cluster: u64,
}

fn endings(runs: u64, seconds: u64, case: &Case) -> Endings {
    let needed = 500_f64.ln();
    let new = || EventRates::new(1.5, Some(1000));
    Endings::of(runs, seconds, new, |test, stream, _| {
        let mut rate = |share: f64, chance: f64| {
            let requests = stream.poisson(REQUESTS * share);
            let clusters = stream.poisson(requests as f64 * chance / case.cluster as f64);
            let events = (clusters * case.cluster).min(requests);
            Rate { events, requests }
        };
        let canary = rate(case.share, case.canary);
        let stable = rate(1.0 - case.share, case.stable);
        test.observe(canary, stable);
        test.log_e() >= needed
    })
}

/// Percent of identical versions that are ended within an hour, at the worst share for clusters of this size.
fn identical(effort: Effort, cluster: u64) -> f64 {
    let (runs, seconds) = (effort.runs(30, 250), effort.runs(1800, 3600));
    let percent = [0.01, 0.25, 0.5, 0.9].map(|share| {
        let case = Case {
            share,
            canary: 0.01,
            stable: 0.01,
            cluster,
        };
        endings(runs, seconds, &case).percent()
    });
    percent.into_iter().fold(0.0, f64::max)
}

/// Median of the seconds until a canary with a quarter of the traffic is found.
fn delay(effort: Effort, canary: f64, stable: f64) -> f64 {
    let case = Case {
        share: 0.25,
        canary,
        stable,
        cluster: 1,
    };
    endings(effort.runs(60, 500), 3600, &case).quantile(0.5) as f64
}

#[test]
fn judge_figures_of_live_requests() {
    check(&[
        Figure {
            part: "live",
            what: "identical versions ended within an hour at 50 requests/s, single late answers",
            promise: Promise::AtMost(0.5),
            unit: "%",
            measure: |effort| identical(effort, 1),
        },
        Figure {
            part: "live",
            what: "the same, clusters of 4",
            promise: Promise::AtMost(0.5),
            unit: "%",
            measure: |effort| identical(effort, 4),
        },
        Figure {
            part: "live",
            what: "the same, clusters of 10",
            promise: Promise::AtMost(0.5),
            unit: "%",
            measure: |effort| identical(effort, 10),
        },
        Figure {
            part: "live",
            what: "the same, clusters of 30",
            promise: Promise::AtMost(0.5),
            unit: "%",
            measure: |effort| identical(effort, 30),
        },
        Figure {
            part: "live",
            what: "five times as many late answers, a quarter of the traffic, median",
            promise: Promise::AtMost(177.0),
            unit: "s",
            measure: |effort| delay(effort, 0.05, 0.01),
        },
        Figure {
            part: "live",
            what: "twice as slow: 17 % late beside 1 %, median",
            promise: Promise::AtMost(300.0),
            unit: "s",
            measure: |effort| delay(effort, 0.17, 0.01),
        },
        Figure {
            part: "live",
            what: "1 % errors beside none, median",
            promise: Promise::AtMost(400.0),
            unit: "s",
            measure: |effort| delay(effort, 0.01, 0.0),
        },
    ]);
}
