//! From a version's files to a running version: examination, workers.

use std::sync::Arc;

use prometheus::{GaugeVec, IntGaugeVec};
use stillhouse_engine::{Engine, EngineError};

use super::{
    Version,
    examine::{Examination, Examined, Prepare, decide},
    settings::{BatchSettings, EngineSettings, SettingsError},
    warmup::BatchTiming,
};
use crate::{
    batch::{BatchMetrics, Batcher, Delivery, StartError, Surroundings},
    watchdog::{Effort, Lost, Watchdog, Watched},
};
use stillhouse_golden::PreflightError;
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
    /// Its network was still being checked, or its workers warmed up, at the end of the time for that.
    #[error("it was not ready in time: its network may run for ever")]
    Overdue,
}

impl From<Lost> for LaunchError {
    fn from(lost: Lost) -> Self {
        let failed = |detail: &str| Self::Preflight(EngineError::Run(detail.into()).into());
        match lost {
            Lost::Overdue => Self::Overdue,
            Lost::Panicked => failed("the engine panicked while it was measured"),
            Lost::NoThread => failed("no thread could be started"),
        }
    }
}

impl From<StartError> for LaunchError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Engine(error) => Self::Preflight(error.into()),
            StartError::Overdue => Self::Overdue,
        }
    }
}

/// Starts versions; holds everything that they share.
#[derive(Clone)]
pub struct Launcher {
    prepare: Prepare,
    metrics: Metrics,
    surroundings: Surroundings,
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
            surroundings: Surroundings {
                metrics: BatchMetrics::new(metrics),
                delivery,
                watchdog: Watchdog::new(metrics),
            },
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

    /// What looks after the threads of all versions.
    pub fn watchdog(&self) -> &Watchdog {
        &self.surroundings.watchdog
    }

    /// Checks, measures and starts one version. Blocks for as long as that takes, at most until the effort's end. Where the
    /// version was `measured` already, in a process of its own, it isn't measured here: then nothing runs in this process
    /// that has not run there.
    ///
    /// # Errors
    /// The version fails a check, or takes too long; such a version is never returned.
    pub fn launch(
        &self,
        files: VersionFiles,
        engine: &EngineSettings,
        batch: &BatchSettings,
        measured: Option<Vec<BatchTiming>>,
        effort: Effort,
    ) -> Result<Arc<Version>, LaunchError> {
        let options = engine.resolve()?;
        let (model, name) = (files.model.clone(), files.version.clone());
        let of = [model.as_str(), name.as_str()];
        // On a thread of its own, since an engine is built, used and dropped on one.
        let (prepare, examined_with) = (self.prepare.clone(), options.clone());
        let max_batch = batch.max_batch;
        let examine = move |watched: &Watched| {
            let examination = Examination {
                files: &files,
                options: &examined_with,
                max_batch,
                priority: effort.priority,
            };
            let built = |engine: &dyn Engine| watched.runs(engine.stopper());
            let (_, examined) = examination.run(&*prepare, measured, &built)?;
            Ok::<_, PreflightError>((examined, files))
        };
        let (examined, files) = self.watchdog().run_limited(of, effort, examine)??;
        let Examined {
            blueprint,
            normalization,
            limit,
            warmup,
        } = examined;
        let batching = decide(batch, &warmup, limit, options.intra_threads);

        let mut series = self.metrics.scope();
        // Workers are started from this thread and not from the one that examined the version: they would keep its low
        // priority for ever.
        let batcher = Batcher::start(
            &blueprint,
            batching,
            effort,
            &self.surroundings,
            of,
            &mut series,
        )?;

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
