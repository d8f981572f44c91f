//! One version compared with its teacher, as Prometheus counters. These counters are the only ones there are: windows
//! and reports are differences between their readings, so the server's reports and a Prometheus rule can't disagree.

mod expected;
mod families;

use prometheus::{Counter, Gauge, Histogram, IntCounter};

use stillhouse_drift::{
    calibration::{BINS, Bin, Calibration},
    comparison::{Comparison, PairMeasure},
    confidence::Confidence,
    divergence::clip,
    tally::Tally,
};
use stillhouse_metrics::Classes;

pub use expected::{Expected, Watched};
pub use families::PairMetrics;

/// The handles of one version in one role.
pub struct PairSeries {
    divergence: Histogram,
    squares: Counter,
    cubes: Counter,
    clipped: Counter,
    clips: IntCounter,
    at_temperature: Histogram,
    at_temperature_squares: Counter,
    at_temperature_cubes: Counter,
    agreements: IntCounter,
    within_top5: IntCounter,
    class_nats: Vec<Counter>,
    bins: [(IntCounter, IntCounter, Counter); BINS],
    cells: Vec<Vec<IntCounter>>,
    detectors: Option<[Gauge; 2]>,
    classes: Classes,
    expected: Expected,
    clip_nats: f64,
}

impl PairSeries {
    /// The values in the version's manifest.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// Counts a pair; `comparison` has just measured it.
    pub fn observe(&self, measure: &PairMeasure, comparison: &Comparison) {
        self.divergence(measure.kl_nats, measure.at_temperature_nats);
        if measure.agrees {
            self.agreements.inc();
        }
        if measure.within_top5 {
            self.within_top5.inc();
        }
        for (class, nats) in comparison.contributions_nats() {
            self.class_nats[self.classes.place(class)].inc_by(nats);
        }
        let certainty = measure.certainty;
        let (answers, agreements, probabilities) = &self.bins[Calibration::place(certainty)];
        answers.inc();
        probabilities.inc_by(certainty);
        if measure.agrees {
            agreements.inc();
        }
        let Confidence {
            top1_probability,
            margin,
            log_sum_exp,
            ..
        } = measure.confidence;
        self.watch("top1_probability", top1_probability);
        self.watch("margin", margin);
        self.watch("log_sum_exp", log_sum_exp);
    }

    /// Counts a pair for which the version gave no answer, or none that is finite: the worst possible result.
    pub fn observe_worst(&self, teacher_top1: usize) {
        self.divergence(self.clip_nats, self.clip_nats);
        self.class_nats[self.classes.place(teacher_top1)].inc_by(self.clip_nats);
    }

    /// One more value of a watched number; without ventiles in the reference it is no use.
    pub fn watch(&self, name: &str, value: f64) {
        let mut all = self.expected.watched.iter().zip(&self.cells);
        if let Some((watched, cells)) = all.find(|(watched, _)| watched.name == name) {
            cells[watched.cells.place(value)].inc();
        }
    }

    /// Sets the state of the change detectors, as ln of their statistics: of disagreement, of divergence.
    pub fn show_detectors(&self, log_statistics: [f64; 2]) {
        for (gauge, log) in self.detectors.iter().flatten().zip(log_statistics) {
            gauge.set(log);
        }
    }

    /// The last state that was set, if there are detectors.
    pub fn detectors(&self) -> Option<[f64; 2]> {
        let gauges = self.detectors.as_ref()?;
        Some(gauges.each_ref().map(Gauge::get))
    }

    fn divergence(&self, kl_nats: f64, at_temperature_nats: f64) {
        let clipped = clip(kl_nats, self.clip_nats);
        self.divergence.observe(kl_nats);
        self.squares.inc_by(kl_nats * kl_nats);
        self.cubes.inc_by(kl_nats.powi(3));
        self.clipped.inc_by(clipped.nats);
        if clipped.was_clipped {
            self.clips.inc();
        }
        self.at_temperature.observe(at_temperature_nats);
        self.at_temperature_squares
            .inc_by(at_temperature_nats * at_temperature_nats);
        self.at_temperature_cubes
            .inc_by(at_temperature_nats.powi(3));
    }

    /// Reads every counter; `predictions` and `labels` are kept with the version's other answers.
    pub fn read(
        &self,
        predictions: impl IntoIterator<Item = u64>,
        labels: impl IntoIterator<Item = u64>,
    ) -> Tally {
        let bin = |(answers, agreements, probabilities): &(IntCounter, IntCounter, Counter)| Bin {
            answers: answers.get(),
            agreements: agreements.get(),
            probabilities: probabilities.get(),
        };
        Tally {
            predictions: predictions.into_iter().collect(),
            labels: labels.into_iter().collect(),
            pairs: self.divergence.get_sample_count(),
            kl_nats: self.divergence.get_sample_sum(),
            kl_squares: self.squares.get(),
            kl_cubes: self.cubes.get(),
            clipped_nats: self.clipped.get(),
            clips: self.clips.get(),
            at_temperature_nats: self.at_temperature.get_sample_sum(),
            at_temperature_squares: self.at_temperature_squares.get(),
            at_temperature_cubes: self.at_temperature_cubes.get(),
            agreements: self.agreements.get(),
            within_top5: self.within_top5.get(),
            class_nats: self.class_nats.iter().map(Counter::get).collect(),
            calibration: Calibration::from_bins(self.bins.each_ref().map(bin)),
            cells: self
                .cells
                .iter()
                .map(|cells| cells.iter().map(IntCounter::get).collect())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
