//! A version's workers: started together, and replaced one by one where a thread was given up.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use stillhouse_engine::{Blueprint, Engine, EngineError, Priority, Sample};

use super::{
    Delivery, Families, Job, Objective, StartError,
    policy::{Policy, ladder},
    worker::Worker,
};
use crate::watchdog::{Effort, Ended, Until, Watchdog, Watched, Work};

/// How long a worker may take that is started in the place of one whose thread was given up.
const REPLACEMENT: Duration = Duration::from_secs(120);

/// The worker that holds the lock collects a batch: with one worker collecting at a time, batches are larger than with workers
/// that compete for rows.
pub(super) type Queue<S> = Mutex<Receiver<Job<S>>>;

/// What a version's workers have in common.
pub(super) struct Crew<S> {
    pub(super) queue: Queue<S>,
    pub(super) policy: Policy,
    pub(super) blueprint: Arc<dyn Blueprint>,
    pub(super) families: Families,
    pub(super) delivery: Delivery,
    pub(super) objective: Arc<Objective>,
    pub(super) watchdog: Watchdog,
    /// Model and version.
    pub(super) of: [String; 2],
    /// Workers that aren't stuck.
    pub(super) able: Arc<AtomicUsize>,
}

/// Where a worker says that it is ready, or why not.
type Report = Sender<Result<(), EngineError>>;

impl<S: Sample> Crew<S> {
    /// Starts `workers` threads and waits until each has its engine, at most until the effort's end.
    pub(super) fn start(self: Arc<Self>, workers: usize, effort: Effort) -> Result<(), StartError> {
        let (report, reports) = bounded(workers);
        let wait = || match reports.recv_deadline(effort.until) {
            Ok(ready) => Ok(ready?),
            Err(RecvTimeoutError::Timeout) => Err(StartError::Overdue),
            Err(RecvTimeoutError::Disconnected) => {
                Err(EngineError::Run("a worker ended while building its engine".into()).into())
            }
        };
        let together = effort.priority == Priority::Foreground;
        for index in 0..workers {
            self.spawn(index, effort, report.clone()).map_err(|error| {
                EngineError::Run(format!("no thread could be started: {error}"))
            })?;
            if !together {
                wait()?;
            }
        }
        drop(report);
        match together {
            true => (0..workers).try_for_each(|_| wait()),
            false => Ok(()),
        }
    }

    /// Starts one worker. Its thread has the priority of the calling one.
    fn spawn(self: &Arc<Self>, index: usize, effort: Effort, report: Report) -> io::Result<()> {
        let crew = self.clone();
        self.able.fetch_add(1, Ordering::Relaxed);
        thread::Builder::new()
            .name(format!("{}/{index}", self.of[1]))
            .spawn(move || crew.work(index, effort, report))
            .map(drop)
    }

    /// The life of a worker.
    fn work(self: Arc<Self>, index: usize, effort: Effort, report: Report) {
        let [model, version] = &self.of;
        let watched = self
            .watchdog
            .watch_one_of([model, version], Work::Worker, &self.able);
        let building = watched.begin(Until::Instant(effort.until));
        let build = || self.build(effort.priority, &watched);
        let engine = match effort.priority {
            Priority::Foreground => build(),
            Priority::Background => stillhouse_engine::giving_way(build),
        };
        let is_given_up = building.end() == Ended::GivenUp;
        match engine {
            // Nobody waits for it, and it would be slow for good.
            Ok(_) if is_given_up => {}
            Ok(engine) => {
                let _ = report.send(Ok(()));
                drop(report);
                if Worker::new(self.clone(), watched, engine).work() == Ended::GivenUp {
                    self.replace(index);
                }
            }
            Err(error) => {
                if !is_given_up {
                    self.able.fetch_sub(1, Ordering::Relaxed);
                }
                let _ = report.send(Err(error));
            }
        }
    }

    /// An engine that has run every batch size once: the first request must not pay for the first allocations.
    fn build(&self, priority: Priority, watched: &Watched) -> Result<Box<dyn Engine>, EngineError> {
        let most = self.policy.max_batch;
        let mut engine = priority.run(|| self.blueprint.build(most))?;
        watched.runs(engine.stopper());
        for rows in ladder(most) {
            priority.run(|| {
                engine.input(rows).fill(0.5);
                engine.run(rows).map(drop)
            })?;
        }
        Ok(engine)
    }

    /// Has another worker started in the place of one whose thread was given up and has ended now.
    fn replace(self: Arc<Self>, index: usize) {
        let crew = self.clone();
        self.watchdog.at_normal_priority(move || {
            let effort = Effort::of(Priority::Foreground, REPLACEMENT);
            let (report, _) = bounded(1);
            if let Err(error) = crew.spawn(index, effort, report) {
                crew.able.fetch_sub(1, Ordering::Relaxed);
                tracing::error!(%error, version = crew.of[1], "a worker could not be replaced");
            }
        });
    }
}
