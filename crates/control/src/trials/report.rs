//! What is known of a canary, as people and programs read it: each metric beside what would decide.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        judge::{Criteria, Decision, Events, Evidence, Metric, Progress, Verdict},
        trial::{Hour, Trial},
    },
    ClassesReport,
};
use stillhouse_core::rollout::{Deployment, Plan, Role, Share};
use stillhouse_drift::sequential::Compared;

/// Wealth of a test beside what it needs, as natural logarithms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WealthReport {
    /// ln of the e-value.
    pub log_e: f64,
    /// ln of the e-value that decides.
    pub needed_log_e: f64,
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricReport {
    /// `disagreement`, `divergence`, `errors` or `latency`; `anchor_disagreement` and `anchor_divergence` beside the anchor.
    pub metric: String,
    /// Of estimate, bounds and margin: `share`, `nats`, or `ratio` of the rates.
    pub unit: String,
    /// Pairs, or events of both.
    pub observations: u64,
    /// Canary less stable; of live events, how many times stable's rate the canary's is.
    pub estimate: Option<f64>,
    /// At least and at most so much, by the tests' own bets, however often one looks: the lower bound reaches the margin
    /// when `roll_back` does what it needs, the upper one when `promotion` does.
    pub bounds: Option<[f64; 2]>,
    /// Canary less stable as callers get it: each pair weighted by the requests that it stands for.
    #[serde(default)]
    pub request_weighted: Option<f64>,
    /// What the canary may be worse by.
    pub margin: f64,
    /// Against "within the margin"; how the canary compares with the anchor has no say in a roll-back.
    pub roll_back: Option<WealthReport>,
    /// Against "beyond the margin"; live events have no say in a promotion.
    pub promotion: Option<WealthReport>,
}

/// The pairs of one hour of the day, on all days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HourReport {
    /// From 0 to 23, UTC.
    pub hour: u8,
    /// Pairs.
    pub pairs: u64,
    /// Disagreement with the teacher, canary less stable, a share of the answers.
    pub disagreement: f64,
}

impl HourReport {
    fn of((hour, seen): (u8, Hour)) -> Self {
        Self {
            hour,
            pairs: seen.pairs,
            disagreement: seen.disagreement(),
        }
    }
}

/// A canary on trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrialReport {
    /// The model.
    pub model: String,
    /// Whose evidence it is.
    pub canary: String,
    /// With whom it is compared.
    pub stable: String,
    /// What both are compared with.
    pub teacher: Option<String>,
    /// The last version that a person approved, with which it is compared as well; none if that is stable, or the canary.
    #[serde(default)]
    pub anchor: Option<String>,
    /// Who leads it.
    pub plan: Plan,
    /// Which automatic try it is since a person last approved a version: each needs stronger evidence for a promotion.
    #[serde(default = "first_try")]
    pub try_number: u32,
    /// Its share in basis points.
    #[schema(value_type = u16)]
    pub share: Share,
    /// Since when it has that share.
    pub soaked_seconds: f64,
    /// Since when it is canary.
    pub age_seconds: f64,
    /// Pairs at this share.
    pub step_pairs: u64,
    /// Live answers at this share.
    pub step_answers: u64,
    /// How often the teacher was run for the pairs; of the others its answer could have changed little or nothing.
    #[serde(default)]
    pub teacher_runs: u64,
    /// Different pictures among the pairs, about.
    #[serde(default)]
    pub pictures: u64,
    /// Requests that the request-weighted differences stand for.
    #[serde(default)]
    pub requests: u64,
    /// As many requests of different pictures, all of the same weight, would say as much.
    #[serde(default)]
    pub effective_sample: f64,
    /// Requests of minutes in which nothing was compared.
    #[serde(default)]
    pub unseen_requests: u64,
    /// Each metric.
    pub metrics: Vec<MetricReport>,
    /// The pairs by hour of the day, UTC; only hours in which there was one.
    #[serde(default)]
    pub hours: Vec<HourReport>,
    /// Whether a class of stable's answers is lost.
    #[serde(default)]
    pub classes: ClassesReport,
    /// Answers that weren't finite.
    pub non_finite: u64,
    /// Errors among its first answers.
    pub early_errors: u64,
    /// Above how many seconds an answer is late; not known yet where stable hasn't answered enough.
    pub late_above_seconds: Option<f64>,
    /// ln of the evidence against the configured split.
    pub sample_ratio_log_e: Option<f64>,
    /// Whether pairs fail to come.
    pub shadows_starved: bool,
    /// Whether evidence is missing.
    pub evidence_lost: bool,
    /// Why, in words.
    #[serde(default)]
    pub evidence_loss: Option<String>,
    /// Pairs that killed processes may have seen and not written down: each counts against a promotion as the worst there is.
    #[serde(default)]
    pub presumed_lost_pairs: u64,
    /// `hold`, `alert`, `advance`, `promote` or `roll_back`.
    pub decision: String,
    /// Why, in words; the weightiest first.
    pub reasons: Vec<String>,
}

/// A trial that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EndedReport {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// The generation that ended it.
    pub generation: u64,
    /// `promoted` or `taken out`.
    pub ending: String,
    /// What was known then.
    pub trial: TrialReport,
}

