//! What is known about a canary: numbers, gathered elsewhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ClassEvidence;
use stillhouse_core::rollout::Share;
use stillhouse_drift::sequential::{Compared, EventRates, Rate};

/// What gates a canary: only what is relative to the teacher, to stable, or to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Another class than the teacher's.
    Disagreement,
    /// KL(teacher‖version), clipped.
    Divergence,
    /// Requests that failed.
    Errors,
    /// Answers later than a fixed bound.
    Latency,
    /// Disagreement, in each class of stable's answer.
    Classes,
}

impl Metric {
    /// All five: they share the chance of a wrong roll-back.
    pub const ALL: [Self; 5] = [
        Self::Disagreement,
        Self::Divergence,
        Self::Errors,
        Self::Latency,
        Self::Classes,
    ];
}

/// Events of live requests, errors or late answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Events {
    /// The canary's.
    pub canary: Rate,
    /// Stable's.
    pub stable: Rate,
    /// Seconds that were compared.
    pub seconds: u64,
    /// ln of the e-value against "at most so many times stable's rate".
    pub log_e: f64,
}

impl Events {
    /// How many times stable's rate the canary's is; not finite before both have requests and stable an event.
    pub fn ratio(&self) -> f64 {
        let share = |rate: Rate| rate.events as f64 / rate.requests as f64;
        share(self.canary) / share(self.stable)
    }
}

impl From<&EventRates> for Events {
    fn from(test: &EventRates) -> Self {
        let (canary, stable) = test.totals();
        Self {
            canary,
            stable,
            seconds: test.observations(),
            log_e: test.log_e(),
        }
    }
}

/// What is known about a canary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// In parts of the answers.
    pub disagreement: Compared,
    /// In nats.
    pub divergence: Compared,
    /// Disagreement by class.
    pub classes: ClassEvidence,
    /// Failed requests.
    pub errors: Events,
    /// Late answers.
    pub latency: Events,
    /// Answers of the canary that weren't finite, live and in shadows.
    pub non_finite: u64,
    /// Errors among the canary's first answers.
    pub early_errors: u64,
    /// ln of the e-value against the configured split.
    pub sample_ratio_log_e: f64,
    /// Shadows that are due don't come: teacher missing, slow or failing, or no budget.
    pub shadows_starved: bool,
    /// A restart lost evidence. What was lost may have been unfavourable, so what is left is never favourable.
    pub evidence_lost: bool,
}

/// How far the canary is; durations from a clock that never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// Its share now.
    pub share: Share,
    /// Since it has that share.
    pub soaked: Duration,
    /// Pairs since then.
    pub step_pairs: u64,
    /// Its live answers since then.
    pub step_answers: u64,
    /// Since it became canary.
    pub age: Duration,
}
