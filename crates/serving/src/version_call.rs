//! Sends one request's inputs to one version.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, time::timeout_at};

use super::{
    Account, Caller, PredictError, PredictInput, Row, Serving, Timings,
    deadline::{Allowance, Deadline},
    input::Decoding,
    ticket::Ticket,
};
use stillhouse_core::{
    registry::Model,
    rollout::{Deployment, Outcome, Role, Seat, Source, split},
    shadow::{Encoded, Sample},
};
use stillhouse_image::Input;

/// What is the same for every input of a request.
#[derive(Clone, Copy)]
pub(super) struct VersionCall<'a> {
    pub(super) serving: &'a Serving,
    pub(super) model: &'a Model,
    pub(super) deployment: &'a Arc<Deployment>,
    pub(super) seat: &'a Seat,
    pub(super) caller: &'a Caller<'a>,
    /// What its pictures are charged to.
    pub(super) account: &'a Account,
    pub(super) ticket: Ticket,
    pub(super) pinned: bool,
    pub(super) deadline: Deadline,
    /// The time that the configuration gives this version, and the largest part of the remaining time that it may use.
    pub(super) time: (Duration, f64),
}

type Rows = Vec<Result<Row, PredictError>>;

impl VersionCall<'_> {
    /// All inputs are submitted before the first is awaited, so that they can share a batch.
    pub(super) async fn rows(self, inputs: Vec<PredictInput>) -> Rows {
        let mut inputs = inputs.into_iter().enumerate();
        if inputs.len() == 1
            && let Some((index, input)) = inputs.next()
        {
            return vec![self.counted_row(index, input, None).await];
        }
        let turns = self.serving.decoders.turns();
        let rows = inputs.map(|(index, input)| self.counted_row(index, input, Some(&turns)));
        futures_util::future::join_all(rows).await
    }

    async fn counted_row(
        self,
        index: usize,
        input: PredictInput,
        turns: Option<&Semaphore>,
    ) -> Result<Row, PredictError> {
        let attempt = self.seat.attempt();
        let row = self.row(index, input, turns).await;
        let outcome = row
            .as_ref()
            .map_or_else(PredictError::outcome, |_| Outcome::Ok);
        attempt.end(outcome);
        row
    }

    async fn row(
        self,
        index: usize,
        input: PredictInput,
        turns: Option<&Semaphore>,
    ) -> Result<Row, PredictError> {
        let Self { seat, deadline, .. } = self;
        let (version, started) = (&seat.version, Instant::now());
        deadline.check(started)?;
        let is_compared = self.is_compared(index);
        let encoded = is_compared.then(|| input.encoded()).flatten();
        // If the queue is full, decoding would be wasted.
        let place = version.admit()?;
        let decoding = Decoding {
            serving: self.serving,
            version,
            account: self.account,
            deadline,
            turns,
        };
        let (input, full_size) = decoding.run(input).await?;
        // The queue takes the input: for a comparison, a copy is kept (by default one picture in ten).
        let kept = is_compared.then(|| input.clone());
        let submitted = Instant::now();
        let decode = submitted - started;
        self.serving.decode_duration.observe(decode.as_secs_f64());

        let allowance = Allowance::new(deadline, self.time.0, self.time.1, submitted);
        let reply = place.submit(input, Some(allowance.until))?;
        let answer = match timeout_at(allowance.until.into(), reply).await {
            Ok(Ok(answer)) => {
                answer.map_err(|error| PredictError::of_batch(error, allowance.passed()))?
            }
            Ok(Err(_)) => return Err(PredictError::WorkerLost),
            Err(_) => return Err(allowance.passed()),
        };
        let Some(probabilities) = version.probabilities(&answer.scores) else {
            seat.not_finite(Source::Live);
            return Err(PredictError::NonFinite);
        };
        seat.answered(&probabilities);
        let timings = Timings::new(decode, &answer);
        if let Some(input) = kept {
            let encoded = encoded.map(|bytes| Encoded { bytes, full_size });
            self.offer(answer.scores, input, encoded);
        }
        Ok(Row {
            probabilities,
            timings,
        })
    }

    /// Whether this input is sampled for comparison with the teacher. Requests whose role the caller chose never are:
    /// they don't represent the traffic.
    fn is_compared(&self, index: usize) -> bool {
        let shadow = &self.model.shadow;
        !self.pinned && shadow.wants(self.deployment, self.ticket.0, index)
    }

    fn offer(&self, scores: Box<[f32]>, input: Input, encoded: Option<Encoded>) {
        let role: Role = self.seat.role;
        self.model.shadow.offer(Sample {
            deployment: self.deployment.clone(),
            role,
            scores,
            input,
            encoded,
            caller: self.caller.key_hash(self.model),
        });
    }
}

impl Caller<'_> {
    /// What distinguishes callers in counters; none if nothing does.
    pub(super) fn key_hash(&self, model: &Model) -> Option<u64> {
        Some(split::draw(model.task.name.as_str(), 0, self.key?))
    }
}
