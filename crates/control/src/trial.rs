//! One canary on trial: everything that pairs and live requests have shown of it so far, as the judge reads it.
//!
//! Pure: readings and times are arguments.

mod anchor;
mod hours;
mod live_second;
mod saved;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::judge::{ClassEvidence, Criteria, Events, Evidence, EvidenceLoss, Progress};
pub(super) use anchor::AnchorTrial;
pub(super) use hours::Hour;
use hours::Hours;
use live_second::{LiveSecond, late_above};
use saved::SavedAnswers;
pub(super) use saved::SavedTrial;
use stillhouse_core::{
    rollout::{Assignment, Counts, Plan, Share},
    shadow::{Difference, Minute, Pairing},
};
use stillhouse_drift::{
    distinct::Distinct,
    request_weighted::RequestWeighted,
    sequential::{ClassGuard, EventRates, Paired},
};

/// What is read of both seats at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SeatReadings {
    pub(super) canary: Counts,
    pub(super) stable: Counts,
}

/// A step of the ramp.
#[derive(Clone, Copy, Debug)]
struct RampStep {
    share: Share,
    since: Instant,
    /// In earlier processes.
    soaked_before: Duration,
    pairs: u64,
    answers: u64,
}

/// The evidence of one canary.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) pairing: Pairing,
    /// The deployment's when it was last looked at.
    generation: u64,
    criteria: Criteria,
    plan: Plan,
    /// Which automatic try it is.
    try_number: u32,
    begun: Instant,
    /// In earlier processes.
    age_before: Duration,
    step: RampStep,
    disagreement: Paired,
    divergence: Paired,
    anchor: Option<AnchorTrial>,
    classes: ClassGuard,
    /// Of the classes.
    labels: Arc<[String]>,
    errors: EventRates,
    latency: EventRates,
    pairs: u64,
    teacher_runs: u64,
    pictures: Distinct,
    requests: RequestWeighted,
    hours: Hours,
    shadow_non_finite: u64,
    /// Since the last look.
    look_pairs: u64,
    /// The most that one look has brought.
    busiest_look_pairs: u64,
    /// Counted as the worst there are, as nobody knows them.
    presumed_lost_pairs: u64,
    /// What the seats' counters in earlier processes had come to.
    answers_before: SavedAnswers,
    /// The generation of an earlier process's sample ratio, and ln of its e-value.
    sample_ratio_before: (u64, f64),
    /// When it began.
    first: SeatReadings,
    /// When it was last looked at.
    last: SeatReadings,
    /// An edge of the latency buckets.
    late_above: Option<usize>,
    second: LiveSecond,
    evidence_loss: Option<EvidenceLoss>,
}

impl Trial {
    /// Begins; with a loss where this canary was seen before.
    pub(super) fn new(
        pairing: Pairing,
        assignment: &Assignment,
        criteria: &Criteria,
        reading: SeatReadings,
        evidence_loss: Option<EvidenceLoss>,
        now: Instant,
    ) -> Self {
        Self {
            pairing,
            generation: assignment.generation,
            criteria: criteria.clone(),
            plan: assignment.plan,
            try_number: assignment.tries.number(assignment.rollout),
            begun: now,
            age_before: Duration::ZERO,
            step: RampStep::new(assignment, now, 0, 0),
            disagreement: criteria.disagreement(),
            divergence: criteria.divergence(),
            anchor: assignment
                .compared_anchor()
                .map(|anchor| AnchorTrial::new(anchor.clone(), criteria)),
            classes: criteria.classes(),
            labels: Arc::default(),
            errors: criteria.errors(),
            latency: criteria.latency(),
            pairs: 0,
            teacher_runs: 0,
            pictures: Distinct::default(),
            requests: RequestWeighted::default(),
            hours: Hours::default(),
            shadow_non_finite: 0,
            look_pairs: 0,
            busiest_look_pairs: 0,
            presumed_lost_pairs: 0,
            answers_before: SavedAnswers::default(),
            sample_ratio_before: (0, 0.0),
            late_above: late_above(&reading.stable, criteria.latency_floor_seconds),
            first: reading.clone(),
            second: LiveSecond::new(reading.clone(), now),
            last: reading,
            evidence_loss,
        }
    }

    /// Says which classes stable may answer, before the first pair.
    pub(super) fn of_classes(mut self, labels: Arc<[String]>) -> Self {
        self.classes.announce(labels.len());
        self.labels = labels;
        self
    }

    /// Notes that some of the evidence is missing; the first cause is kept.
    pub(super) fn lose_evidence(&mut self, loss: EvidenceLoss) {
        self.evidence_loss.get_or_insert(loss);
    }

    /// One more pair, if it is of this trial; `hour` of the day, UTC.
    pub(super) fn pair(&mut self, difference: &Difference, hour: u8) {
        if difference.pairing != self.pairing {
            return;
        }
        self.pairs += 1;
        self.look_pairs += 1;
        self.hours.observe(hour, difference.disagreement);
        self.disagreement.observe(difference.disagreement);
        if let Some(class) = difference.stable_class {
            self.classes.observe(class, difference.disagreement);
        }
        self.divergence.observe(difference.divergence);
        if let (Some(anchor), Some(difference)) = (&mut self.anchor, &difference.anchor) {
            anchor.observe(difference);
        }
        self.shadow_non_finite += u64::from(difference.non_finite);
        self.teacher_runs += u64::from(difference.teacher_run);
        self.pictures.add(difference.picture);
    }

