//! What a canary is judged by: margins, error rates, the ramp.

use std::{f64::consts::PI, time::Duration};

use serde::{Deserialize, Serialize};

use super::Metric;
use stillhouse_core::rollout::{Share, written};
use stillhouse_drift::sequential::{ClassGuard, EventRates, Paired, Thresholds};

/// A table of the configuration; every value has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Criteria {
    /// How much more often than stable the canary may disagree with the teacher; 0.01 is one answer in a hundred.
    pub disagreement_margin: f64,
    /// How much more often than stable it may disagree in one class of stable's answers.
    pub class_margin: f64,
    /// How much further from the teacher than stable's its answers may be on average.
    pub divergence_margin_nats: f64,
    /// The most that one answer's divergence counts.
    pub divergence_clip_nats: f64,
    /// How many times stable's rate of errors the canary's may be.
    pub error_margin_ratio: f64,
    /// How many times stable's rate of late answers the canary's may be.
    pub latency_margin_ratio: f64,
    /// No answer is late that took less, however fast stable is.
    pub latency_floor_seconds: f64,
    /// The chance that a canary within all margins is ever rolled back by evidence in one try; the metrics share it.
    pub roll_back_alpha: f64,
    /// The chance that a canary beyond a margin is ever promoted, however often it is tried.
    pub promotion_alpha: f64,
    /// Observations, pairs or seconds, after which a roll-back test begins another run.
    pub restart_every: u64,
    /// Answers that aren't finite after which nothing more is waited for.
    pub stop_non_finite: u64,
    /// Errors among the first `early_answers` answers after which nothing more is waited for.
    pub stop_early_errors: u64,
    /// How many answers are the first.
    pub early_answers: u64,
    /// The e-value against the configured split above which the ramp is frozen.
    pub sample_ratio_alarm: f64,
    /// The canary's shares, in order; 0 is dark: judged by shadows alone.
    #[serde(with = "written::list")]
    pub ramp: Vec<Share>,
    /// How long a share is kept before the next.
    pub soak_seconds: u64,
    /// Pairs that each step must see.
    pub step_pairs: u64,
    /// Answers that the canary must give in each step in which it has a share.
    pub step_answers: u64,
    /// Pairs that promotion needs in all.
    pub promotion_pairs: u64,
    /// Different pictures that promotion needs among the pairs.
    pub promotion_pictures: u64,
    /// How old a canary must be before it gets all requests or is promoted: requests by night may differ from those by day.
    pub minimum_age_seconds: u64,
    /// How long a canary may stay undecided; then the ramp stops and an alert is raised.
    pub maximum_age_seconds: u64,
}

impl Default for Criteria {
    fn default() -> Self {
        let share = |basis_points| Share::new(basis_points).unwrap_or(Share::ALL);
        Self {
            disagreement_margin: 0.01,
            class_margin: 0.1,
            divergence_margin_nats: 0.02,
            divergence_clip_nats: 2.0,
            error_margin_ratio: 1.5,
            latency_margin_ratio: 1.5,
            latency_floor_seconds: 0.01,
            roll_back_alpha: 0.01,
            promotion_alpha: 0.05,
            restart_every: 1000,
            stop_non_finite: 3,
            stop_early_errors: 5,
            early_answers: 20,
            sample_ratio_alarm: 1000.0,
            ramp: [0, 100, 500, 2500, 5000, 10_000].map(share).to_vec(),
            soak_seconds: 600,
            step_pairs: 100,
            step_answers: 20,
            promotion_pairs: 500,
            promotion_pictures: 200,
            minimum_age_seconds: 24 * 3600,
            maximum_age_seconds: 3 * 24 * 3600,
        }
    }
}

/// Criteria that can't be judged by.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{key}` is {value}: {expected}")]
pub struct CriteriaError {
    /// Which value.
    pub key: &'static str,
    /// What it is.
    pub value: String,
    /// What it must be.
    pub expected: &'static str,
}

