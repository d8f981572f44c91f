//! Bounded submission, batches, replies.
//!
//! A [`Batcher`] owns a bounded queue and the workers behind it. Dropping the last handle closes the queue; the workers
//! finish what stands in it and end: ownership is the drain protocol.

mod delivery;
mod objective;
pub mod policy;
mod worker;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Sender, TrySendError, bounded};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};
use stillhouse_engine::{Blueprint, EngineError, Priority, Sample};
use tokio::sync::oneshot;

pub use delivery::{Carrier, Delivery};
use objective::Objective;

use policy::Policy;
use stillhouse_metrics::{BATCH_ROWS, LATENCY_SECONDS, Metrics, Scope};

/// One row's way back.
pub type Reply = oneshot::Receiver<Result<Answer, BatchError>>;

/// One row's scores with what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Raw outputs of the network, one a class.
    pub scores: Box<[f32]>,
    /// From submission until its batch began to run.
    pub queued: Duration,
    /// The run of its whole batch.
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
    /// The engine said no, in its own words: for logs, not for clients.
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
        /// Rows that may wait.
        capacity: usize,
    },
    /// The version has ended.
    #[error("the version has ended")]
    Closed,
}

/// How a version's batches are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// When a batch is complete.
    pub policy: Policy,
    /// Threads, each with an engine of its own; at least 1.
    pub workers: usize,
    /// Rows that may wait.
    pub queue: usize,
    /// The latency to be kept: fewer may wait where it would be missed.
    pub latency: Option<Duration>,
}

/// The metric families of batching, and the handles of one version in them.
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
                "Time from submission to the beginning of the batch's inference.",
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
                "What was lost behind the queue: rows abandoned by their client or expired, and failed batches.",
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

/// The front of the queue: immediate and bounded.
pub struct Batcher<S> {
    queue: Sender<Job<S>>,
    objective: Arc<Objective>,
    /// Rows that have a place and don't stand in it yet.
    reserved: AtomicUsize,
}

impl<S: Sample> Batcher<S> {
    /// Starts the workers, all together or, beside traffic, one after the other, giving way where that is allowed and resting
    /// in between; waits until each has built its engine. `of` names model and version; `series` ends with the version.
    ///
    /// # Errors
    /// The first worker's that could not.
    pub fn start(
        blueprint: &Arc<dyn Blueprint>,
        options: BatchOptions,
        priority: Priority,
        delivery: &Delivery,
        metrics: &BatchMetrics,
        of: [&str; 2],
        series: &mut Scope,
    ) -> Result<Self, EngineError> {
        let (sender, receiver) = bounded(options.queue);
        let queue = Arc::new(Mutex::new(receiver));
        let (built, outcomes) = bounded(options.workers);
        let wait = || -> Result<(), EngineError> {
            outcomes
                .recv_timeout(worker::BUILD_LIMIT)
                .map_err(|_| EngineError::Run("a worker ended while building its engine".into()))?
        };
        let families = metrics.resolve(of, series);
        let objective = Arc::new(Objective::new(
            options.latency,
            options.queue,
            options.workers,
            options.policy.max_batch,
        ));
        let together = priority == Priority::Foreground;
        for index in 0..options.workers {
            let (queue, built, families) = (queue.clone(), built.clone(), families.clone());
            let (blueprint, policy) = (blueprint.clone(), options.policy);
            let delivery = delivery.clone();
            let objective = objective.clone();
            thread::Builder::new()
                .name(format!("{}/{index}", of[1]))
                .spawn(move || {
                    let build = || {
                        worker::Worker::new(
                            queue, policy, blueprint, families, delivery, objective, priority,
                        )
                    };
                    let worker = match together {
                        true => build(),
                        false => stillhouse_engine::giving_way(build),
                    };
                    match worker {
                        Ok(worker) => {
                            let _ = built.send(Ok(()));
                            drop(built);
                            worker.work();
                        }
                        Err(error) => {
                            let _ = built.send(Err(error));
                        }
                    }
                })
                .map_err(|error| EngineError::Run(format!("no thread could be had: {error}")))?;
            if !together {
                wait()?;
            }
        }
        drop(built);
        if together {
            (0..options.workers).try_for_each(|_| wait())?;
        }
        Ok(Self {
            queue: sender,
            objective,
            reserved: AtomicUsize::new(0),
        })
    }

    /// Puts one row in the queue, or refuses it immediately.
    ///
    /// # Errors
    /// [`SubmitError::Full`] when as many rows are waiting as may.
    pub fn submit(&self, sample: S, deadline: Option<Instant>) -> Result<Reply, SubmitError> {
        self.admit()?.submit(sample, deadline)
    }

    /// A place for a row that has yet to be decoded. A row is refused before any work was done for it, and one that has a
    /// place is not refused after it.
    ///
    /// # Errors
    /// [`SubmitError::Full`] when as many rows are waiting, or are being decoded, as may wait.
    pub fn admit(&self) -> Result<Place<'_, S>, SubmitError> {
        let capacity = self.objective.room();
        let before = self.reserved.fetch_add(1, Ordering::Relaxed);
        // From here on its `Drop` gives it back.
        let place = Place { batcher: self };
        match self.queue.len() + before {
            taken if taken >= capacity => Err(SubmitError::Full { capacity }),
            _ => Ok(place),
        }
    }

    /// Whether a row would be accepted now; reserves nothing.
    ///
    /// # Errors
    /// As [`Batcher::admit`].
    pub fn check_room(&self) -> Result<(), SubmitError> {
        let capacity = self.objective.room();
        match self.queue.len() + self.reserved.load(Ordering::Relaxed) {
            taken if taken >= capacity => Err(SubmitError::Full { capacity }),
            _ => Ok(()),
        }
    }

    /// Rows waiting now.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}

/// A place in the queue, kept for a row; free again when it is dropped.
pub struct Place<'a, S> {
    batcher: &'a Batcher<S>,
}

impl<S> Place<'_, S> {
    /// Puts the row there.
    ///
    /// # Errors
    /// [`SubmitError::Closed`]; [`SubmitError::Full`] only where two came for the last place at the same moment.
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
