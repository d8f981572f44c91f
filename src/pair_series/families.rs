//! The metric families of pairs, and of what is expected of them.

use prometheus::{
    Counter, CounterVec, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec,
};
use stillhouse_drift::calibration::BINS;
use stillhouse_metrics::{Classes, DIVERGENCE_NATS, Metrics};

use super::{Expected, PairSeries};

/// Every family.
#[derive(Clone)]
pub struct PairMetrics {
    divergence: HistogramVec,
    squares: CounterVec,
    clipped: CounterVec,
    clips: IntCounterVec,
    at_temperature: HistogramVec,
    at_temperature_squares: CounterVec,
    agreements: IntCounterVec,
    within_top5: IntCounterVec,
    class_nats: CounterVec,
    bin_answers: IntCounterVec,
    bin_agreements: IntCounterVec,
    bin_probabilities: CounterVec,
    cells: IntCounterVec,
    detectors: GaugeVec,
    reference_class_ratio: GaugeVec,
    reference_samples: GaugeVec,
    reference_agreement: GaugeVec,
    reference_divergence: GaugeVec,
    reference_clipped: GaugeVec,
    reference_cell_ratio: GaugeVec,
}

/// Which detector is which, in labels.
const DETECTORS: [&str; 2] = ["disagreement", "divergence"];

impl PairMetrics {
    /// Registers the families.
    pub fn new(metrics: &Metrics) -> Self {
        const OF: &[&str] = &["model", "version", "role"];
        const OF_CLASS: &[&str] = &["model", "version", "role", "class"];
        const OF_BIN: &[&str] = &["model", "version", "role", "bin"];
        const REFERENCE: &[&str] = &["model", "version"];
        Self {
            divergence: metrics.histograms(
                "divergence_nats",
                "KL(teacher||version) of an answer at temperature 1, at most 100; an answer that isn't finite counts as the clip.",
                OF,
                DIVERGENCE_NATS,
            ),
            squares: metrics.real_counters(
                "divergence_squares_total",
                "Sum of the squares of divergence_nats, in nats squared.",
                OF,
            ),
            clipped: metrics.real_counters(
                "divergence_clipped_nats_total",
                "Sum of divergence_nats, each cut at judge_divergence_clip_nats.",
                OF,
            ),
            clips: metrics.counters(
                "divergence_clips_total",
                "Pairs whose divergence was cut.",
                OF,
            ),
            at_temperature: metrics.histograms(
                "divergence_at_temperature_nats",
                "T^2 KL(teacher||version) with both softened at the version's training temperature T, at most 100.",
                OF,
                DIVERGENCE_NATS,
            ),
            at_temperature_squares: metrics.real_counters(
                "divergence_at_temperature_squares_total",
                "Sum of the squares of divergence_at_temperature_nats, in nats squared.",
                OF,
            ),
            agreements: metrics.counters(
                "agreements_total",
                "Pairs in which version and teacher name the same class.",
                OF,
            ),
            within_top5: metrics.counters(
                "top5_containments_total",
                "Pairs in which the teacher's class is among the version's first five.",
                OF,
            ),
            class_nats: metrics.real_counters(
                "divergence_class_nats_total",
                "What each class contributes to the sum of divergence_nats; beyond 100 classes all goes to the teacher's.",
                OF_CLASS,
            ),
            bin_answers: metrics.counters(
                "calibration_answers_total",
                "Pairs by the version's top probability, in tenths.",
                OF_BIN,
            ),
            bin_agreements: metrics.counters(
                "calibration_agreements_total",
                "Agreements by the version's top probability, in tenths.",
                OF_BIN,
            ),
            bin_probabilities: metrics.real_counters(
                "calibration_probability_total",
                "Sum of the version's top probabilities, in tenths of them.",
                OF_BIN,
            ),
            cells: metrics.counters(
                "input_cells_total",
                "Shadowed pictures and answers by a watched number, between the ventiles of the reference.",
                &["model", "version", "role", "statistic", "cell"],
            ),
            detectors: metrics.real_gauges(
                "detector_log_statistic",
                "Logarithm of the statistic that looks for a change of stable since it became stable; alarm at detector_alarm_log.",
                &["model", "version", "role", "metric"],
            ),
            reference_class_ratio: metrics.real_gauges(
                "reference_class_ratio",
                "Share of a class among the answers at validation.",
                &["model", "version", "class"],
            ),
            reference_samples: metrics.real_gauges(
                "reference_samples",
                "Pictures that the version was validated on.",
                REFERENCE,
            ),
            reference_agreement: metrics.real_gauges(
                "reference_agreement_ratio",
                "Agreement with the teacher at validation.",
                REFERENCE,
            ),
            reference_divergence: metrics.real_gauges(
                "reference_divergence_nats",
                "Mean KL(teacher||version) at validation.",
                REFERENCE,
            ),
            reference_clipped: metrics.real_gauges(
                "reference_divergence_clipped_nats",
                "Mean clipped KL(teacher||version) at validation.",
                REFERENCE,
            ),
            reference_cell_ratio: metrics.real_gauges(
                "reference_input_cell_ratio",
                "Share of a cell of input_cells_total at validation.",
                &["model", "version", "statistic", "cell"],
            ),
        }
    }

