//! Evidence → hold, advance, promote or roll back. Pure: time and thresholds are arguments.
//!
//! A canary may be rolled back at any moment, also by evidence of which a part was lost. Forward it goes only while nothing
//! is wrong with the evidence itself: the split is what was promised, pairs come, no restart has forgotten any.

mod class_evidence;
mod criteria;
mod evidence;
mod loss;
mod outlook;
mod reason;

use serde::Serialize;

pub use class_evidence::{ClassEvidence, ClassFound};
pub use criteria::{Criteria, CriteriaError};
pub use evidence::{AnchorEvidence, Events, Evidence, Metric, Progress};
pub use loss::{Basis, EvidenceLoss};
pub use outlook::{Outlook, StableRates};
pub use reason::Reason;

pub(crate) use class_evidence::label;
use reason::seconds;
use stillhouse_core::rollout::Share;
use stillhouse_drift::sequential::Compared;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub enum Decision {
    /// Nothing.
    Hold {
        /// Waiting longer won't help: an operator must look.
        alert: bool,
    },
    /// The next share of the ramp.
    Advance {
        /// Which.
        share: Share,
    },
    /// The canary becomes stable.
    Promote,
    /// The canary goes.
    RollBack,
}

/// A decision and all its reasons, the first the weightiest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What is to be done.
    #[serde(flatten)]
    pub decision: Decision,
    /// Why; of a hold, everything that is missing.
    pub reasons: Vec<Reason>,
}

/// Judges a canary.
pub fn judge(evidence: &Evidence, progress: &Progress, criteria: &Criteria) -> Verdict {
    let verdict = |decision, reasons| Verdict { decision, reasons };
    let against = [hard_stops(evidence, criteria), refuted(evidence, criteria)].concat();
    if !against.is_empty() {
        return verdict(Decision::RollBack, against);
    }
    let guards = guards(evidence, criteria);
    let waits = waits(progress, criteria);
    let needed_log_e = criteria.promotion_log_e(progress.try_number);
    let (proven, unproven) = proofs(evidence, criteria, needed_log_e);
    let against_anchor = against_anchor(evidence, criteria);
    let next = criteria.next_share(progress.share);
    let overdue = (progress.age >= criteria.maximum_age()).then(|| Reason::Overdue {
        age_seconds: seconds(progress.age),
        maximum_seconds: criteria.maximum_age_seconds,
    });
    let young = (progress.age < criteria.minimum_age()).then(|| Reason::Young {
        age_seconds: seconds(progress.age),
        minimum_seconds: criteria.minimum_age_seconds,
    });
    let is_ready = guards.is_empty() && waits.is_empty();
    // A share of 100 % is a promotion in all but name and needs the same: stable would have no live requests left to be
    // compared with.
    let is_last = next.is_none_or(|share| share == Share::ALL);
    let lacking: Vec<Reason> = match is_last {
        true => young.into_iter().chain(unproven).collect(),
        false => vec![],
    };
    let is_allowed = lacking.is_empty() && (!is_last || against_anchor.is_empty());

    match next {
        None if is_ready && is_allowed => verdict(Decision::Promote, proven),
        Some(share) if is_ready && overdue.is_none() && is_allowed => {
            let soaked = Reason::Soaked {
                soaked_seconds: seconds(progress.soaked),
                pairs: progress.step_pairs,
            };
            verdict(Decision::Advance { share }, vec![soaked])
        }
        _ => {
            let alert = overdue.is_some() || !guards.is_empty() || !against_anchor.is_empty();
            let reasons = overdue
                .into_iter()
                .chain(guards)
                .chain(against_anchor)
                .chain(waits)
                .chain(lacking);
            verdict(Decision::Hold { alert }, reasons.collect())
        }
    }
}

/// What needs no statistics.
fn hard_stops(evidence: &Evidence, criteria: &Criteria) -> Vec<Reason> {
    let mut found = Vec::new();
    if evidence.non_finite >= criteria.stop_non_finite {
        found.push(Reason::NonFinite {
            answers: evidence.non_finite,
            limit: criteria.stop_non_finite,
        });
    }
    if evidence.early_errors >= criteria.stop_early_errors {
        found.push(Reason::EarlyErrors {
            errors: evidence.early_errors,
            first_answers: criteria.early_answers,
        });
    }
    found
}

fn compared(evidence: &Evidence) -> [(Metric, Compared); 2] {
    [
        (Metric::Disagreement, evidence.disagreement),
        (Metric::Divergence, evidence.divergence),
    ]
}

/// Why a person must decide about the promotion, however good the canary is beside stable: this isn't the last version that
/// a person approved, and how the canary compares with that one isn't known, or it is worse.
fn against_anchor(evidence: &Evidence, criteria: &Criteria) -> Vec<Reason> {
    let Some(anchor) = &evidence.anchor else {
        return vec![];
    };
    let needed_log_e = criteria.roll_back_log_e();
    let missing = (!anchor.is_loaded).then(|| Reason::AnchorMissing {
        anchor: anchor.version.clone(),
    });
    let beyond = beside_anchor(anchor)
        .into_iter()
        .filter_map(|(metric, compared)| {
            let log_e = compared.roll_back_log_e;
            (log_e >= needed_log_e).then_some(Reason::BeyondAnchor {
                anchor: anchor.version.clone(),
                metric,
                compared,
                log_e,
                needed_log_e,
            })
        });
    missing.into_iter().chain(beyond).collect()
}