/// All about a model's canaries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceReport {
    /// The model.
    pub model: String,
    /// The deployment's generation.
    pub generation: u64,
    /// Who answers.
    pub stable: String,
    /// Who knows better.
    pub teacher: Option<String>,
    /// The canary, if there is one.
    pub on_trial: Option<TrialReport>,
    /// The one before it, as long as this process lives; the audit log has them all.
    pub last: Option<EndedReport>,
}

impl TrialReport {
    pub(super) fn new(
        deployment: &Deployment,
        trial: &Trial,
        evidence: &Evidence,
        progress: &Progress,
        verdict: &Verdict,
        criteria: &Criteria,
    ) -> Self {
        let assignment = &deployment.assignment;
        let name = |role| assignment.filling(role).map(ToString::to_string);
        let [by_requests, by_requests_nats] = match evidence.requests.means() {
            Some([share, clips]) => [Some(share), Some(clips * criteria.divergence_clip_nats)],
            None => [None; 2],
        };
        let promotion_log_e = criteria.promotion_log_e(progress.try_number);
        let paired = |metric: Metric, compared: &Compared, request_weighted| {
            let seen = compared.observations > 0;
            let (unit, margin) = match metric {
                Metric::Divergence | Metric::AnchorDivergence => {
                    ("nats", criteria.divergence_margin_nats)
                }
                _ => ("share", criteria.disagreement_margin),
            };
            MetricReport {
                metric: metric.to_string(),
                unit: unit.into(),
                observations: compared.observations,
                estimate: seen.then_some(compared.mean),
                bounds: seen.then_some(compared.bounds),
                request_weighted,
                margin,
                roll_back: Metric::ALL.contains(&metric).then(|| WealthReport {
                    log_e: compared.roll_back_log_e,
                    needed_log_e: criteria.roll_back_log_e(),
                }),
                promotion: Some(WealthReport {
                    log_e: compared.promotion_log_e,
                    needed_log_e: promotion_log_e,
                }),
            }
        };
        let live = |metric: Metric, events: &Events, margin| MetricReport {
            metric: metric.to_string(),
            unit: "ratio".into(),
            observations: events.seconds,
            estimate: Some(events.ratio()).filter(|ratio| ratio.is_finite()),
            bounds: None,
            request_weighted: None,
            margin,
            roll_back: Some(WealthReport {
                log_e: events.log_e,
                needed_log_e: criteria.roll_back_log_e(),
            }),
            promotion: None,
        };
        let mut metrics = vec![
            paired(Metric::Disagreement, &evidence.disagreement, by_requests),
            paired(Metric::Divergence, &evidence.divergence, by_requests_nats),
            live(
                Metric::Errors,
                &evidence.errors,
                criteria.error_margin_ratio,
            ),
            live(
                Metric::Latency,
                &evidence.latency,
                criteria.latency_margin_ratio,
            ),
        ];
        if let Some(anchor) = &evidence.anchor {
            metrics.push(paired(
                Metric::AnchorDisagreement,
                &anchor.disagreement,
                None,
            ));
            metrics.push(paired(Metric::AnchorDivergence, &anchor.divergence, None));
        }
        Self {
            model: deployment.stable.version.model.to_string(),
            canary: name(Role::Canary).unwrap_or_default(),
            stable: assignment.stable.to_string(),
            teacher: name(Role::Teacher),
            anchor: assignment.compared_anchor().map(ToString::to_string),
            plan: assignment.plan,
            try_number: progress.try_number,
            share: progress.share,
            soaked_seconds: rounded(progress.soaked),
            age_seconds: rounded(progress.age),
            step_pairs: progress.step_pairs,
            step_answers: progress.step_answers,
            teacher_runs: evidence.teacher_runs,
            pictures: evidence.pictures,
            requests: evidence.requests.requests(),
            effective_sample: evidence.requests.effective_sample().round(),
            unseen_requests: evidence.requests.unseen_requests(),
            metrics,
            hours: trial.hours().seen().map(HourReport::of).collect(),
            classes: ClassesReport::new(trial.classes().0, trial.classes().1, criteria),
            non_finite: evidence.non_finite,
            early_errors: evidence.early_errors,
            late_above_seconds: trial.late_above_seconds(),
            // Infinite where a role without a share got requests: JSON has no word for that.
            sample_ratio_log_e: Some(evidence.sample_ratio_log_e).filter(|log_e| log_e.is_finite()),
            shadows_starved: evidence.shadows_starved,
            evidence_lost: evidence.evidence_loss.is_some(),
            evidence_loss: evidence.evidence_loss.as_ref().map(ToString::to_string),
            presumed_lost_pairs: trial.presumed_lost_pairs(),
            decision: word(&verdict.decision).into(),
            reasons: verdict.reasons.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TrialReport {
    /// Whether another report differs in nothing but the time that has passed.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        let later = Self {
            soaked_seconds: other.soaked_seconds,
            age_seconds: other.age_seconds,
            ..self.clone()
        };
        later == *other
    }
}

/// As it stands in labels and answers.
pub(super) fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Hold { alert: false } => "hold",
        Decision::Hold { alert: true } => "alert",
        Decision::Advance { .. } => "advance",
        Decision::Promote => "promote",
        Decision::RollBack => "roll_back",
    }
}

fn first_try() -> u32 {
    1
}

/// Rounded to milliseconds; more digits would only be noise.
fn rounded(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}
