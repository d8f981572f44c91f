//! A thread that owns one engine: collect, run, reply.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use crossbeam_channel::RecvTimeoutError;
use stillhouse_engine::{Engine, EngineError, Sample};

use super::{
    Answer, BatchError, Crew, Job,
    policy::{Step, run_size},
};
use crate::watchdog::{Ended, Until, Watched};

/// A run of rows without a deadline is of use this long.
const WITHOUT_DEADLINE: Duration = Duration::from_secs(60);

pub(super) struct Worker<S> {
    crew: Arc<Crew<S>>,
    watched: Watched,
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
    /// The calling thread has built the engine, and will also run and drop it.
    pub(super) fn new(crew: Arc<Crew<S>>, watched: Watched, engine: Box<dyn Engine>) -> Self {
        let signature = crew.blueprint.signature();
        Self {
            row_len: signature.row_len,
            classes: signature.classes,
            crew,
            watched,
            engine: Some(engine),
            ended: None,
            kept_busy_since: None,
        }
    }

    /// Works until every sender is gone and the queue is empty, or until its thread has been given up; then another
    /// worker is needed.
    pub(super) fn work(mut self) -> Ended {
        let mut batch = Vec::with_capacity(self.crew.policy.max_batch);
        while self.collect(&mut batch) {
            self.discard_hopeless(&mut batch);
            while !batch.is_empty() {
                // Rows are taken as they are; what is run has a size that was tried before.
                let size = run_size(batch.len(), self.crew.policy.max_batch);
                let rest = (size < batch.len()).then(|| batch.split_off(size));
                if self.answer(&mut batch) == Ended::GivenUp {
                    return Ended::GivenUp;
                }
                batch.extend(rest.into_iter().flatten());
            }
        }
        // Freeing an engine takes time as well, and no caller waits for it.
        stillhouse_engine::give_way();
        Ended::ByItself
    }

    /// Fills `batch` until the policy calls it complete; `false` once no more rows can come.
    fn collect(&mut self, batch: &mut Vec<Job<S>>) -> bool {
        // A worker that panicked while collecting has left the receiver intact: it is only a pair of pointers.
        let crew = self.crew.clone();
        let queue = crew.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.kept_busy_since = self.ended.filter(|_| !queue.is_empty());
        let Ok(first) = queue.recv() else {
            return false;
        };
        let oldest = first.submitted;
        batch.push(first);
        let mut queue_empty = false;
        loop {
            match self
                .crew
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
                self.crew.families.abandoned.inc();
            } else {
                self.crew.families.expired.inc();
                let _ = job.reply.send(Err(BatchError::Expired));
            }
        }
    }

    fn answer(&mut self, batch: &mut Vec<Job<S>>) -> Ended {
        let started = Instant::now();
        let deadlines = batch.iter().map(|job| job.deadline);
        let deadlines = deadlines.map(|deadline| deadline.unwrap_or(started + WITHOUT_DEADLINE));
        let until = deadlines.max().unwrap_or(started);
        let Self {
            crew,
            watched,
            engine,
            row_len,
            classes,
            ..
        } = self;
        let running = watched.begin(Until::Instant(until));
        let run = || run(crew, watched, engine, [*row_len, *classes], batch);
        let outcome = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|panic| Err(BatchError::Panicked(panic_text(&*panic))));
        let run_ended = running.end();
        let inference = started.elapsed();
        self.crew.families.batch_rows.observe(batch.len() as f64);
        self.crew
            .families
            .inference
            .observe(inference.as_secs_f64());
        if let Err(error) = &outcome {
            tracing::error!(%error, rows = batch.len(), "a batch failed");
            self.crew.families.failed.inc();
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
            self.crew.families.queued.observe(queued.as_secs_f64());
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
        self.crew
            .delivery
            .deliver(batch.drain(..).map(address).collect());
        let ended = Instant::now();
        let turn = self.kept_busy_since.map(|since| ended - since);
        self.crew.objective.ran(rows, inference, turn);
        self.ended = Some(ended);
        run_ended
    }
}

/// Lets each row fill the engine's own input buffer, runs the engine and copies each row's scores out, once.
fn run<S: Sample>(
    crew: &Crew<S>,
    watched: &Watched,
    engine: &mut Option<Box<dyn Engine>>,
    [row_len, classes]: [usize; 2],
    batch: &[Job<S>],
) -> Result<Vec<Box<[f32]>>, BatchError> {
    let engine = match engine {
        Some(engine) => engine,
        none => {
            let built = crew.blueprint.build(crew.policy.max_batch);
            let built = built.map_err(failed)?;
            watched.runs(built.stopper());
            none.insert(built)
        }
    };
    let input = engine.input(batch.len());
    for (job, row) in batch.iter().zip(input.chunks_exact_mut(row_len)) {
        job.sample.write(row);
    }
    let scores = engine.run(batch.len()).map_err(failed)?;
    if scores.len() != batch.len() * classes {
        return Err(BatchError::Failed(format!(
            "the engine gave {} scores for {} rows of {classes}",
            scores.len(),
            batch.len(),
        )));
    }
    Ok(scores.chunks_exact(classes).map(Box::from).collect())
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
