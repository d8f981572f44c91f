//! A sample of the live requests, run once more on the other roles, only to be compared: pairs for drift and judge.
//!
//! ```text
//! answer --offer--> bounded queue --one thread a model, giving way--> teacher, stable, canary --> counters, differences
//! ```
//!
//! The thread has engines of its own for the versions of the present deployment and runs under `SCHED_IDLE`: it computes
//! where nobody else wants to, so a machine that is full of requests has no shadows instead of late answers. What doesn't fit
//! into the queue, the budget or a key's cool-down is dropped and counted. Whether a request is sampled is drawn from its id,
//! under another key than the split's, with one rate for every role: otherwise the comparison would be of other pictures
//! than the traffic has.

mod admission;
mod detectors;
mod engines;
pub mod report;
mod runner;
mod sample;
mod settings;
mod starvation;
mod window;

use std::{
    hash::Hasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGaugeVec};
use siphasher::sip::SipHasher13;

use crate::rollout::{Deployment, Role, Slot};
use stillhouse_image::Limits;
use stillhouse_metrics::{LATENCY_SECONDS, Metrics};
use stillhouse_store::ModelName;

use report::RoleDrift;
pub use runner::{Difference, Pairing};
use runner::{Runner, RunnerParts};
pub use sample::{Encoded, Sample};
pub use settings::{DriftSettings, ShadowSettings};
use starvation::Starvation;
use window::{Window, Windows};

/// Not the split's key: who answers must say nothing about who is watched.
const KEY: &[u8; 16] = b"stillhouse-watch";

/// Differences that may wait for the judge, which takes them every second.
const DIFFERENCES: usize = 8192;

/// Why a sampled answer made no pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The queue was full: the machine is busy with live requests.
    QueueFull,
    /// The teacher has run as often as it may.
    Budget,
    /// The same caller, or the same picture, was counted a moment ago.
    Cooldown,
    /// The teacher's engine failed.
    TeacherFailed,
    /// The teacher answered something that isn't finite.
    TeacherNonFinite,
    /// Numbers as one network reads them, where the other reads others.
    Incomparable,
    /// The picture can't be decoded for another network.
    Undecodable,
    /// The versions that are compared have changed meanwhile.
    Superseded,
}

impl Miss {
    const ALL: [(Self, &str); 8] = [
        (Self::QueueFull, "queue_full"),
        (Self::Budget, "budget"),
        (Self::Cooldown, "cooldown"),
        (Self::TeacherFailed, "teacher_failed"),
        (Self::TeacherNonFinite, "teacher_non_finite"),
        (Self::Incomparable, "incomparable"),
        (Self::Undecodable, "undecodable"),
        (Self::Superseded, "superseded"),
    ];

    /// Whether shadows work, and only this one wasn't wanted.
    fn is_wanted(self) -> bool {
        matches!(self, Self::Budget | Self::Cooldown | Self::Superseded)
    }
}

/// The metric families of shadows.
#[derive(Clone)]
pub struct ShadowMetrics {
    samples: IntCounterVec,
    pairs: IntCounterVec,
    dropped: IntCounterVec,
    run_duration: HistogramVec,
    starved: IntGaugeVec,
}

impl ShadowMetrics {
    /// Registers the families.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            samples: metrics.counters(
                "shadow_samples_total",
                "Answers drawn to be compared, by who gave them.",
                &["model", "role"],
            ),
            pairs: metrics.counters(
                "shadow_pairs_total",
                "Answers that were compared with the teacher's.",
                &["model"],
            ),
            dropped: metrics.counters(
                "shadow_dropped_total",
                "Answers that were drawn and not compared, by why.",
                &["model", "reason"],
            ),
            run_duration: metrics.histograms(
                "shadow_run_duration_seconds",
                "Duration of one batch of shadows, on a thread that gives way.",
                &["model", "version"],
                LATENCY_SECONDS,
            ),
            starved: metrics.gauges(
                "shadows_starved",
                "1 where answers are drawn and none are compared, or there is no teacher for a canary.",
                &["model"],
            ),
        }
    }
}

/// What the shadow thread and its model share.
struct Counters {
    pairs: IntCounter,
    dropped: [IntCounter; Miss::ALL.len()],
    starvation: Starvation,
}