fn beside_anchor(anchor: &AnchorEvidence) -> [(Metric, Compared); 2] {
    [
        (Metric::AnchorDisagreement, anchor.disagreement),
        (Metric::AnchorDivergence, anchor.divergence),
    ]
}

/// Metrics that are refuted to be within their margins.
fn refuted(evidence: &Evidence, criteria: &Criteria) -> Vec<Reason> {
    let needed_log_e = criteria.roll_back_log_e();
    let pairs = compared(evidence)
        .into_iter()
        .filter_map(|(metric, compared)| {
            let log_e = compared.roll_back_log_e;
            (log_e >= needed_log_e).then_some(Reason::Worse {
                metric,
                compared,
                log_e,
                needed_log_e,
            })
        });
    // Whose an event is says something only as long as the requests are split as was promised.
    let live = match is_split_as_promised(evidence, criteria) {
        true => vec![
            (Metric::Errors, evidence.errors),
            (Metric::Latency, evidence.latency),
        ],
        false => vec![],
    };
    let live = live.into_iter().filter_map(|(metric, events)| {
        (events.log_e >= needed_log_e).then_some(Reason::MoreEvents {
            metric,
            events,
            needed_log_e,
        })
    });
    let lost = evidence
        .classes
        .worst
        .as_ref()
        .filter(|_| evidence.classes.log_e >= needed_log_e);
    let lost = lost.map(|worst| Reason::ClassLost {
        worst: worst.clone(),
        log_e: evidence.classes.log_e,
        needed_log_e,
    });
    pairs.chain(lost).chain(live).collect()
}

/// Not a number is wrong, too.
fn is_split_as_promised(evidence: &Evidence, criteria: &Criteria) -> bool {
    evidence.sample_ratio_log_e <= criteria.sample_ratio_alarm.ln()
}

/// What is wrong with the evidence itself.
fn guards(evidence: &Evidence, criteria: &Criteria) -> Vec<Reason> {
    let mut found = Vec::new();
    if let Some(loss) = &evidence.evidence_loss {
        found.push(Reason::EvidenceLost { loss: loss.clone() });
    }
    if !is_split_as_promised(evidence, criteria) {
        found.push(Reason::SampleRatio {
            log_e: evidence.sample_ratio_log_e,
            alarm_log_e: criteria.sample_ratio_alarm.ln(),
        });
    }
    if evidence.shadows_starved {
        found.push(Reason::Starved);
    }
    found
}

/// What only takes longer.
fn waits(progress: &Progress, criteria: &Criteria) -> Vec<Reason> {
    let mut found = Vec::new();
    if progress.soaked < criteria.soak() {
        found.push(Reason::Soaking {
            soaked_seconds: seconds(progress.soaked),
            soak_seconds: criteria.soak_seconds,
        });
    }
    if progress.step_pairs < criteria.step_pairs {
        found.push(Reason::FewStepPairs {
            pairs: progress.step_pairs,
            needed: criteria.step_pairs,
        });
    }
    if progress.share > Share::default() && progress.step_answers < criteria.step_answers {
        found.push(Reason::FewStepAnswers {
            answers: progress.step_answers,
            needed: criteria.step_answers,
        });
    }
    found
}

/// Which metrics are shown to be within their margins, and what the others lack.
fn proofs(
    evidence: &Evidence,
    criteria: &Criteria,
    needed_log_e: f64,
) -> (Vec<Reason>, Vec<Reason>) {
    let (mut proven, mut unproven) = (Vec::new(), Vec::new());
    let anchor = evidence.anchor.as_ref().filter(|anchor| anchor.is_loaded);
    let anchor = anchor.into_iter().flat_map(beside_anchor);
    for (metric, compared) in compared(evidence).into_iter().chain(anchor) {
        let log_e = compared.promotion_log_e;
        if compared.observations < criteria.promotion_pairs {
            unproven.push(Reason::FewPairs {
                metric,
                pairs: compared.observations,
                needed: criteria.promotion_pairs,
            });
        }
        match log_e >= needed_log_e {
            true => proven.push(Reason::Proven {
                metric,
                compared,
                log_e,
                needed_log_e,
            }),
            false => unproven.push(Reason::Unproven {
                metric,
                compared,
                log_e,
                needed_log_e,
            }),
        }
    }
    if evidence.pictures < criteria.promotion_pictures {
        unproven.push(Reason::FewPictures {
            pictures: evidence.pictures,
            needed: criteria.promotion_pictures,
        });
    }
    unproven.extend(worse_by_requests(evidence, criteria));
    (proven, unproven)
}

/// Metrics that are beyond their margins where each pair is weighted by the requests that it stands for. The tests say
/// what different pictures show; callers may ask for few of them, or more often where the canary is worse.
fn worse_by_requests(evidence: &Evidence, criteria: &Criteria) -> Vec<Reason> {
    let [disagreement, divergence] = evidence.requests.means().unwrap_or_default();
    let clip_nats = criteria.divergence_clip_nats;
    let found = [
        (
            Metric::Disagreement,
            disagreement,
            criteria.disagreement_margin,
        ),
        (
            Metric::Divergence,
            divergence * clip_nats,
            criteria.divergence_margin_nats,
        ),
    ];
    let beyond = found
        .into_iter()
        .filter(|(_, difference, margin)| difference > margin);
    let reason = |(metric, difference, margin)| Reason::WorseByRequests {
        metric,
        difference,
        margin,
        effective_sample: evidence.requests.effective_sample(),
    };
    beyond.map(reason).collect()
}

#[cfg(test)]
mod tests;
