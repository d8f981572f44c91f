//! Bounded submission, batches, replies.
//!
//! A [`Batcher`] owns a bounded queue and its workers. Dropping the last handle closes the queue; the workers finish
//! the rows still in it and end.

mod crew;
mod delivery;
mod objective;
pub mod policy;
mod worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Sender, TrySendError, bounded};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};
use stillhouse_engine::{Blueprint, EngineError, Sample};
use tokio::sync::oneshot;

use crew::Crew;
pub use delivery::{Carrier, Delivery};
use objective::Objective;

use crate::watchdog::{Effort, Watchdog};
use policy::Policy;
use stillhouse_metrics::{BATCH_ROWS, LATENCY_SECONDS, Metrics, Scope};

/// The channel on which one row's answer is sent back.
pub type Reply = oneshot::Receiver<Result<Answer, BatchError>>;

/// One row's scores and how long they took.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Raw outputs of the network, one per class.
    pub scores: Box<[f32]>,
    /// From submission until its batch began to run.
    pub queued: Duration,
    /// How long its whole batch ran.
    pub inference: Duration,
    /// Rows in its batch.
    pub batch_rows: usize,
}

/// Why an accepted row got no scores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Its deadline passed in the queue.
    #[error("the deadline passed before inference began")]
    Expired,
    /// The engine returned an error; the text is for logs, not for clients.
    #[error("{0}")]
    Failed(String),
    /// The engine panicked; only this batch is lost.
    #[error("the engine panicked: {0}")]
    Panicked(String),
}

/// Why a row was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full.
    #[error("the queue is full ({capacity} waiting)")]
    Full {
        /// How many rows may wait.
        capacity: usize,
    },
    /// The version has ended.
    #[error("the version has ended")]
    Closed,
    /// All its workers are in runs that don't end.
    #[error("every worker of this version is stuck in a run that doesn't end")]
    Stuck,
}

/// Why a version's workers could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An engine could not be built or run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An engine was not ready in time.
    #[error("an engine was not built and warmed up in time")]
    Overdue,
}

/// How a version's batches are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// When a batch is complete.
    pub policy: Policy,
    /// Number of threads, each with its own engine; at least 1.
    pub workers: usize,
    /// How many rows may wait.
    pub queue: usize,
    /// The latency target: fewer rows may wait where it would be missed.
    pub latency: Option<Duration>,
}

/// The metric families of batching, and the handles of one version.
#[derive(Clone)]
pub struct BatchMetrics {
    queued: HistogramVec,
    inference: HistogramVec,
    batch_rows: HistogramVec,
    outcomes: IntCounterVec,
}

const LOSSES: [&str; 3] = ["abandoned", "expired", "failed_batch"];

#[derive(Clone)]
struct Families {
    queued: Histogram,
    inference: Histogram,
    batch_rows: Histogram,
    abandoned: IntCounter,
    expired: IntCounter,
    failed: IntCounter,
}

impl BatchMetrics {
    /// Registers the families.
    pub fn new(metrics: &Metrics) -> Self {
        let of = &["model", "version"];
        Self {
            queued: metrics.histograms(
                "queue_duration_seconds",
                "Time from submission to the start of the batch's inference.",
                of,
                LATENCY_SECONDS,
            ),
            inference: metrics.histograms(
                "inference_duration_seconds",
                "Duration of one batch's inference.",
                of,
                LATENCY_SECONDS,
            ),
            batch_rows: metrics.histograms(
                "batch_rows",
                "Images in one batch.",
                of,
                BATCH_ROWS,
            ),
            outcomes: metrics.counters(
                "batch_losses_total",
                "Rows abandoned by their client, rows whose deadline passed in the queue, and failed batches.",
                &["model", "version", "reason"],
            ),
        }
    }

    fn resolve(&self, of: [&str; 2], series: &mut Scope) -> Families {
        let [abandoned, expired, failed] =
            LOSSES.map(|reason| series.series(&self.outcomes, &[of[0], of[1], reason]));
        Families {
            queued: series.series(&self.queued, &of),
            inference: series.series(&self.inference, &of),
            batch_rows: series.series(&self.batch_rows, &of),
            abandoned,
            expired,
            failed,
        }
    }
}

struct Job<S> {
    sample: S,
    deadline: Option<Instant>,
    submitted: Instant,
    reply: oneshot::Sender<Result<Answer, BatchError>>,
}

/// What the batchers of all versions share.
#[derive(Clone)]
pub struct Surroundings {
    /// The metric families.
    pub metrics: BatchMetrics,
    /// Which thread sends answers.
    pub delivery: Delivery,
    /// Looks after runs that don't end.
    pub watchdog: Watchdog,
}

