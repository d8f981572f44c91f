//! What validation knows of a version: its tails, and how exactly.

use super::{Effort, Figure, Promise, check};
use crate::{
    marginal::{AlertRule, Reference},
    quantile_buckets::QuantileBuckets,
    sequential::{
        Detector,
        streams::{Endings, Stream},
        upper_limit,
    },
};

/// The 19 quantiles as they stand in a manifest, and the shares beyond the guards.
fn quantiles(mut values: Vec<f64>) -> (Vec<f64>, [f64; 2]) {
    values.sort_by(f64::total_cmp);
    let last = (values.len() - 1) as f64;
    let quantile = |twentieth| values[(last * f64::from(twentieth) / 20.0) as usize];
    let quantiles: Vec<f64> = (1..20).map(quantile).collect();
    let [low, high] = QuantileBuckets::guards(&quantiles).expect("quantiles");
    let share = |count: usize| (count as f64 + 0.5) / (values.len() as f64 + 1.0);
    let below = values.iter().filter(|value| **value <= low).count();
    let above = values.iter().filter(|value| **value > high).count();
    (quantiles, [share(below), share(above)])
}

/// Percent of windows of 2000 answers without any drift that are beyond the noise: of the certainty of a student whose
/// margins are normal, mean 7 and deviation 3 nats.
fn beyond_noise(effort: Effort, tails: fn([f64; 2]) -> Option<[f64; 2]>) -> f64 {
    let validations = effort.runs(20, 200);
    let mut stream = Stream::new(11);
    let mut certainty = || 1.0 / (1.0 + (-(7.0 + 3.0 * stream.normal()).abs()).exp());
    let mut beyond = 0_u32;
    for _ in 0..validations {
        let (quantiles, known) = quantiles((0..5000).map(|_| certainty()).collect());
        let cells = QuantileBuckets::new(&quantiles, tails(known)).expect("quantiles");
        let reference = Reference::new(cells.shares(), 5000);
        for _ in 0..10 {
            let mut counts = vec![0; cells.shares().len()];
            (0..2000).for_each(|_| counts[cells.place(certainty())] += 1);
            let shift = reference.compare(&counts);
            beyond += u32::from(shift.kl_nats > shift.noise_nats);
        }
    }
    f64::from(beyond) / validations as f64 * 10.0
}

/// Percent of streams of 20 000 pairs with an alarm of the detector, though stable is what it was: it disagrees in 4 %, and
/// `samples` pictures have said how often.
fn false_alarms(effort: Effort, samples: u64, limit: fn(f64, u64) -> f64) -> f64 {
    let ended = Endings::of(
        effort.runs(100, 600),
        20_000,
        || None,
        |detector: &mut Option<Detector>, stream, n| {
            let detector = detector.get_or_insert_with(|| {
                let wrong = (0..samples).filter(|_| stream.happens(0.04)).count();
                let margin = limit(wrong as f64 / samples as f64, samples) + 0.01;
                Detector::new(0.0, 1.0, margin)
            });
            detector.observe(f64::from(stream.happens(0.04)));
            n % 20 == 0 && detector.log_statistic() >= 1e6_f64.ln()
        },
    );
    ended.percent()
}

/// Median of the pairs until the detector sees ten points more disagreement.
fn delay(effort: Effort, samples: u64) -> f64 {
    let new = || Detector::new(0.0, 1.0, upper_limit(0.04, samples) + 0.01);
    let ended = Endings::of(effort.runs(100, 600), 20_000, new, |detector, stream, _| {
        detector.observe(f64::from(stream.happens(0.14)));
        detector.log_statistic() >= 1e6_f64.ln()
    });
    ended.quantile(0.5) as f64
}

/// A new kind of input that a twentieth of the pictures is of.
#[test]
fn known_tails_see_what_is_far_beyond() {
    let mut stream = Stream::new(12);
    let (quantiles, tails) = quantiles((0..5000).map(|_| stream.normal()).collect());
    let cells = QuantileBuckets::new(&quantiles, Some(tails)).expect("quantiles");
    let mut counts = vec![0; cells.shares().len()];
    for n in 0..2000 {
        let value = if n % 20 == 0 { 9.0 } else { stream.normal() };
        counts[cells.place(value)] += 1;
    }
    let shift = Reference::new(cells.shares(), 5000).compare(&counts);
    assert!(AlertRule::default().fires(&shift), "{shift:?}");
}

#[test]
fn judge_figures_of_tails() {
    check(&[
        Figure {
            part: "tails",
            what: "a certain student without drift: windows beyond the noise",
            promise: Promise::AtMost(0.5),
            unit: "%",
            measure: |effort| beyond_noise(effort, Some),
        },
        Figure {
            part: "tails",
            what: "the same, with a manifest that doesn't know its tails",
            promise: Promise::AtMost(0.5),
            unit: "%",
            measure: |effort| beyond_noise(effort, |_| None),
        },
        Figure {
            part: "tails",
            what: "the same, a thousandth assumed beyond each guard",
            promise: Promise::Without(90.0),
            unit: "%",
            measure: |effort| beyond_noise(effort, |_| Some([0.001; 2])),
        },
    ]);
}

#[test]
fn judge_figures_of_the_detector() {
    check(&[
        Figure {
            part: "detector",
            what: "validated on 200 pictures: streams of 20 000 pairs with a false alarm",
            promise: Promise::AtMost(1.0),
            unit: "%",
            measure: |effort| false_alarms(effort, 200, upper_limit),
        },
        Figure {
            part: "detector",
            what: "the same, validation taken as exact",
            promise: Promise::Without(8.0),
            unit: "%",
            measure: |effort| false_alarms(effort, 200, |mean, _| mean),
        },
        Figure {
            part: "detector",
            what: "ten points more disagreement, validated on 200 pictures, median",
            promise: Promise::AtMost(1200.0),
            unit: "pairs",
            measure: |effort| delay(effort, 200),
        },
        Figure {
            part: "detector",
            what: "the same, validated on 5000",
            promise: Promise::AtMost(300.0),
            unit: "pairs",
            measure: |effort| delay(effort, 5000),
        },
    ]);
}
