//! A trial as it outlives its process. Pure.
//!
//! The numbers are those of [`Trial`]; times are lengths, since a clock's readings mean nothing to another process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    AnchorTrial, Hours, RampStep, SeatReadings, Trial,
    live_second::{LiveSecond, late_above},
};
use crate::judge::{Criteria, EvidenceLoss};
use stillhouse_core::{
    rollout::{Assignment, Share},
    shadow::Pairing,
};
use stillhouse_drift::{
    distinct::Distinct,
    request_weighted::RequestWeighted,
    sequential::{ClassGuard, EventRates, Paired},
};
use stillhouse_metrics::LATENCY_SECONDS;

/// Everything that is known of a canary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedTrial {
    generation: u64,
    age_milliseconds: u64,
    step: SavedStep,
    disagreement: Paired,
    divergence: Paired,
    anchor: Option<AnchorTrial>,
    classes: ClassGuard,
    errors: EventRates,
    latency: EventRates,
    pairs: u64,
    teacher_runs: u64,
    pictures: Distinct,
    requests: RequestWeighted,
    hours: Hours,
    shadow_non_finite: u64,
    busiest_look_pairs: u64,
    presumed_lost_pairs: u64,
    answers: SavedAnswers,
    sample_ratio_log_e: f64,
    late_above_seconds: Option<f64>,
    evidence_loss: Option<EvidenceLoss>,
}

/// A step of the ramp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedStep {
    share: Share,
    soaked_milliseconds: u64,
    pairs: u64,
    answers: u64,
}

/// What the canary's live requests have come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedAnswers {
    pub(super) answers: u64,
    pub(super) non_finite: u64,
    /// Answered or failed.
    pub(super) requests: u64,
    pub(super) early_errors: u64,
}

impl SavedTrial {
    /// The same without what passes by itself: what is left tells whether anything has happened.
    pub(crate) fn without_time(&self) -> Self {
        Self {
            age_milliseconds: 0,
            step: SavedStep {
                soaked_milliseconds: 0,
                ..self.step.clone()
            },
            ..self.clone()
        }
    }

    /// How many pairs it rests on.
    pub(crate) fn pairs(&self) -> u64 {
        self.pairs
    }
}

impl Trial {
    /// What another process needs to go on with it.
    pub(crate) fn save(&self, sample_ratio_log_e: f64, now: Instant) -> SavedTrial {
        let evidence = self.evidence(sample_ratio_log_e, false, true);
        let progress = self.progress(now);
        let live = self.last.canary.since(&self.first.canary);
        let before = &self.answers_before;
        SavedTrial {
            generation: self.generation,
            age_milliseconds: milliseconds(progress.age),
            step: SavedStep {
                share: self.step.share,
                soaked_milliseconds: milliseconds(progress.soaked),
                pairs: self.step.pairs,
                answers: self.step.answers,
            },
            disagreement: self.disagreement.clone(),
            divergence: self.divergence.clone(),
            anchor: self.anchor.clone(),
            classes: self.classes.clone(),
            errors: self.errors.clone(),
            latency: self.latency.clone(),
            pairs: self.pairs,
            teacher_runs: self.teacher_runs,
            pictures: self.pictures.clone(),
            requests: self.requests,
            hours: self.hours.clone(),
            shadow_non_finite: self.shadow_non_finite,
            busiest_look_pairs: self.busiest_look_pairs,
            presumed_lost_pairs: self.presumed_lost_pairs,
            answers: SavedAnswers {
                answers: self.answers(),
                non_finite: before.non_finite + live.non_finite,
                requests: before.requests + live.answers() + live.errors,
                early_errors: evidence.early_errors,
            },
            // Where a role without a share got requests it is infinite, for which JSON has no word.
            sample_ratio_log_e: evidence.sample_ratio_log_e.clamp(f64::MIN, f64::MAX),
            late_above_seconds: self.late_above_seconds(),
            evidence_loss: self.evidence_loss.clone(),
        }
    }

