//! Detects that the stable version has become worse than in the trial that it was promoted by, or at its validation.

use std::sync::Arc;

use super::DriftSettings;
use crate::rollout::Seat;
use stillhouse_drift::{
    comparison::PairMeasure,
    sequential::{Detector, upper_limit},
};

/// The tolerated loss since validation, as a share of the answers and of the clip: the same as for a canary.
const ALLOWANCE: f64 = 0.01;

/// How far above the alarm's threshold a statistic may grow, so that an alarm ends after its cause.
const CEILING: f64 = 3.0;

/// Fewer pairs of a trial say less than a validation usually does.
const TRIAL_PAIRS: u64 = 100;

/// What is known of a version beside its teacher: parts of the answers and of the clip, and the number of pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    samples: u64,
    disagreement: f64,
    divergence: f64,
}

impl Measured {
    /// By the trial of a canary; none if that was too short to say.
    pub(super) fn of_trial(canary: &Seat, clip_nats: f64) -> Option<Self> {
        let series = canary.beside_teacher()?;
        let tally = series.read(canary.predictions(), canary.labels());
        let of = |sum: f64| sum / tally.pairs as f64;
        (tally.pairs >= TRIAL_PAIRS).then(|| Self {
            samples: tally.pairs,
            disagreement: 1.0 - of(tally.agreements as f64),
            divergence: of(tally.clipped_nats) / clip_nats,
        })
    }

    /// By validation, as the manifest says; none if it doesn't.
    fn at_validation(seat: &Seat, clip_nats: f64) -> Option<Self> {
        let expected = seat.beside_teacher()?.expected();
        let measured = Self {
            samples: expected.samples,
            disagreement: 1.0 - expected.agreement?,
            divergence: expected.kl_clipped_nats? / clip_nats,
        };
        let known = [measured.disagreement, measured.divergence];
        known
            .iter()
            .all(|part| part.is_finite())
            .then_some(measured)
    }
}

/// Both detectors of one stable seat; none if nothing is known of it.
pub(super) struct Detectors {
    seat: Arc<Seat>,
    pair: Option<[Detector; 2]>,
    clip_nats: f64,
    alarm_log: f64,
    alarmed: bool,
}

impl Detectors {
    /// `trial` is what a trial measured on live pictures, which counts before the validation.
    pub(super) fn new(
        seat: Arc<Seat>,
        trial: Option<Measured>,
        clip_nats: f64,
        settings: &DriftSettings,
    ) -> Self {
        let measured = trial.or_else(|| Measured::at_validation(&seat, clip_nats));
        let pair = measured.map(|measured| {
            let detector = |expected: f64| {
                let margin = upper_limit(expected, measured.samples) + ALLOWANCE;
                let margin = margin.clamp(ALLOWANCE, 1.0 - ALLOWANCE);
                Detector::new(0.0, 1.0, margin).up_to(settings.alarm_log() + CEILING)
            };
            [measured.disagreement, measured.divergence].map(detector)
        });
        Self {
            seat,
            pair,
            clip_nats,
            alarm_log: settings.alarm_log(),
            alarmed: false,
        }
    }

    pub(super) fn is_of(&self, seat: &Arc<Seat>) -> bool {
        Arc::ptr_eq(&self.seat, seat)
    }

    /// Adds a pair; `None` for an answer that failed or isn't finite.
    pub(super) fn observe(&mut self, measure: Option<&PairMeasure>) {
        let Some([disagreement, divergence]) = &mut self.pair else {
            return;
        };
        disagreement.observe(f64::from(!measure.is_some_and(|measure| measure.agrees)));
        let nats = measure.map_or(self.clip_nats, |measure| {
            measure.kl_nats.min(self.clip_nats)
        });
        divergence.observe(nats / self.clip_nats);
        let logs = [disagreement.log_statistic(), divergence.log_statistic()];
        if let Some(series) = self.seat.beside_teacher() {
            series.show_detectors(logs);
        }
        let alarm = logs.iter().any(|log| *log >= self.alarm_log);
        if alarm && !self.alarmed {
            let version = &self.seat.version;
            tracing::warn!(
                model = %version.model,
                version = %version.name,
                disagreement_log = logs[0],
                divergence_log = logs[1],
                alarm_log = self.alarm_log,
                "stable no longer answers as it did in its trial, or at validation; see `stillhouse drift` for where"
            );
        }
        self.alarmed = alarm;
    }
}