impl Counters {
    fn missed(&self, why: Miss, now: Instant) {
        self.dropped[why as usize].inc();
        if why.is_wanted() {
            self.starvation.fed(now);
        }
    }
}

/// The shadows of one model.
pub struct Shadow {
    /// Samples are drawn below this.
    threshold: u128,
    samples: [IntCounter; 3],
    queue: Sender<Sample>,
    differences: Receiver<Difference>,
    counters: Arc<Counters>,
    metrics: ShadowMetrics,
    model: ModelName,
    starved_after: Duration,
    drift: DriftSettings,
    windows: Mutex<Windows>,
}

impl Shadow {
    /// Starts a model's thread; it ends with the last handle.
    ///
    /// # Panics
    /// Where the operating system has no thread to give.
    pub fn start(
        model: &ModelName,
        slot: &Arc<Slot>,
        settings: &ShadowSettings,
        drift: &DriftSettings,
        limits: &Limits,
        metrics: &ShadowMetrics,
    ) -> Self {
        let (queue, samples) = bounded(settings.queue);
        let (found, differences) = bounded(DIFFERENCES);
        let counters = Arc::new(Counters {
            pairs: metrics.pairs.with_label_values(&[model.as_str()]),
            dropped: Miss::ALL
                .map(|(_, why)| metrics.dropped.with_label_values(&[model.as_str(), why])),
            starvation: Starvation::new(Instant::now()),
        });
        let parts = RunnerParts {
            slot: slot.clone(),
            samples,
            differences: found,
            counters: counters.clone(),
            durations: metrics.run_duration.clone(),
            settings: settings.clone(),
            drift: drift.clone(),
            limits: limits.clone(),
        };
        // The runner is made where it runs: its engines never leave their thread.
        thread::Builder::new()
            .name(format!("{model}/shadow"))
            .spawn(move || Runner::new(parts).run())
            .expect("a thread");
        Self {
            threshold: settings.threshold(),
            samples: Role::ALL.map(|role| {
                metrics
                    .samples
                    .with_label_values(&[model.as_str(), role.as_str()])
            }),
            queue,
            differences,
            counters,
            metrics: metrics.clone(),
            model: model.clone(),
            starved_after: Duration::from_secs(settings.starved_after_seconds),
            drift: drift.clone(),
            windows: Mutex::default(),
        }
    }

    /// Whether a picture of a request shall be compared, if it is answered. Costs a hash where there is a teacher.
    pub fn wants(&self, deployment: &Deployment, request_id: &[u8], index: usize) -> bool {
        if self.threshold == 0 || deployment.teacher.is_none() {
            return false;
        }
        let mut hasher = SipHasher13::new_with_key(KEY);
        hasher.write(request_id);
        hasher.write(&(index as u64).to_le_bytes());
        u128::from(hasher.finish()) < self.threshold
    }

    /// Hands an answer over, or drops it; never waits.
    pub fn offer(&self, sample: Sample) {
        let now = Instant::now();
        self.samples[sample.role as usize].inc();
        self.counters.starvation.hungry(now);
        if let Err(TrySendError::Full(_)) = self.queue.try_send(sample) {
            self.counters.missed(Miss::QueueFull, now);
        }
    }

    /// The differences between canary and stable since the last call.
    pub fn differences(&self) -> impl Iterator<Item = Difference> {
        self.differences.try_iter()
    }

    /// Whether answers are drawn and none are compared, or a canary has no teacher to be compared with.
    pub fn is_starved(&self, deployment: &Deployment, now: Instant) -> bool {
        let alone = deployment.canary.is_some() && deployment.teacher.is_none();
        let starved = alone || self.counters.starvation.is_starved(self.starved_after, now);
        let gauge = self
            .metrics
            .starved
            .with_label_values(&[self.model.as_str()]);
        gauge.set(starved.into());
        starved
    }

    /// Advances the windows of all filled roles; `since_epoch` is the wall clock as a time that never goes back.
    pub fn turn(&self, deployment: &Deployment, since_epoch: Duration) {
        self.windows().turn(deployment, since_epoch);
    }

    /// What the last hour says of each role that is compared with the teacher.
    pub fn last_hour(&self, deployment: &Deployment) -> Vec<RoleDrift> {
        let windows = self.windows().read(deployment);
        let report = |window: &Window| RoleDrift::new(window, &self.drift);
        windows.iter().map(report).collect()
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
