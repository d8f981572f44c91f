//! Checks each response and records its outcome.

use std::sync::atomic::Ordering::Relaxed;

use super::job::{Check, Job};
use crate::{
    answer,
    client::RequestError,
    consistency::ConsistencyCheck,
    plan::{Arrival, Plan},
    run_progress::RunProgress,
    tally::{Outcome, Tally},
};

/// One thread's results so far.
pub(super) struct Recorder<'a> {
    job: &'a Job,
    run_progress: &'a RunProgress,
    pub tally: Tally,
    pub consistency: ConsistencyCheck,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(job: &'a Job, plan: &Plan, run_progress: &'a RunProgress) -> Self {
        Self {
            job,
            run_progress,
            tally: Tally::new(plan.phases.len(), plan.duration()),
            consistency: ConsistencyCheck::default(),
        }
    }

    /// Records that a request ended: with a response's status and body, or with an error.
    pub(super) fn done(
        &mut self,
        arrival: Arrival,
        picture: usize,
        done_ns: u64,
        answered: Result<(u16, &[u8]), RequestError>,
    ) {
        let outcome = self.outcome(arrival.phase, picture, done_ns, answered);
        let counter = match outcome {
            Outcome::Answered => &self.run_progress.answered,
            Outcome::Refused => &self.run_progress.refused,
            Outcome::Failed => &self.run_progress.failed,
        };
        counter.fetch_add(1, Relaxed);
        self.tally
            .done(arrival.phase, arrival.due_ns, done_ns, outcome);
    }

    /// Records a request that no connection became free for in time.
    pub(super) fn given_up(&mut self, arrival: Arrival, now_ns: u64) {
        self.run_progress.failed.fetch_add(1, Relaxed);
        self.tally.given_up(arrival.phase, arrival.due_ns, now_ns);
    }

    /// Records how much later than due this program acted.
    pub(super) fn late(&mut self, phase: usize, late_ns: u64) {
        // After the last phase `phase` is out of range, and there is nothing to count.
        if let Some(tally) = self.tally.phases.get_mut(phase) {
            tally.lateness.saturating_record(late_ns);
        }
    }

    /// Classifies a response and counts the reason if it is a refusal or a failure.
    fn outcome(
        &mut self,
        phase: usize,
        picture: usize,
        done_ns: u64,
        answered: Result<(u16, &[u8]), RequestError>,
    ) -> Outcome {
        let sent = &self.job.pictures[picture];
        let reasons = &mut self.tally.phases[phase].reasons;
        let mut fail = |status: u16, code: &str, detail: &dyn Fn() -> String| {
            let seconds = done_ns as f64 * 1e-9;
            reasons.note(status, code, || {
                format!("{} (to {}, after {seconds:.3} s)", detail(), sent.name())
            });
            match status {
                429 | 503 => Outcome::Refused,
                _ => Outcome::Failed,
            }
        };
        let (status, body) = match answered {
            Ok(answered) => answered,
            Err(error) => return fail(0, error.reason(), &|| error.detail()),
        };
        let text = || String::from_utf8_lossy(body).into_owned();
        if !(200..300).contains(&status) {
            return fail(status, &answer::code(body), &text);
        }
        if self.job.check == Check::Status {
            return Outcome::Answered;
        }
        let answer = match answer::read(body) {
            Ok(answer) => answer,
            Err(error) => {
                let detail = || format!("{error}: {}", text());
                return fail(0, "an answer that can't be read", &detail);
            }
        };
        match self
            .consistency
            .observe(&answer, picture, sent.label.as_deref())
        {
            Ok(()) => Outcome::Answered,
            Err(contradiction) => fail(0, contradiction.reason(), &|| contradiction.to_string()),
        }
    }
}