    /// The handles of one version in one role, every series at 0, and its reference; with detectors where somebody looks for a
    /// change. A divergence counts as `clip_nats` at most where it is decided upon.
    pub fn resolve(
        &self,
        of: [&str; 3],
        classes: &Classes,
        expected: Expected,
        clip_nats: f64,
        with_detectors: bool,
    ) -> PairSeries {
        let [model, version, role] = of;
        self.show(model, version, classes, &expected);
        let real = |family: &CounterVec| family.with_label_values(&of);
        let whole = |family: &IntCounterVec| family.with_label_values(&of);
        let histogram = |family: &HistogramVec| -> Histogram { family.with_label_values(&of) };
        let class_nats = |class| {
            let of = &[model, version, role, class];
            self.class_nats.with_label_values(of)
        };
        let bin = |bin: usize| -> (IntCounter, IntCounter, Counter) {
            let bin = bin.to_string();
            let of = &[model, version, role, &bin];
            (
                self.bin_answers.with_label_values(of),
                self.bin_agreements.with_label_values(of),
                self.bin_probabilities.with_label_values(of),
            )
        };
        let watched = expected.watched.iter().map(|watched| {
            let cells = (0..watched.cells.shares().len()).map(|cell| {
                let of = &[model, version, role, &watched.name, &name(cell)];
                self.cells.with_label_values(of)
            });
            cells.collect()
        });
        PairSeries {
            divergence: histogram(&self.divergence),
            squares: real(&self.squares),
            clipped: real(&self.clipped),
            clips: whole(&self.clips),
            at_temperature: histogram(&self.at_temperature),
            at_temperature_squares: real(&self.at_temperature_squares),
            agreements: whole(&self.agreements),
            within_top5: whole(&self.within_top5),
            class_nats: classes.names().map(class_nats).collect(),
            bins: std::array::from_fn(bin),
            cells: watched.collect(),
            detectors: with_detectors.then(|| {
                DETECTORS.map(|metric| {
                    let of = &[model, version, role, metric];
                    let gauge = self.detectors.with_label_values(of);
                    gauge.set(f64::NEG_INFINITY);
                    gauge
                })
            }),
            classes: classes.clone(),
            clip_nats,
            expected,
        }
    }

    fn show(&self, model: &str, version: &str, classes: &Classes, expected: &Expected) {
        let of = &[model, version];
        let set = |family: &GaugeVec, value: Option<f64>| {
            if let Some(value) = value {
                family.with_label_values(of).set(value);
            }
        };
        if let Some(reference) = &expected.classes {
            for (class, share) in classes.names().zip(reference.shares()) {
                let of = &[model, version, class];
                self.reference_class_ratio.with_label_values(of).set(*share);
            }
            set(&self.reference_samples, Some(expected.samples as f64));
        }
        set(&self.reference_agreement, expected.agreement);
        set(&self.reference_divergence, expected.kl_nats);
        set(&self.reference_clipped, expected.kl_clipped_nats);
        for watched in &expected.watched {
            for (cell, share) in watched.cells.shares().iter().enumerate() {
                let of = &[model, version, &watched.name, &name(cell)];
                self.reference_cell_ratio.with_label_values(of).set(*share);
            }
        }
    }

    /// Removes every series of a version that has been unloaded, in one of its roles, and its reference.
    pub fn forget(&self, of: [&str; 3], classes: &Classes, expected: &Expected) {
        // What was never made can't be removed: that is no failure.
        let [model, version, role] = of;
        for family in [&self.divergence, &self.at_temperature] {
            let _ = family.remove_label_values(&of);
        }
        for family in [&self.squares, &self.clipped, &self.at_temperature_squares] {
            let _ = family.remove_label_values(&of);
        }
        for family in [&self.clips, &self.agreements, &self.within_top5] {
            let _ = family.remove_label_values(&of);
        }
        for class in classes.names() {
            let _ = self
                .class_nats
                .remove_label_values(&[model, version, role, class]);
            let _ = self
                .reference_class_ratio
                .remove_label_values(&[model, version, class]);
        }
        for bin in (0..BINS).map(|bin| bin.to_string()) {
            let of = &[model, version, role, &bin];
            let _ = self.bin_answers.remove_label_values(of);
            let _ = self.bin_agreements.remove_label_values(of);
            let _ = self.bin_probabilities.remove_label_values(of);
        }
        for watched in &expected.watched {
            for cell in (0..watched.cells.shares().len()).map(name) {
                let of = &[model, version, role, &watched.name, &cell];
                let _ = self.cells.remove_label_values(of);
                let of = &[model, version, &watched.name, &cell];
                let _ = self.reference_cell_ratio.remove_label_values(of);
            }
        }
        for metric in DETECTORS {
            let _ = self
                .detectors
                .remove_label_values(&[model, version, role, metric]);
        }
        for family in [
            &self.reference_samples,
            &self.reference_agreement,
            &self.reference_divergence,
            &self.reference_clipped,
        ] {
            let _ = family.remove_label_values(&[model, version]);
        }
    }
}

/// Two digits, so that cells are sorted as they follow each other.
fn name(cell: usize) -> String {
    format!("{cell:02}")
}