/// The sending end of the queue: bounded, and never waits.
pub struct Batcher<S> {
    queue: Sender<Job<S>>,
    objective: Arc<Objective>,
    /// Rows that have reserved a place and are not in the queue yet.
    reserved: AtomicUsize,
    /// Workers that aren't stuck.
    able: Arc<AtomicUsize>,
}

impl<S: Sample> Batcher<S> {
    /// Starts the workers and waits until each has built its engine, until the effort's end. They start all together or, while
    /// requests are answered, one after the other, at low priority where that is allowed and with pauses in between. `of`
    /// names model and version; the series end with `series`.
    ///
    /// # Errors
    /// The error of the first worker that could not start.
    pub fn start(
        blueprint: &Arc<dyn Blueprint>,
        options: BatchOptions,
        effort: Effort,
        surroundings: &Surroundings,
        of: [&str; 2],
        series: &mut Scope,
    ) -> Result<Self, StartError> {
        let (queue, receiver) = bounded(options.queue);
        let objective = Arc::new(Objective::new(
            options.latency,
            options.queue,
            options.workers,
            options.policy.max_batch,
        ));
        let able = Arc::new(AtomicUsize::new(0));
        let crew = Crew {
            queue: receiver.into(),
            policy: options.policy,
            blueprint: blueprint.clone(),
            families: surroundings.metrics.resolve(of, series),
            delivery: surroundings.delivery.clone(),
            objective: objective.clone(),
            watchdog: surroundings.watchdog.clone(),
            of: of.map(str::to_owned),
            able: able.clone(),
        };
        Arc::new(crew).start(options.workers, effort)?;
        Ok(Self {
            queue,
            objective,
            reserved: AtomicUsize::new(0),
            able,
        })
    }

    /// Puts one row in the queue, or refuses it immediately.
    ///
    /// # Errors
    /// [`SubmitError::Full`] when as many rows are waiting as may.
    pub fn submit(&self, sample: S, deadline: Option<Instant>) -> Result<Reply, SubmitError> {
        self.admit()?.submit(sample, deadline)
    }

    /// Reserves a place for a row that is not decoded yet. So a row is refused before any work is done for it, and a
    /// row that has a place is not refused later.
    ///
    /// # Errors
    /// [`SubmitError::Full`] when as many rows are waiting, or are being decoded, as may wait.
    pub fn admit(&self) -> Result<Place<'_, S>, SubmitError> {
        let before = self.reserved.fetch_add(1, Ordering::Relaxed);
        // From here on, dropping the place frees it.
        let place = Place { batcher: self };
        self.check_capacity(before).map(|()| place)
    }

    /// Checks whether a row would be accepted now; reserves nothing.
    ///
    /// # Errors
    /// Like [`Batcher::admit`].
    pub fn check_room(&self) -> Result<(), SubmitError> {
        self.check_capacity(self.reserved.load(Ordering::Relaxed))
    }

    fn check_capacity(&self, reserved: usize) -> Result<(), SubmitError> {
        self.check_able()?;
        let capacity = self.objective.room();
        match self.queue.len() + reserved < capacity {
            true => Ok(()),
            false => Err(SubmitError::Full { capacity }),
        }
    }

    /// Rows that no worker will ever take must not wait.
    fn check_able(&self) -> Result<(), SubmitError> {
        match self.able.load(Ordering::Relaxed) {
            0 => Err(SubmitError::Stuck),
            _ => Ok(()),
        }
    }

    /// How many rows are waiting now.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}

/// A place in the queue, reserved for one row; dropping it frees the place.
pub struct Place<'a, S> {
    batcher: &'a Batcher<S>,
}

impl<S> Place<'_, S> {
    /// Puts the row into the queue.
    ///
    /// # Errors
    /// [`SubmitError::Closed`]; [`SubmitError::Full`] only if two rows take the last place at the same moment.
    pub fn submit(self, sample: S, deadline: Option<Instant>) -> Result<Reply, SubmitError> {
        let (reply, receiver) = oneshot::channel();
        let job = Job {
            sample,
            deadline,
            submitted: Instant::now(),
            reply,
        };
        let queue = &self.batcher.queue;
        match queue.try_send(job) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(_)) => Err(SubmitError::Full {
                capacity: queue.len(),
            }),
            Err(TrySendError::Disconnected(_)) => Err(SubmitError::Closed),
        }
    }
}

impl<S> Drop for Place<'_, S> {
    fn drop(&mut self) {
        self.batcher.reserved.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
