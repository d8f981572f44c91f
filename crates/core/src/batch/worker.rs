//! A thread that owns one engine: collect, run, reply.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use stillhouse_engine::{Blueprint, Engine, EngineError, Priority, Sample};

use super::{
    Answer, BatchError, Delivery, Families, Job, Objective,
    policy::{Policy, Step, ladder},
};

/// The receiving end. The worker that holds the lock collects a batch: with one worker collecting at a time, batches
/// are larger than with workers that compete for rows.
pub(super) type Queue<S> = Arc<Mutex<Receiver<Job<S>>>>;

pub(super) struct Worker<S> {
    queue: Queue<S>,
    policy: Policy,
    blueprint: Arc<dyn Blueprint>,
    families: Families,
    delivery: Delivery,
    objective: Arc<Objective>,
    /// `None` after a panic, until the next batch builds a new engine.
    engine: Option<Box<dyn Engine>>,
    row_len: usize,
    classes: usize,
    /// When its last batch ended.
    ended: Option<Instant>,
    /// When its last batch ended, if rows were waiting then or soon after.
    kept_busy_since: Option<Instant>,
}

impl<S: Sample> Worker<S> {
    /// Builds the engine on the calling thread, which will also run and drop it.
    pub(super) fn new(
        queue: Queue<S>,
        policy: Policy,
        blueprint: Arc<dyn Blueprint>,
        families: Families,
        delivery: Delivery,
        objective: Arc<Objective>,
        priority: Priority,
    ) -> Result<Self, EngineError> {
        let mut engine = priority.run(|| blueprint.build(policy.max_batch))?;
        // The first request must not pay for the first allocations.
        for rows in ladder(policy.max_batch) {
            priority.run(|| {
                engine.input(rows).fill(0.5);
                engine.run(rows).map(drop)
            })?;
        }
        let (row_len, classes) = (blueprint.signature().row_len, blueprint.signature().classes);
        Ok(Self {
            queue,
            policy,
            blueprint,
            families,
            delivery,
            objective,
            engine: Some(engine),
            row_len,
            classes,
            ended: None,
            kept_busy_since: None,
        })
    }

    /// Works until every sender is gone and the queue is empty.
    pub(super) fn work(mut self) {
        let mut batch = Vec::with_capacity(self.policy.max_batch);
        while self.collect(&mut batch) {
            self.discard_hopeless(&mut batch);
            if !batch.is_empty() {
                self.answer(&mut batch);
            }
        }
        // Freeing an engine takes time as well, and no caller waits for it.
        stillhouse_engine::give_way();
    }

    /// Fills `batch` until the policy calls it complete; `false` once no more rows can come.
    fn collect(&mut self, batch: &mut Vec<Job<S>>) -> bool {
        // A worker that panicked while collecting has left the receiver intact: it is only a pair of pointers.
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.kept_busy_since = self.ended.filter(|_| !queue.is_empty());
        let Ok(first) = queue.recv() else {
            return false;
        };
        let oldest = first.submitted;
        batch.push(first);
        let mut queue_empty = false;
        loop {
            match self
                .policy
                .step(batch.len(), oldest, queue_empty, Instant::now())
            {
                Step::Run => return true,
                Step::TakeReady => match queue.try_recv() {
                    Ok(job) => batch.push(job),
                    Err(_) => queue_empty = true,
                },
                Step::TakeUntil(until) => match queue.recv_deadline(until) {
                    Ok(job) => {
                        batch.push(job);
                        queue_empty = false;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return true,
                },
            }
        }
    }

    /// Rows whose client has left are dropped; rows whose deadline has passed are answered with that now.
    fn discard_hopeless(&self, batch: &mut Vec<Job<S>>) {
        let now = Instant::now();
        let late = |job: &Job<S>| job.deadline.is_some_and(|deadline| deadline <= now);
        for job in batch.extract_if(.., |job| job.reply.is_closed() || late(job)) {
            if job.reply.is_closed() {
                self.families.abandoned.inc();
            } else {
                self.families.expired.inc();
                let _ = job.reply.send(Err(BatchError::Expired));
            }
        }
    }

    fn answer(&mut self, batch: &mut Vec<Job<S>>) {
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.run(batch)))
            .unwrap_or_else(|panic| Err(BatchError::Panicked(panic_text(&*panic))));
        let inference = started.elapsed();
        self.families.batch_rows.observe(batch.len() as f64);
        self.families.inference.observe(inference.as_secs_f64());
        if let Err(error) = &outcome {
            tracing::error!(%error, rows = batch.len(), "a batch failed");
            self.families.failed.inc();
            if matches!(error, BatchError::Panicked(_)) {
                // Dropping it may panic as well; what it held is then leaked, and not used again.
                let broken = self.engine.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
            }
        }
        let rows = batch.len();
        let mut scores = outcome.map(Vec::into_iter);
        let address = |job: Job<S>| {
            let queued = started.saturating_duration_since(job.submitted);
            self.families.queued.observe(queued.as_secs_f64());
            let answer = match &mut scores {
                Ok(rows_left) => Ok(Answer {
                    scores: rows_left.next().expect("as many rows as jobs"),
                    queued,
                    inference,
                    batch_rows: rows,
                }),
                Err(error) => Err(error.clone()),
            };
            (job.reply, answer)
        };
        self.delivery
            .deliver(batch.drain(..).map(address).collect());
        let ended = Instant::now();
        let turn = self.kept_busy_since.map(|since| ended - since);
        self.objective.ran(rows, inference, turn);
        self.ended = Some(ended);
    }

    /// Lets each row fill the engine's own input buffer, runs the engine and copies each row's scores out, once.
    fn run(&mut self, batch: &[Job<S>]) -> Result<Vec<Box<[f32]>>, BatchError> {
        let engine = match &mut self.engine {
            Some(engine) => engine,
            none => none.insert(
                self.blueprint
                    .build(self.policy.max_batch)
                    .map_err(failed)?,
            ),
        };
        let input = engine.input(batch.len());
        for (job, row) in batch.iter().zip(input.chunks_exact_mut(self.row_len)) {
            job.sample.write(row);
        }
        let scores = engine.run(batch.len()).map_err(failed)?;
        if scores.len() != batch.len() * self.classes {
            return Err(BatchError::Failed(format!(
                "the engine gave {} scores for {} rows of {}",
                scores.len(),
                batch.len(),
                self.classes
            )));
        }
        Ok(scores.chunks_exact(self.classes).map(Box::from).collect())
    }
}

fn failed(error: EngineError) -> BatchError {
    BatchError::Failed(error.to_string())
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

/// How long a worker may take to build its engine before the start of its version fails.
pub(super) const BUILD_LIMIT: Duration = Duration::from_secs(120);
