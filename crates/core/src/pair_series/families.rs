//! The metric families of pairs, and of the expected values.

use prometheus::{CounterVec, GaugeVec, HistogramVec, IntCounterVec};
use stillhouse_metrics::{Classes, DIVERGENCE_NATS, Metrics, Scope};

use super::{Expected, PairSeries};

/// Every family.
#[derive(Clone)]
pub struct PairMetrics {
    divergence: HistogramVec,
    squares: CounterVec,
    cubes: CounterVec,
    clipped: CounterVec,
    clips: IntCounterVec,
    at_temperature: HistogramVec,
    at_temperature_squares: CounterVec,
    at_temperature_cubes: CounterVec,
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

/// Names of the detectors in labels.
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
                "KL(teacher||version) of an answer at temperature 1, of independent scores summed over the classes, at most 100; an answer that isn't finite counts as the clip.",
                OF,
                DIVERGENCE_NATS,
            ),
            squares: metrics.real_counters(
                "divergence_squares_total",
                "Sum of the squares of divergence_nats, in nats squared.",
                OF,
            ),
            cubes: metrics.real_counters(
                "divergence_cubes_total",
                "Sum of the cubes of divergence_nats, in nats cubed.",
                OF,
            ),
            clipped: metrics.real_counters(
                "divergence_clipped_nats_total",
                "Sum of divergence_nats, each clipped at judge_divergence_clip_nats.",
                OF,
            ),
            clips: metrics.counters(
                "divergence_clips_total",
                "Pairs whose divergence was clipped.",
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
            at_temperature_cubes: metrics.real_counters(
                "divergence_at_temperature_cubes_total",
                "Sum of the cubes of divergence_at_temperature_nats, in nats cubed.",
                OF,
            ),
            agreements: metrics.counters(
                "agreements_total",
                "Pairs in which version and teacher answer the same class; of independent scores, the same labels.",
                OF,
            ),
            within_top5: metrics.counters(
                "top5_containments_total",
                "Pairs in which the teacher's class is among the version's first five.",
                OF,
            ),
            class_nats: metrics.real_counters(
                "divergence_class_nats_total",
                "What each class contributes to the sum of divergence_nats; with more than 100 classes, all is added to the teacher's class.",
                OF_CLASS,
            ),
            bin_answers: metrics.counters(
                "calibration_answers_total",
                "Pairs by the version's top probability, in tenths; of independent scores, by the probability of exactly its labels.",
                OF_BIN,
            ),
            bin_agreements: metrics.counters(
                "calibration_agreements_total",
                "Agreements by the probability of calibration_answers_total, in tenths.",
                OF_BIN,
            ),
            bin_probabilities: metrics.real_counters(
                "calibration_probability_total",
                "Sum of the probabilities of calibration_answers_total, in tenths of them.",
                OF_BIN,
            ),
            cells: metrics.counters(
                "input_cells_total",
                "Shadowed pictures and answers by a watched statistic, in cells between the 20-quantiles of the reference.",
                &["model", "version", "role", "statistic", "cell"],
            ),
            detectors: metrics.real_gauges(
                "detector_log_statistic",
                "Logarithm of the statistic that detects a change of stable since it became stable; alarm at detector_alarm_log.",
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

    /// Creates the handles of one version in one role, every series at 0, and its reference. `of` names model, version
    /// and role; the series end with `series`. A version that is watched for change gets detectors. Where decisions use
    /// a divergence, it counts as `clip_nats` at most.
    pub fn resolve(
        &self,
        of: [&str; 3],
        series: &mut Scope,
        classes: &Classes,
        expected: Expected,
        clip_nats: f64,
        with_detectors: bool,
    ) -> PairSeries {
        let [model, version, role] = of;
        self.show(series, [model, version], classes, &expected);
        let class_nats = classes.names().map(|class| {
            let of = &[model, version, role, class];
            series.series(&self.class_nats, of)
        });
        let class_nats = class_nats.collect();
        let bins = std::array::from_fn(|bin| {
            let bin = bin.to_string();
            let of = &[model, version, role, &bin];
            (
                series.series(&self.bin_answers, of),
                series.series(&self.bin_agreements, of),
                series.series(&self.bin_probabilities, of),
            )
        });
        let cells = expected.watched.iter().map(|watched| {
            let cells = (0..watched.cells.shares().len()).map(|cell| {
                let of = &[model, version, role, &watched.name, &name(cell)];
                series.series(&self.cells, of)
            });
            cells.collect()
        });
        let cells = cells.collect();
        let detectors = with_detectors.then(|| {
            DETECTORS.map(|metric| {
                let gauge = series.series(&self.detectors, &[model, version, role, metric]);
                gauge.set(f64::NEG_INFINITY);
                gauge
            })
        });
        PairSeries {
            divergence: series.series(&self.divergence, &of),
            squares: series.series(&self.squares, &of),
            cubes: series.series(&self.cubes, &of),
            clipped: series.series(&self.clipped, &of),
            clips: series.series(&self.clips, &of),
            at_temperature: series.series(&self.at_temperature, &of),
            at_temperature_squares: series.series(&self.at_temperature_squares, &of),
            at_temperature_cubes: series.series(&self.at_temperature_cubes, &of),
            agreements: series.series(&self.agreements, &of),
            within_top5: series.series(&self.within_top5, &of),
            class_nats,
            bins,
            cells,
            detectors,
            classes: classes.clone(),
            clip_nats,
            expected,
        }
    }

    fn show(&self, series: &mut Scope, of: [&str; 2], classes: &Classes, expected: &Expected) {
        let [model, version] = of;
        if let Some(reference) = &expected.classes {
            for (class, share) in classes.names().zip(reference.shares()) {
                let of = &[model, version, class];
                series.series(&self.reference_class_ratio, of).set(*share);
            }
        }
        let samples = expected
            .classes
            .is_some()
            .then_some(expected.samples as f64);
        for (family, value) in [
            (&self.reference_samples, samples),
            (&self.reference_agreement, expected.agreement),
            (&self.reference_divergence, expected.kl_nats),
            (&self.reference_clipped, expected.kl_clipped_nats),
        ] {
            if let Some(value) = value {
                series.series(family, &of).set(value);
            }
        }
        for watched in &expected.watched {
            for (cell, share) in watched.cells.shares().iter().enumerate() {
                let of = &[model, version, &watched.name, &name(cell)];
                series.series(&self.reference_cell_ratio, of).set(*share);
            }
        }
    }
}

/// Two digits, so that cells sort in their order.
fn name(cell: usize) -> String {
    format!("{cell:02}")
}
