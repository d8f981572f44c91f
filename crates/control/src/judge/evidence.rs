//! What is known about a canary: numbers, gathered elsewhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ClassEvidence, EvidenceLoss};
use stillhouse_core::rollout::Share;
use stillhouse_drift::{
    request_weighted::RequestWeighted,
    sequential::{Compared, EventRates, Rate},
};

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
    /// Disagreement, compared with the last version that a person approved instead of stable.
    AnchorDisagreement,
    /// Divergence, compared likewise.
    AnchorDivergence,
}

impl Metric {
    /// The five that roll a canary back: they share the chance of doing so wrongly.
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

/// The canary beside the last version that a person approved, where stable is another one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnchorEvidence {
    /// Which.
    pub version: String,
    /// Whether it can be run.
    pub is_loaded: bool,
    /// In parts of the answers, canary less anchor.
    pub disagreement: Compared,
    /// In nats, canary less anchor.
    pub divergence: Compared,
}

/// What is known about a canary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// In parts of the answers.
    pub disagreement: Compared,
    /// In nats.
    pub divergence: Compared,
    /// Of an automatic plan, if stable isn't what a person approved last.
    pub anchor: Option<AnchorEvidence>,
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
    /// How often the teacher was run for it.
    pub teacher_runs: u64,
    /// Different pictures among the pairs, about.
    pub pictures: u64,
    /// The differences as callers get them.
    pub requests: RequestWeighted,
    /// Why some evidence is missing.
    pub evidence_loss: Option<EvidenceLoss>,
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
    /// Which automatic try of the model's it is since a person last approved a version, from 1.
    pub try_number: u32,
}