    /// Goes on with a trial of an earlier process, between the same versions and by the same criteria. If that process was
    /// killed, the pairs since its last checkpoint are unknown: at most as many as its busiest look had brought, and one for
    /// the look that was being written down. A canary that brings the process down when it is wrong must not gain by that,
    /// so each counts as the worst there is.
    pub(crate) fn resume(
        saved: SavedTrial,
        was_killed: bool,
        (pairing, assignment): (Pairing, &Assignment),
        criteria: &Criteria,
        reading: SeatReadings,
        now: Instant,
    ) -> Self {
        let lost = match was_killed {
            true => saved.busiest_look_pairs + 1,
            false => 0,
        };
        let late_above_before = saved
            .late_above_seconds
            .and_then(|seconds| LATENCY_SECONDS.iter().position(|edge| *edge == seconds));
        let mut trial = Self {
            pairing,
            generation: assignment.generation,
            criteria: criteria.clone(),
            plan: assignment.plan,
            try_number: assignment.tries.number(assignment.rollout),
            begun: now,
            age_before: Duration::from_millis(saved.age_milliseconds),
            step: RampStep {
                share: saved.step.share,
                since: now,
                soaked_before: Duration::from_millis(saved.step.soaked_milliseconds),
                pairs: saved.step.pairs,
                answers: saved.step.answers,
            },
            disagreement: saved.disagreement,
            divergence: saved.divergence,
            anchor: saved.anchor,
            classes: saved.classes,
            labels: Arc::default(),
            errors: saved.errors,
            latency: saved.latency,
            pairs: saved.pairs,
            teacher_runs: saved.teacher_runs,
            pictures: saved.pictures,
            requests: saved.requests,
            hours: saved.hours,
            shadow_non_finite: saved.shadow_non_finite,
            look_pairs: 0,
            busiest_look_pairs: saved.busiest_look_pairs,
            presumed_lost_pairs: saved.presumed_lost_pairs + lost,
            answers_before: saved.answers,
            sample_ratio_before: (saved.generation, saved.sample_ratio_log_e),
            late_above: late_above_before
                .or_else(|| late_above(&reading.stable, criteria.latency_floor_seconds)),
            first: reading.clone(),
            second: LiveSecond::new(reading.clone(), now),
            last: reading,
            evidence_loss: saved.evidence_loss,
        };
        trial.disagreement.presume_lost(lost);
        trial.divergence.presume_lost(lost);
        if let Some(anchor) = &mut trial.anchor {
            anchor.presume_lost(lost);
        }
        trial
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stillhouse_core::{rollout::Counts, shadow::Difference};

    const SECOND: Duration = Duration::from_secs(1);

    fn assignment() -> Assignment {
        let mut assignment = Assignment::first("v1".parse().expect("a name"));
        assignment.split.canary = Share::new(1000).expect("a share");
        assignment
    }

    fn readings(canary: (u64, u64), stable: (u64, u64)) -> SeatReadings {
        let counts = |(answers, errors)| Counts::of(answers, Duration::from_millis(1), errors);
        SeatReadings {
            canary: counts(canary),
            stable: counts(stable),
        }
    }

    /// So many pairs in which nothing differs.
    fn pairs(trial: &mut Trial, count: u64) {
        for _ in 0..count {
            let difference = Difference {
                teacher_run: true,
                ..Difference::default()
            };
            trial.pair(&difference, 7);
        }
    }

    /// Its trial after 500 pairs, 200 of them in one look.
    fn tried(start: Instant) -> Trial {
        let (assignment, criteria) = (assignment(), Criteria::default());
        let nothing = SeatReadings::default();
        let pairing = Pairing::default();
        let mut trial = Trial::new(pairing, &assignment, &criteria, nothing, None, start);
        pairs(&mut trial, 200);
        trial.look(&assignment, readings((20, 3), (300, 1)), start + SECOND);
        pairs(&mut trial, 300 - 150);
        trial.look(&assignment, readings((30, 3), (400, 1)), start + 2 * SECOND);
        pairs(&mut trial, 150);
        trial.look(&assignment, readings((40, 4), (500, 2)), start + 3 * SECOND);
        trial
    }

    fn resumed(saved: SavedTrial, was_killed: bool, now: Instant) -> Trial {
        let (assignment, criteria) = (assignment(), Criteria::default());
        let place = (Pairing::default(), &assignment);
        let nothing = SeatReadings::default();
        Trial::resume(saved, was_killed, place, &criteria, nothing, now)
    }

    /// Written, read, and gone on with.
    fn through_json(saved: &SavedTrial) -> SavedTrial {
        let text = serde_json::to_string(saved).expect("JSON");
        assert!(text.len() < 8192, "{} bytes", text.len());
        serde_json::from_str(&text).expect("the same")
    }

    #[test]
    fn d6_after_a_clean_end_a_trial_goes_on_as_if_nothing_had_been() {
        let start = Instant::now();
        let mut trial = tried(start);
        let later = start + 100 * SECOND;
        let saved = trial.save(-1.5, start + 3 * SECOND);
        let mut other = resumed(through_json(&saved), false, later);
        let ratio = |trial: &Trial| trial.evidence(0.0, false, true).sample_ratio_log_e;
        assert_eq!((ratio(&trial), ratio(&other)), (0.0, -1.5));
        // The same happens to both: its seats count from 0 again.
        pairs(&mut trial, 50);
        pairs(&mut other, 50);
        let assignment = assignment();
        trial.look(&assignment, readings((60, 6), (700, 3)), start + 5 * SECOND);
        other.look(&assignment, readings((20, 2), (200, 1)), later + 2 * SECOND);
        let (one, two) = (
            trial.evidence(0.0, false, true),
            other.evidence(1.5, false, true),
        );
        assert_eq!(one, two);
        let (one, two) = (
            trial.progress(start + 5 * SECOND),
            other.progress(later + 2 * SECOND),
        );
        assert_eq!(one, two);
        assert_eq!(two.age, 5 * SECOND, "the pause doesn't count");
    }

    #[test]
    fn d6_what_a_kill_may_have_lost_counts_against_a_promotion_only() {
        let start = Instant::now();
        let saved = tried(start).save(0.0, start + 3 * SECOND);
        let clean = resumed(saved.clone(), false, start).evidence(0.0, false, true);
        let killed = resumed(saved.clone(), true, start);
        assert_eq!(
            killed.presumed_lost_pairs(),
            201,
            "the busiest look, and one"
        );
        let killed = killed.evidence(0.0, false, true);
        for (clean, killed) in [
            (clean.disagreement, killed.disagreement),
            (clean.divergence, killed.divergence),
        ] {
            assert!(killed.promotion_log_e < clean.promotion_log_e - 4.0);
            assert_eq!(killed.roll_back_log_e, clean.roll_back_log_e);
            assert_eq!(killed.observations, clean.observations);
        }
        // As harsh as if each had been seen, and the worst.
        let mut worst = Criteria::default().disagreement();
        (0..500).for_each(|_| worst.observe(0.0));
        (0..201).for_each(|_| worst.observe(1.0));
        let worst = worst.compared(1.0, &Criteria::default().thresholds(1));
        let difference = worst.promotion_log_e - killed.disagreement.promotion_log_e;
        assert!(difference.abs() < 1e-9, "{difference}");
        // And it adds up over kills.
        let again = resumed(saved, true, start).save(0.0, start);
        let again = resumed(through_json(&again), true, start);
        assert_eq!(again.presumed_lost_pairs(), 402);
    }

    #[test]
    fn d6_a_killed_process_does_not_promote_what_it_would_not_have_promoted() {
        // A canary that is beyond the margin, and kills the process whenever a look held a bad pair.
        let start = Instant::now();
        let mut saved = tried(start).save(0.0, start);
        for _ in 0..20 {
            let mut trial = resumed(saved, true, start);
            pairs(&mut trial, 100);
            trial.look(&assignment(), SeatReadings::default(), start);
            saved = trial.save(0.0, start);
        }
        let evidence = resumed(saved, true, start).evidence(0.0, false, true);
        assert!(evidence.disagreement.promotion_log_e < 0.0, "{evidence:?}");
    }

    #[test]
    fn early_errors_are_those_of_the_canarys_first_requests() {
        let start = Instant::now();
        let trial = tried(start);
        let saved = trial.save(0.0, start);
        let requests = saved.answers.requests;
        assert_eq!(requests, 44);
        // 44 requests are more than the first 20: those of the new process are not the first.
        let other = resumed(saved, false, start);
        assert_eq!(other.evidence(0.0, false, true).early_errors, 0);
    }
}
