//! One watched thread: the run that it is in, and what is done about it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use prometheus::{IntCounter, IntGauge};
use stillhouse_engine::{KernelThread, Stopper};

/// A run that was stopped has this many looks (two seconds) to end; then its thread is stuck.
pub(super) const LOOKS_TO_END: u32 = 20;

/// What a thread runs networks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A version is checked before it answers.
    Load,
    /// Requests are answered.
    Worker,
    /// Answers are compared.
    Shadow,
}

impl Work {
    /// Its name in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Worker => "worker",
            Self::Shadow => "shadow",
        }
    }
}

/// Until when a run is of use.
#[derive(Clone)]
pub enum Until {
    /// Until somebody's deadline.
    Instant(Instant),
    /// As long as this returns true.
    While(Arc<dyn Fn() -> bool + Send + Sync>),
}

impl Until {
    fn is_over(&self, now: Instant) -> bool {
        match self {
            Self::Instant(until) => now >= *until,
            Self::While(wanted) => !wanted(),
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    ByItself,
    /// After it was stopped.
    Stopped,
    /// Too late: the thread has been given up, runs at idle priority for good, and should end.
    GivenUp,
}

/// A thread that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The model.
    pub model: String,
    /// The version whose run doesn't end.
    pub version: String,
    /// What for.
    pub work: Work,
    /// For how long it has been stuck.
    pub seconds: u64,
}

pub(super) struct Series {
    pub(super) stuck: IntGauge,
    pub(super) stopped: IntCounter,
}

struct Run {
    until: Until,
    /// Looks since it was stopped.
    looks: Option<u32>,
    stuck_since: Option<Instant>,
}

struct Inner {
    version: String,
    stopper: Stopper,
    run: Option<Run>,
    /// Runs are stopped for good.
    shut: bool,
}

pub(super) struct Thread {
    model: String,
    work: Work,
    kernel: KernelThread,
    series: Series,
    able: Option<Arc<AtomicUsize>>,
    inner: Mutex<Inner>,
}

impl Thread {
    pub(super) fn new(
        model: &str,
        version: &str,
        work: Work,
        kernel: KernelThread,
        series: Series,
        able: Option<Arc<AtomicUsize>>,
    ) -> Self {
        Self {
            model: model.to_owned(),
            work,
            kernel,
            series,
            able,
            inner: Mutex::new(Inner {
                version: version.to_owned(),
                stopper: Stopper::none(),
                run: None,
                shut: false,
            }),
        }
    }

    /// Stops a run that is of no use any more, and gives the thread up if the run doesn't end.
    pub(super) fn look(&self, now: Instant) {
        // While this is locked the run can't end, so the thread exists.
        let inner = &mut *self.inner();
        let Some(run) = &mut inner.run else { return };
        let Some(looks) = &mut run.looks else {
            if run.until.is_over(now) {
                run.looks = Some(0);
                self.series.stopped.inc();
                inner.stopper.stop();
                tracing::warn!(
                    model = self.model,
                    version = inner.version,
                    work = self.work.as_str(),
                    "nobody waits for this run any more: it is stopped"
                );
            }
            return;
        };
        *looks = looks.saturating_add(1);
        if *looks >= LOOKS_TO_END && run.stuck_since.is_none() {
            run.stuck_since = Some(now);
            self.series.stuck.inc();
            if let Some(able) = &self.able {
                able.fetch_sub(1, Relaxed);
            }
            let gives_way = self.kernel.give_way();
            tracing::error!(
                model = self.model,
                version = inner.version,
                work = self.work.as_str(),
                gives_way,
                "a run doesn't end and can't be stopped: its thread is given up, only a restart ends it"
            );
        }
    }

    pub(super) fn stuck(&self, now: Instant) -> Option<Stuck> {
        let inner = self.inner();
        let since = inner.run.as_ref()?.stuck_since?;
        Some(Stuck {
            model: self.model.clone(),
            version: inner.version.clone(),
            work: self.work,
            seconds: now.saturating_duration_since(since).as_secs(),
        })
    }

    pub(super) fn shut(&self) {
        let mut inner = self.inner();
        inner.shut = true;
        inner.stopper.stop();
    }

    pub(super) fn is_running(&self) -> bool {
        self.inner().run.is_some()
    }

    fn end(&self) -> Ended {
        let mut inner = self.inner();
        let Some(run) = inner.run.take() else {
            return Ended::ByItself;
        };
        if run.looks.is_none() {
            return Ended::ByItself;
        }
        if !inner.shut {
            inner.stopper.resume();
        }
        if run.stuck_since.is_none() {
            return Ended::Stopped;
        }
        self.series.stuck.dec();
        tracing::warn!(
            model = self.model,
            version = inner.version,
            work = self.work.as_str(),
            "a run that had been given up has ended after all"
        );
        Ended::GivenUp
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread tells the watchdog about itself.
pub struct Watched(pub(super) Arc<Thread>);

impl Watched {
    /// From now on the thread runs the engine that this stops.
    pub fn runs(&self, stopper: Stopper) {
        let mut inner = self.0.inner();
        // It may have been built too slowly.
        let is_over = inner.run.as_ref().is_some_and(|run| run.looks.is_some());
        if inner.shut || is_over {
            stopper.stop();
        }
        inner.stopper = stopper;
    }

    /// From now on the thread runs this version.
    pub fn runs_version(&self, version: &str, stopper: Stopper) {
        let mut inner = self.0.inner();
        inner.version.replace_range(.., version);
        drop(inner);
        self.runs(stopper);
    }

    /// A run begins; it ends when what is returned is dropped.
    pub fn begin(&self, until: Until) -> Running<'_> {
        self.0.inner().run = Some(Run {
            until,
            looks: None,
            stuck_since: None,
        });
        Running(&self.0)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({})", self.0.model)
    }
}

/// A run that has begun.
pub struct Running<'a>(&'a Thread);

impl Running<'_> {
    /// Ends it.
    pub fn end(self) -> Ended {
        self.0.end()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
