//! Detects that the stable version has become worse than at its trial, or at its validation.

use std::sync::Arc;

use super::{
    DriftSettings,
    measured::{Means, Measured},
};
use crate::rollout::Seat;
use stillhouse_drift::{
    comparison::PairMeasure,
    sequential::{Detector, upper_limit},
};

/// The tolerated loss since then, as a share of the answers and of the clip: the same as for a canary.
const ALLOWANCE: f64 = 0.01;

/// How far above the alarm's threshold a statistic may grow, so that an alarm ends after its cause.
const CEILING: f64 = 3.0;

/// Both detectors of one stable seat; none if neither a trial nor its manifest says what to expect.
pub(super) struct Detectors {
    seat: Arc<Seat>,
    pair: Option<[Detector; 2]>,
    clip_nats: f64,
    alarm_log: f64,
    alarmed: bool,
}

impl Detectors {
    /// What the trial of the version measured on live traffic comes before what validation did on other pictures.
    pub(super) fn new(
        seat: Arc<Seat>,
        trial: &Measured,
        clip_nats: f64,
        settings: &DriftSettings,
    ) -> Self {
        let series = seat.beside_teacher();
        let validation = series.and_then(|series| {
            let expected = series.expected();
            Some(Means {
                disagreement: 1.0 - expected.agreement?,
                divergence: expected.kl_clipped_nats? / clip_nats,
                samples: expected.samples,
            })
        });
        let known = trial.of(&seat.version).or(validation);
        let known =
            known.filter(|means| means.disagreement.is_finite() && means.divergence.is_finite());
        let detector = |expected: f64, samples: u64| {
            let margin = upper_limit(expected, samples) + ALLOWANCE;
            let margin = margin.clamp(ALLOWANCE, 1.0 - ALLOWANCE);
            Detector::new(0.0, 1.0, margin).up_to(settings.alarm_log() + CEILING)
        };
        let pair = known.map(|means| {
            [means.disagreement, means.divergence].map(|mean| detector(mean, means.samples))
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
                "stable no longer answers as it did at its trial or at validation; see `stillhouse drift` for where"
            );
        }
        self.alarmed = alarm;
    }
}
