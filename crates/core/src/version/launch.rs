//! From a version's files to a running version: contract, golden samples, measurement, workers.

use std::{sync::Arc, thread, time::Duration};

use bytes::Bytes;
use prometheus::{GaugeVec, IntGaugeVec};
use stillhouse_engine::{Blueprint, EngineError, EngineOptions, Priority};

use super::{
    Version,
    settings::{BatchSettings, EngineSettings, SettingsError},
    warmup::{self, BatchTiming},
};
use crate::batch::{BatchMetrics, BatchOptions, Batcher, Delivery, policy::Policy};
use stillhouse_golden::{self as golden, PreflightError, Proven};
use stillhouse_image::Normalization;
use stillhouse_metrics::Metrics;
use stillhouse_store::VersionFiles;

/// Why a version could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The settings name an unknown engine or device.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The version can't be served on this engine.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
}

/// The result of a version's examination, for its workers.
struct Examined {
    blueprint: Arc<dyn Blueprint>,
    normalization: Arc<Normalization>,
    limit: usize,
    warmup: Vec<BatchTiming>,
}

/// Makes a blueprint from a network's bytes; replaced in tests by engines that follow a script.
pub type Prepare =
    Arc<dyn Fn(&Bytes, &EngineOptions) -> Result<Arc<dyn Blueprint>, EngineError> + Send + Sync>;

/// Starts versions; holds everything that they share.
#[derive(Clone)]
pub struct Launcher {
    prepare: Prepare,
    metrics: Metrics,
    batch_metrics: BatchMetrics,
    delivery: Delivery,
    timings: GaugeVec,
    versions: IntGaugeVec,
}

impl Launcher {
    /// Registers the metrics of versions. `prepare` is [`stillhouse_engine::prepare`] outside of tests; `delivery`
    /// knows the runtime on which requests wait for answers.
    pub fn new(metrics: &Metrics, prepare: Prepare, delivery: Delivery) -> Self {
        Self {
            prepare,
            metrics: metrics.clone(),
            batch_metrics: BatchMetrics::new(metrics),
            delivery,
            timings: metrics.real_gauges(
                "warmup_batch_duration_seconds",
                "Shortest run of a batch with this many rows, measured when the version was loaded.",
                &["model", "version", "rows"],
            ),
            versions: metrics.gauges(
                "model_info",
                "Always 1; the labels show which version of a model runs on which engine.",
                &["model", "version", "sha256", "engine"],
            ),
        }
    }

    /// Checks, measures and starts one version. Blocks for as long as that takes.
    ///
    /// # Errors
    /// The version fails a check; such a version is never returned.
    pub fn launch(
        &self,
        files: VersionFiles,
        engine: &EngineSettings,
        batch: &BatchSettings,
        priority: Priority,
    ) -> Result<Arc<Version>, LaunchError> {
        let options = engine.resolve()?;
        let Examined {
            blueprint,
            normalization,
            limit,
            warmup,
        } = self.examine(&files, &options, batch, priority)?;
        let batching = decide(batch, &warmup, limit, options.intra_threads);

        let (model, name) = (files.model, files.version);
        let mut series = self.metrics.scope();
        // Workers are started from this thread and not from the one that examined the version: they would keep its low
        // priority for ever.
        let batcher = Batcher::start(
            &blueprint,
            batching,
            priority,
            &self.delivery,
            &self.batch_metrics,
            [model.as_str(), name.as_str()],
            &mut series,
        )
        .map_err(PreflightError::from)?;

        let version = Version {
            engine: blueprint.describe(),
            model,
            name,
            path: files.path,
            thresholds: files.manifest.output.thresholds().map(Into::into),
            manifest: files.manifest,
            batching,
            warmup,
            normalization,
            blueprint,
            batcher,
            series: series.into(),
        };
        self.publish(&version);
        tracing::info!(
            model = %version.model,
            version = %version.name,
            engine = version.engine,
            because = engine.why(options.backend),
            max_batch = batching.policy.max_batch,
            workers = batching.workers,
            "loaded"
        );
        Ok(Arc::new(version))
    }

    /// Runs on its own thread, since an engine is built, used and dropped on one: the graph, the contract, the golden
    /// samples, then the measurement.
    fn examine(
        &self,
        files: &VersionFiles,
        options: &EngineOptions,
        batch: &BatchSettings,
        priority: Priority,
    ) -> Result<Examined, PreflightError> {
        let examine = || {
            let most = match batch.max_batch {
                0 => warmup::LARGEST_MEASURED,
                fixed => fixed,
            };
            let mut proven = golden::prove(files, options, &*self.prepare, most, priority)?;
            let mut measured = warmup::measure(proven.engine.as_mut(), proven.most_rows, priority);
            // A batch larger than those compared may be the first that fails.
            if let Err(error) = &measured
                && proven.most_rows > 1
            {
                let why = format!("a batch fails: {error}");
                proven = proven.one_row_at_a_time(files, &why, priority)?;
                measured = warmup::measure(proven.engine.as_mut(), 1, priority);
            }
            let warmup = measured?;
            let Proven {
                blueprint,
                normalization,
                ..
            } = proven;
            Ok(Examined {
                limit: blueprint.batch_limit().unwrap_or(usize::MAX),
                blueprint,
                normalization,
                warmup,
            })
        };
        priority.run_on_own_thread(examine).unwrap_or_else(|_| {
            Err(EngineError::Run("the engine panicked while it was measured".into()).into())
        })
    }

    fn publish(&self, version: &Version) {
        let of = [version.model.as_str(), version.name.as_str()];
        let mut series = version.series();
        for timing in &version.warmup {
            let of = &[of[0], of[1], &timing.rows.to_string()];
            series.series(&self.timings, of).set(timing.seconds);
        }
        let of = &[of[0], of[1], version.sha256_prefix(), &version.engine];
        series.series(&self.versions, of).set(1);
    }
}

/// Settings that are zero are set from the measurement.
fn decide(
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
