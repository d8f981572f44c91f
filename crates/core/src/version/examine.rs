//! What is checked and measured of a version before it gets workers: in a process of its own, and then in the server.

use std::{sync::Arc, thread, time::Duration};

use bytes::Bytes;
use stillhouse_engine::{Blueprint, Engine, EngineError, EngineOptions, Priority};

use super::{
    launch::LaunchError,
    settings::{BatchSettings, EngineSettings},
    warmup::{self, BatchTiming},
};
use crate::batch::{
    BatchOptions,
    policy::{Policy, sizes},
};
use stillhouse_golden::{self as golden, PreflightError, Proof};
use stillhouse_image::Normalization;
use stillhouse_store::VersionFiles;

/// Makes a blueprint from a network's bytes; replaced in tests by engines that follow a script.
pub type Prepare =
    Arc<dyn Fn(&Bytes, &EngineOptions) -> Result<Arc<dyn Blueprint>, EngineError> + Send + Sync>;

/// The result of a version's examination, for its workers.
pub(super) struct Examined {
    pub(super) blueprint: Arc<dyn Blueprint>,
    pub(super) normalization: Arc<Normalization>,
    /// Rows per run at most.
    pub(super) limit: usize,
    pub(super) warmup: Vec<BatchTiming>,
}

/// What is examined, and how.
pub(super) struct Examination<'a> {
    pub(super) files: &'a VersionFiles,
    pub(super) options: &'a EngineOptions,
    /// The configured size of batches; 0: the best of those measured.
    pub(super) max_batch: usize,
    pub(super) priority: Priority,
}

impl Examination<'_> {
    /// The graph, the contract, the golden samples, then the measurement, unless the version was `measured` already. `built`
    /// sees each engine before its first run. The engine stays on the calling thread.
    pub(super) fn run(
        &self,
        prepare: golden::Prepare<'_>,
        measured: Option<Vec<BatchTiming>>,
        built: &dyn Fn(&dyn Engine),
    ) -> Result<(Box<dyn Engine>, Examined), PreflightError> {
        let (files, priority) = (self.files, self.priority);
        let most = match self.max_batch {
            0 => warmup::LARGEST_MEASURED,
            fixed => fixed,
        };
        let proof = Proof {
            files,
            engine: self.options,
            priority,
            built,
        };
        let mut proven = proof.of(prepare, most)?;
        let warmup = match measured {
            Some(timings) => timings,
            None => warmup::measure(proven.engine.as_mut(), proven.most_rows, priority)?,
        };
        let examined = Examined {
            limit: proven.blueprint.batch_limit().unwrap_or(usize::MAX),
            blueprint: proven.blueprint,
            normalization: proven.normalization,
            warmup,
        };
        Ok((proven.engine, examined))
    }
}

/// A version that was tried out.
#[derive(Clone, Debug, PartialEq)]
pub struct TriedOut {
    /// The engine's description of itself.
    pub engine: String,
    /// What was measured.
    pub warmup: Vec<BatchTiming>,
}

/// Runs everything that [`Launcher::launch`](super::Launcher::launch) will run: the graph, the golden samples, every batch
/// size that is measured, and every one that a batch may have. To be called where a network that runs for ever, or
/// takes all memory, harms nobody.
///
/// # Errors
/// The version fails a check.
pub fn try_out(
    files: &VersionFiles,
    engine: &EngineSettings,
    batch: &BatchSettings,
    prepare: golden::Prepare<'_>,
    priority: Priority,
) -> Result<TriedOut, LaunchError> {
    let options = engine.resolve()?;
    let examination = Examination {
        files,
        options: &options,
        max_batch: batch.max_batch,
        priority,
    };
    let (mut engine, examined) = examination.run(prepare, None, &|_| ())?;
    let (warmup, limit) = (examined.warmup, examined.limit);
    let policy = decide(batch, &warmup, limit, options.intra_threads).policy;
    for rows in sizes(policy.max_batch) {
        if warmup.iter().all(|measured| measured.rows != rows) {
            priority
                .run(|| warmup::run_once(engine.as_mut(), rows))
                .map_err(PreflightError::from)?;
        }
    }
    Ok(TriedOut {
        engine: examined.blueprint.describe(),
        warmup,
    })
}

/// Settings that are zero are set from the measurement.
pub(super) fn decide(
    settings: &BatchSettings,
    warmup: &[BatchTiming],
    limit: usize,
    intra_threads: usize,
) -> BatchOptions {
    let latency = (settings.slo_p99_ms > 0).then(|| Duration::from_millis(settings.slo_p99_ms));
    let max_batch = match settings.max_batch {
        0 => warmup::best_batch(warmup, latency),
        fixed => fixed.min(limit),
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    BatchOptions {
        policy: Policy {
            max_batch,
            max_wait: Duration::from_micros(settings.max_wait_us),
        },
        workers: match settings.workers {
            0 => warmup::best_workers(warmup, max_batch, cores, intra_threads),
            fixed => fixed,
        },
        queue: settings.queue.max(max_batch),
        latency,
    }
}
