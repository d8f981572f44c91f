//! What came back is looked at and written down.

use std::sync::atomic::Ordering::Relaxed;

use super::{Check, Job, Live};
use crate::{
    answer,
    client::Fault,
    plan::{Arrival, Plan},
    tally::{Outcome, Tally},
    witness::Witness,
};

/// One thread's results.
pub struct Book<'a> {
    job: &'a Job,
    live: &'a Live,
    pub tally: Tally,
    pub witness: Witness,
}

impl<'a> Book<'a> {
    pub fn new(job: &'a Job, plan: &Plan, live: &'a Live) -> Self {
        Self {
            job,
            live,
            tally: Tally::new(plan.phases.len(), plan.duration()),
            witness: Witness::default(),
        }
    }

    /// A request came to its end: an answer's status and body, or none.
    pub fn done(
        &mut self,
        arrival: Arrival,
        picture: usize,
        done_ns: u64,
        answered: Result<(u16, &[u8]), Fault>,
    ) {
        let outcome = self.outcome(arrival.phase, picture, done_ns, answered);
        let counter = match outcome {
            Outcome::Answered => &self.live.answered,
            Outcome::Refused => &self.live.refused,
            Outcome::Failed => &self.live.failed,
        };
        counter.fetch_add(1, Relaxed);
        self.tally
            .done(arrival.phase, arrival.due_ns, done_ns, outcome);
    }

    /// Nobody took a request in time.
    pub fn given_up(&mut self, arrival: Arrival, now_ns: u64) {
        self.live.failed.fetch_add(1, Relaxed);
        self.tally.given_up(arrival.phase, arrival.due_ns, now_ns);
    }

    /// This program did what was due so much later.
    pub fn late(&mut self, phase: usize, late_ns: u64) {
        // After the last phase there is none to count it for.
        if let Some(tally) = self.tally.phases.get_mut(phase) {
            tally.lateness.saturating_record(late_ns);
        }
    }

    /// What an answer is worth; whatever is wrong with it is noted.
    fn outcome(
        &mut self,
        phase: usize,
        picture: usize,
        done_ns: u64,
        answered: Result<(u16, &[u8]), Fault>,
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
            Err(fault) => return fail(0, fault.reason(), &|| fault.detail()),
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
        match self.witness.see(&answer, picture, sent.label.as_deref()) {
            Ok(()) => Outcome::Answered,
            Err(contradiction) => fail(0, contradiction.reason(), &|| contradiction.to_string()),
        }
    }
}