impl Criteria {
    /// Checks what the values must be to each other; what each must be alone has its row in the configuration's table of ranges.
    ///
    /// # Errors
    /// The first relation that doesn't hold.
    pub fn check(&self) -> Result<(), CriteriaError> {
        let ramp: Vec<String> = self.ramp.iter().map(Share::to_string).collect();
        let rules: [(bool, &'static str, String, &'static str); 3] = [
            (
                self.divergence_margin_nats < self.divergence_clip_nats,
                "divergence_margin_nats",
                self.divergence_margin_nats.to_string(),
                "fewer nats than `divergence_clip_nats` belong here",
            ),
            (
                self.minimum_age_seconds < self.maximum_age_seconds,
                "minimum_age_seconds",
                self.minimum_age_seconds.to_string(),
                "fewer seconds than `maximum_age_seconds` belong here, else no canary would be promoted",
            ),
            (
                !ramp.is_empty() && self.ramp.is_sorted_by(|a, b| a < b),
                "ramp",
                format!("{ramp:?}"),
                "shares that rise belong here",
            ),
        ];
        let broken = rules.into_iter().find(|(holds, ..)| !holds);
        match broken {
            Some((_, key, value, expected)) => Err(CriteriaError {
                key,
                value,
                expected,
            }),
            None => Ok(()),
        }
    }

    /// The tests of disagreement, which is counted in answers.
    pub fn disagreement(&self) -> Paired {
        Paired::new(self.disagreement_margin, Some(self.restart_every))
    }

    /// The tests of divergence, whose differences are parts of the clip.
    pub fn divergence(&self) -> Paired {
        let margin = self.divergence_margin_nats / self.divergence_clip_nats;
        Paired::new(margin, Some(self.restart_every))
    }

    /// The test of each class of stable's answers.
    pub fn classes(&self) -> ClassGuard {
        ClassGuard::new(self.class_margin)
    }

    /// The test of errors.
    pub fn errors(&self) -> EventRates {
        EventRates::new(self.error_margin_ratio, Some(self.restart_every))
    }

    /// The test of late answers.
    pub fn latency(&self) -> EventRates {
        EventRates::new(self.latency_margin_ratio, Some(self.restart_every))
    }

    /// What the tests of pairs must reach in this try.
    pub fn thresholds(&self, try_number: u32) -> Thresholds {
        Thresholds {
            roll_back_log_e: self.roll_back_log_e(),
            promotion_log_e: self.promotion_log_e(try_number),
        }
    }

    /// ln of the e-value that rolls back: whichever metric reaches it, so they share the chance of doing so wrongly. It is the
    /// same in every try: a good canary that was rolled back may be tried again, and a bad one shall not gain by its number.
    pub fn roll_back_log_e(&self) -> f64 {
        (Metric::ALL.len() as f64 / self.roll_back_alpha).ln()
    }

    /// ln of the e-value that promotes: each metric must reach it, so nothing is shared among them. The tries share the chance:
    /// the kth gets 6/(π²k²) of it, which sums to 1 over any number of them, so however often a bad canary is tried, it is
    /// promoted at most with the probability `promotion_alpha`.
    pub fn promotion_log_e(&self, try_number: u32) -> f64 {
        let share = 6.0 / (PI * f64::from(try_number.max(1))).powi(2);
        -(self.promotion_alpha * share).ln()
    }

    /// The share after this one; none at the end of the ramp.
    pub fn next_share(&self, share: Share) -> Option<Share> {
        self.ramp.iter().copied().find(|next| *next > share)
    }

    pub(super) fn soak(&self) -> Duration {
        Duration::from_secs(self.soak_seconds)
    }

    pub(super) fn minimum_age(&self) -> Duration {
        Duration::from_secs(self.minimum_age_seconds)
    }

    pub(super) fn maximum_age(&self) -> Duration {
        Duration::from_secs(self.maximum_age_seconds)
    }
}
