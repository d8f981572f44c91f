//! Watches every thread that runs a network, since a network may run for ever.
//!
//! A thread says when a run begins and until when it is of use. A run that is still going on afterwards is stopped, where the
//! back end can do that. A thread that is then still in its run is *stuck*: nothing in this process can end it. From then on
//! the kernel lets it run on idle cores alone, its version does without it, and it is counted and listed; only the end of the
//! process ends it. A stuck thread that comes back ends itself, because its low priority can't be undone.
//!
//! Time is counted in looks of this module's own thread and not by the clock: a process that was paused, or that got no
//! processor, has learned nothing about its networks.

mod watched;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicUsize},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{RecvTimeoutError, bounded};
use prometheus::{IntCounterVec, IntGaugeVec};
use stillhouse_engine::{KernelThread, Priority, give_way};

use stillhouse_metrics::Metrics;
pub use watched::{Ended, Running, Stuck, Until, Watched, Work};
use watched::{Series, Thread};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// How much of the machine a load may take, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Whether requests are answered meanwhile.
    pub priority: Priority,
    /// When it is given up.
    pub until: Instant,
}

impl Effort {
    /// A load that may take this long from now on.
    pub fn of(priority: Priority, limit: Duration) -> Self {
        let until = Instant::now() + limit;
        Self { priority, until }
    }
}

/// Why work has no result.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It was not done in time; its thread is left to the watchdog.
    #[error("it was not done in time")]
    Overdue,
    /// It panicked.
    #[error("it panicked")]
    Panicked,
    /// The operating system gave no thread.
    #[error("no thread could be started")]
    NoThread,
}

type Job = Box<dyn FnOnce() + Send>;

struct Shared {
    watched: Mutex<Vec<Weak<Thread>>>,
    /// To be run by the watchdog's thread.
    jobs: Mutex<Vec<Job>>,
    stuck: IntGaugeVec,
    stopped: IntCounterVec,
}

/// The watchdog of a process; clones are the same one.
#[derive(Clone)]
pub struct Watchdog(Arc<Shared>);

impl Watchdog {
    /// Starts its thread, which ends with the last handle.
    ///
    /// # Panics
    /// If the operating system can't start a thread.
    pub fn new(metrics: &Metrics) -> Self {
        let shared = Arc::new(Shared::new(metrics));
        let looked_at = Arc::downgrade(&shared);
        thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || {
                while let Some(shared) = looked_at.upgrade() {
                    shared.look(Instant::now());
                    drop(shared);
                    thread::sleep(LOOK);
                }
            })
            .expect("a thread");
        Self(shared)
    }

    /// Watches the calling thread until what is returned is dropped.
    pub fn watch(&self, [model, version]: [&str; 2], work: Work) -> Watched {
        self.watch_able(model, version, work, None)
    }

    /// The same, for a thread that is counted in `able` and no longer is when it gets stuck.
    pub fn watch_one_of(
        &self,
        [model, version]: [&str; 2],
        work: Work,
        able: &Arc<AtomicUsize>,
    ) -> Watched {
        self.watch_able(model, version, work, Some(able.clone()))
    }

    fn watch_able(
        &self,
        model: &str,
        version: &str,
        work: Work,
        able: Option<Arc<AtomicUsize>>,
    ) -> Watched {
        let of = &[model, work.as_str()];
        let series = Series {
            stuck: self.0.stuck.with_label_values(of),
            stopped: self.0.stopped.with_label_values(of),
        };
        let kernel = KernelThread::current();
        let thread = Arc::new(Thread::new(model, version, work, kernel, series, able));
        let mut watched = self.0.watched();
        watched.retain(|thread| thread.strong_count() > 0);
        watched.push(Arc::downgrade(&thread));
        Watched(thread)
    }

    /// Runs a version's `work` on a thread of its own, at idle priority if in the background, and waits for it until the
    /// effort's end. The engines that it builds must be given to [`Watched::runs`].
    ///
    /// # Errors
    /// There is no result.
    pub fn run_limited<T: Send + 'static>(
        &self,
        [model, version]: [&str; 2],
        effort: Effort,
        work: impl FnOnce(&Watched) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let (result, results) = bounded(1);
        let (watchdog, of) = (self.clone(), [model.to_owned(), version.to_owned()]);
        let limited = move || {
            if effort.priority == Priority::Background {
                give_way();
            }
            let watched = watchdog.watch([&of[0], &of[1]], Work::Load);
            let run = watched.begin(Until::Instant(effort.until));
            let done = work(&watched);
            run.end();
            // Too late, it is dropped here.
            let _ = result.send(done);
        };
        thread::Builder::new()
            .name(format!("load/{version}"))
            .spawn(limited)
            .map_err(|_: io::Error| Lost::NoThread)?;
        let result = results
            .recv_deadline(effort.until)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => Lost::Overdue,
                RecvTimeoutError::Disconnected => Lost::Panicked,
            });
        // At the limit the run is stopped: what comes of it then may be the engine's error about that.
        match Instant::now() < effort.until {
            true => result,
            false => Err(Lost::Overdue),
        }
    }

    /// Has `job` run soon by a thread of normal priority: threads inherit their priority from the one that starts them.
    pub(crate) fn at_normal_priority(&self, job: impl FnOnce() + Send + 'static) {
        self.0.jobs().push(Box::new(job));
    }

    /// The threads that are stuck now.
    pub fn stuck(&self) -> Vec<Stuck> {
        let now = Instant::now();
        let threads = self.0.threads();
        threads
            .iter()
            .filter_map(|thread| thread.stuck(now))
            .collect()
    }

    /// Stops every run, now and from now on: the process ends.
    pub fn stop_all(&self) {
        self.0.threads().iter().for_each(|thread| thread.shut());
    }

    /// Whether a thread is in a run now.
    pub fn is_any_running(&self) -> bool {
        self.0.threads().iter().any(|thread| thread.is_running())
    }
}

impl Shared {
    fn new(metrics: &Metrics) -> Self {
        let of = &["model", "work"];
        Self {
            watched: Mutex::default(),
            jobs: Mutex::default(),
            stuck: metrics.gauges(
                "stuck_threads",
                "Threads in a run of a network that doesn't end and can't be stopped; only a restart ends them.",
                of,
            ),
            stopped: metrics.counters(
                "runs_stopped_total",
                "Runs of networks that were stopped because nobody waited for them any more.",
                of,
            ),
        }
    }

    fn look(&self, now: Instant) {
        self.threads().iter().for_each(|thread| thread.look(now));
        let jobs = std::mem::take(&mut *self.jobs());
        jobs.into_iter().for_each(|job| job());
    }

    fn threads(&self) -> Vec<Arc<Thread>> {
        self.watched().iter().filter_map(Weak::upgrade).collect()
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Weak<Thread>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