    /// One more minute of requests, if it is of this trial.
    pub(super) fn minute(&mut self, minute: &Minute) {
        if minute.pairing == self.pairing {
            self.requests.observe(&minute.means);
        }
    }

    /// Takes what live requests have come to since the last look, and notes a new share.
    pub(super) fn look(&mut self, assignment: &Assignment, reading: SeatReadings, now: Instant) {
        self.busiest_look_pairs = self.busiest_look_pairs.max(self.look_pairs);
        self.look_pairs = 0;
        // Of a second in which the shares changed nothing is known: the requests before and after it are of other callers.
        if self.generation != assignment.generation {
            self.second = LiveSecond::new(reading.clone(), now);
        } else if let Some(seen) = self.second.complete(&reading, now) {
            let (canary, stable) = seen.errors();
            self.errors.observe(canary, stable);
            if let Some(edge) = self.late_above {
                let (canary, stable) = seen.late(edge);
                self.latency.observe(canary, stable);
            }
        }
        self.generation = assignment.generation;
        self.plan = assignment.plan;
        self.try_number = assignment.tries.number(assignment.rollout);
        self.late_above = self
            .late_above
            .or_else(|| late_above(&reading.stable, self.criteria.latency_floor_seconds));
        self.last = reading;
        if self.step.share != assignment.split.canary {
            self.step = RampStep::new(assignment, now, self.pairs, self.answers());
        }
    }

    /// All there is; `anchor_is_loaded` says whether the comparison with the anchor can go on.
    pub(super) fn evidence(
        &self,
        sample_ratio_log_e: f64,
        shadows_starved: bool,
        anchor_is_loaded: bool,
    ) -> Evidence {
        let live = self.last.canary.since(&self.first.canary);
        let before = &self.answers_before;
        // E-values of one hypothesis multiply.
        let sample_ratio_before = match self.sample_ratio_before {
            (generation, log_e) if generation == self.generation => log_e,
            _ => 0.0,
        };
        // By the present try: a plan that becomes automatic begins one.
        let thresholds = self.criteria.thresholds(self.try_number);
        let clip_nats = self.criteria.divergence_clip_nats;
        let first = self.criteria.early_answers.saturating_sub(before.requests);
        Evidence {
            disagreement: self.disagreement.compared(1.0, &thresholds),
            divergence: self.divergence.compared(clip_nats, &thresholds),
            classes: ClassEvidence::of(&self.classes, &self.labels),
            // A person who promotes needs no leave of what a person approved before.
            anchor: self
                .anchor
                .as_ref()
                .filter(|_| self.plan == Plan::Automatic)
                .map(|anchor| anchor.evidence(clip_nats, &thresholds, anchor_is_loaded)),
            errors: Events::from(&self.errors),
            latency: Events::from(&self.latency),
            non_finite: self.shadow_non_finite + before.non_finite + live.non_finite,
            early_errors: before.early_errors + live.errors_among_first(first),
            sample_ratio_log_e: sample_ratio_before + sample_ratio_log_e,
            shadows_starved,
            teacher_runs: self.teacher_runs,
            pictures: self.pictures.count(),
            requests: self.requests,
            evidence_loss: self.evidence_loss.clone(),
        }
    }

    /// How far it is.
    pub(super) fn progress(&self, now: Instant) -> Progress {
        Progress {
            share: self.step.share,
            soaked: self.step.soaked_before + now.saturating_duration_since(self.step.since),
            step_pairs: self.pairs - self.step.pairs,
            step_answers: self.answers() - self.step.answers,
            age: self.age_before + now.saturating_duration_since(self.begun),
            try_number: self.try_number,
        }
    }

    /// Pairs that count as the worst there are, since a process was killed before they were written down.
    pub(super) fn presumed_lost_pairs(&self) -> u64 {
        self.presumed_lost_pairs
    }

    /// Above how many seconds an answer is late, if that is known yet.
    pub(super) fn late_above_seconds(&self) -> Option<f64> {
        Some(stillhouse_metrics::LATENCY_SECONDS[self.late_above?])
    }

    /// The tests of pairs, for their wealth by stake: of disagreement, of divergence.
    pub(super) fn paired(&self) -> [&Paired; 2] {
        [&self.disagreement, &self.divergence]
    }

    /// Its pairs by hour of the day.
    pub(super) fn hours(&self) -> &Hours {
        &self.hours
    }

    /// The comparison with the anchor, where there is one.
    pub(super) fn anchor(&self) -> Option<&AnchorTrial> {
        self.anchor.as_ref()
    }

    /// The test of each class, and the classes' labels.
    pub(super) fn classes(&self) -> (&ClassGuard, &[String]) {
        (&self.classes, &self.labels)
    }

    /// The tests of live requests: of errors, of late answers.
    pub(super) fn events(&self) -> [&EventRates; 2] {
        [&self.errors, &self.latency]
    }

    /// Whether anything at all is known, which another trial of the same canary would forget.
    pub(super) fn has_evidence(&self) -> bool {
        self.evidence_loss.is_some() || self.pairs > 0 || self.answers() > 0
    }

    fn answers(&self) -> u64 {
        self.answers_before.answers + self.last.canary.since(&self.first.canary).answers()
    }
}

impl RampStep {
    fn new(assignment: &Assignment, now: Instant, pairs: u64, answers: u64) -> Self {
        Self {
            share: assignment.split.canary,
            since: now,
            soaked_before: Duration::ZERO,
            pairs,
            answers,
        }
    }
}

#[cfg(test)]
mod tests;
