//! A sample of the live requests, run again on the other roles for comparison only: pairs for drift and judge.
//!
//! ```text
//! answer --offer--> bounded queue --one thread a model, low priority--> teacher, stable, canary --> counters, differences
//! ```
//!
//! The thread has its own engines for the versions of the current deployment and runs under `SCHED_IDLE`: it computes
//! only where no other thread wants to, so on a machine that is full of requests there are no shadows instead of late
//! answers. Samples that don't fit into the queue, the budget or a key's cool-down are dropped and counted. Whether a
//! request is sampled is drawn from its id, with another hash key than the split's and with one rate for every role:
//! otherwise the compared pictures would differ from the traffic.

mod admission;
mod asking;
mod detectors;
mod difference;
mod engines;
mod outcome;
pub mod report;
mod requests;
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

use crate::{
    rollout::{Deployment, Role, Slot},
    watchdog::Watchdog,
};
use stillhouse_image::Limits;
use stillhouse_metrics::{LATENCY_SECONDS, Metrics};
use stillhouse_store::ModelName;

pub use difference::{AnchorDifference, Difference, Pairing};
use report::RoleDrift;
pub use requests::Minute;
use runner::{Runner, RunnerParts};
pub use sample::{Encoded, Sample, hash, hash_numbers};
pub use settings::{DriftSettings, ShadowSettings};
use starvation::Starvation;
use window::{Window, Windows};

/// Not the split's hash key: which version answers must not influence which request is sampled.
const KEY: &[u8; 16] = b"stillhouse-watch";

/// Differences that may wait for the judge, which takes them every second.
const DIFFERENCES: usize = 8192;

/// Minutes of requests that may wait for it.
const MINUTES: usize = 16;

/// Why a sampled answer made no pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The queue was full: the machine is busy with live requests.
    QueueFull,
    /// The teacher's budget of runs is used up.
    Budget,
    /// The same caller, or the same picture, was counted a moment ago.
    Cooldown,
    /// The teacher's engine failed.
    TeacherFailed,
    /// The teacher's answer isn't finite.
    TeacherNonFinite,
    /// The input is numbers in one network's format, and the other network has a different one.
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

    /// Whether shadows work, and only this sample was dropped.
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
                "Answers sampled to be compared, by the role that answered.",
                &["model", "role"],
            ),
            pairs: metrics.counters(
                "shadow_pairs_total",
                "Answers that were compared with the teacher's.",
                &["model"],
            ),
            dropped: metrics.counters(
                "shadow_dropped_total",
                "Answers that were sampled and not compared, by reason.",
                &["model", "reason"],
            ),
            run_duration: metrics.histograms(
                "shadow_run_duration_seconds",
                "Duration of one batch of shadows, on a low-priority thread.",
                &["model", "version"],
                LATENCY_SECONDS,
            ),
            starved: metrics.gauges(
                "shadows_starved",
                "1 if answers are sampled and none are compared, or a canary has no teacher.",
                &["model"],
            ),
        }
    }
}

/// State that the shadow thread shares with its model.
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
    /// A request is sampled if its hash is below this.
    threshold: u128,
    samples: [IntCounter; 3],
    queue: Sender<Sample>,
    differences: Receiver<Difference>,
    minutes: Receiver<Minute>,
    counters: Arc<Counters>,
    metrics: ShadowMetrics,
    model: ModelName,
    settings: ShadowSettings,
    drift: DriftSettings,
    windows: Mutex<Windows>,
}

impl Shadow {
    /// Starts a model's thread; it ends when the last handle is dropped.
    ///
    /// # Panics
    /// If the operating system can't start a thread.
    pub fn start(
        model: &ModelName,
        slot: &Arc<Slot>,
        settings: &ShadowSettings,
        drift: &DriftSettings,
        limits: &Limits,
        metrics: &ShadowMetrics,
        watchdog: &Watchdog,
    ) -> Self {
        let (queue, samples) = bounded(settings.queue);
        let (found, differences) = bounded(DIFFERENCES);
        let (ended, minutes) = bounded(MINUTES);
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
            minutes: ended,
            counters: counters.clone(),
            durations: metrics.run_duration.clone(),
            settings: settings.clone(),
            drift: drift.clone(),
            limits: limits.clone(),
            watchdog: watchdog.clone(),
            model: model.clone(),
        };
        // The runner is created on its own thread: its engines never leave it.
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
            minutes,
            counters,
            metrics: metrics.clone(),
            model: model.clone(),
            settings: settings.clone(),
            drift: drift.clone(),
            windows: Mutex::default(),
        }
    }

    /// Whether the answer to input `index` of a request shall be compared; `ticket` is the request's random number. Costs
    /// one hash if there is a teacher.
    pub fn wants(&self, deployment: &Deployment, ticket: u64, index: usize) -> bool {
        if self.threshold == 0 || deployment.teacher.is_none() {
            return false;
        }
        let mut hasher = SipHasher13::new_with_key(KEY);
        hasher.write(&ticket.to_le_bytes());
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

    /// The minutes of requests that have ended since the last call.
    pub fn minutes(&self) -> impl Iterator<Item = Minute> {
        self.minutes.try_iter()
    }

    /// Whether answers are sampled and none are compared, or a canary has no teacher.
    pub fn is_starved(&self, deployment: &Deployment, now: Instant) -> bool {
        let alone = deployment.canary.is_some() && deployment.teacher.is_none();
        let starved_after = Duration::from_secs(self.settings.starved_after_seconds);
        let starved = alone || self.counters.starvation.is_starved(starved_after, now);
        let gauge = self
            .metrics
            .starved
            .with_label_values(&[self.model.as_str()]);
        gauge.set(starved.into());
        starved
    }

    /// How much is compared.
    pub fn settings(&self) -> &ShadowSettings {
        &self.settings
    }

    /// Advances the windows of all filled roles; `since_epoch` is the wall clock as a time that never goes back.
    pub fn turn(&self, deployment: &Deployment, since_epoch: Duration) {
        self.windows().turn(deployment, since_epoch);
    }

    /// A report on the last hour of each role that is compared with the teacher.
    pub fn last_hour(&self, deployment: &Deployment) -> Vec<RoleDrift> {
        let windows = self.windows().read(deployment);
        let report = |window: &Window| RoleDrift::new(window, &self.drift);
        windows.iter().map(report).collect()
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
