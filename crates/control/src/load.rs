//! A version that comes in by an order, and the versions that go.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus::{HistogramVec, IntCounterVec};
use stillhouse_engine::Priority;

use super::{
    ControlError, ControlPlane, EventKind,
    loader::{Loader, Wanted},
    model::ControlledModel,
    pool::VersionPool,
    validation::ValidationError,
};
use stillhouse_core::version::{LaunchError, Version};
use stillhouse_metrics::Metrics;
use stillhouse_store::{ModelName, StoreError, VersionName};

/// From an empty file to a network that is measured for half a minute.
const LOAD_SECONDS: &[f64] = &[0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];

const OUTCOMES: [&str; 2] = ["ok", "refused"];

/// Time until a version is checked again that was still held, for example by a request in flight.
const STILL_HELD: Duration = Duration::from_millis(200);

/// Why a version didn't come in.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its process refused it, crashed or ran out of memory.
    #[error(transparent)]
    Validation(ValidationError),
    /// It wasn't ready in time, in its process or in this one.
    #[error("loading was stopped after {seconds} s (loading.timeout_seconds)")]
    TimedOut {
        /// The limit.
        seconds: u64,
    },
    /// Too many threads are stuck in networks that don't end.
    #[error(
        "{stuck} threads are stuck in runs that don't end (`stillhouse status` lists them): restart the server before another version is loaded"
    )]
    TooManyStuck {
        /// How many.
        stuck: usize,
    },
    /// Its files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Contract, golden samples, engine.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// It was deleted or replaced meanwhile.
    #[error(
        "its files were changed or deleted while it was loaded; look at the versions and load it again"
    )]
    Replaced,
    /// The thread that loaded it has died.
    #[error("the engine panicked while it was loaded")]
    Panicked,
}

/// The metric families of loading.
#[derive(Clone)]
pub struct LoadMetrics {
    outcomes: IntCounterVec,
    stages: HistogramVec,
}

impl LoadMetrics {
    /// Registers the families.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            outcomes: metrics.counters(
                "loads_total",
                "Versions loaded while the server runs, by how that ended.",
                &["model", "outcome"],
            ),
            stages: metrics.histograms(
                "load_stage_duration_seconds",
                "What loading a version takes: validate (in a process of its own), read, launch (golden samples, measurement, warm-up).",
                &["model", "stage"],
                LOAD_SECONDS,
            ),
        }
    }

    /// Shows a model's outcomes before the first load: a counter that begins with its first event shows no increase.
    pub(super) fn announce(&self, model: &str) {
        for outcome in OUTCOMES {
            self.outcomes.with_label_values(&[model, outcome]);
        }
    }

    fn outcome(&self, model: &str, outcome: &str) {
        self.outcomes.with_label_values(&[model, outcome]).inc();
    }

    fn stage(&self, model: &str, stage: &str, since: Instant) {
        let took = since.elapsed().as_secs_f64();
        self.stages.with_label_values(&[model, stage]).observe(took);
    }
}

impl ControlPlane {
    /// Loads a version, unless it is loaded. One at a time, at low priority. A version that then gets no role is unloaded
    /// after the grace time.
    ///
    /// # Errors
    /// A version that can't be trusted is never returned.
    pub async fn load(
        self: &Arc<Self>,
        model: &ModelName,
        version: &VersionName,
    ) -> Result<Arc<Version>, ControlError> {
        let pool = &self.model(model)?.pool;
        if let Some(loaded) = pool.get(version) {
            return Ok(loaded);
        }
        self.known(model, version).await?;
        let _turn = self.loading.acquire().await.expect("never closed");
        // The load that was ahead in the queue may have been of this version.
        if let Some(loaded) = pool.get(version) {
            return Ok(loaded);
        }
        let loaded = match self.load_now(pool, version).await {
            Ok(launched) => self.take_in(model, version, launched).await,
            Err(source) => Err(source),
        };
        let outcome = OUTCOMES[usize::from(loaded.is_err())];
        self.loads.outcome(model.as_str(), outcome);
        match loaded {
            Ok(loaded) => {
                self.unload_later();
                Ok(loaded)
            }
            Err(source) => {
                let version = version.clone();
                tracing::warn!(%model, %version, error = %source, "a version was refused");
                Err(ControlError::Load { version, source })
            }
        }
    }

    async fn load_now(
        &self,
        pool: &VersionPool,
        version: &VersionName,
    ) -> Result<Arc<Version>, LoadError> {
        let loader = Loader::new(
            self.repository.as_ref(),
            &self.launcher,
            &self.validation,
            &self.settings,
        );
        let wanted = Wanted {
            model: pool.model.clone(),
            version: version.clone(),
            engine: pool.engine.clone(),
            batch: pool.batch.clone(),
            standalone: None,
        };
        let (loads, model) = (self.loads.clone(), pool.model.clone());
        let stage = move |stage: &str, since| loads.stage(model.as_str(), stage, since);
        let (_, loaded) = loader.load(wanted, Priority::Background, stage).await?;
        Ok(loaded)
    }

    /// Takes a launched version into the pool if its files are still the ones that were read. Behind the model's gate: a
    /// deletion comes either before, and is seen here, or after, and takes the version out of the pool again.
    async fn take_in(
        self: &Arc<Self>,
        model: &ModelName,
        version: &VersionName,
        launched: Arc<Version>,
    ) -> Result<Arc<Version>, LoadError> {
        let control = self.clone();
        let (model, version) = (model.clone(), version.clone());
        let take_in = move || {
            let (Ok(ControlledModel { pool, .. }), Some(repository)) =
                (control.model(&model), &control.repository)
            else {
                return Err(LoadError::Replaced);
            };
            let _gate = pool.gate();
            let sha256 = &launched.manifest.file.sha256;
            let there = repository.manifest(&model, &version);
            if there.is_ok_and(|manifest| manifest.file.sha256 == *sha256) {
                pool.insert(version.clone(), launched.clone(), Instant::now());
                let sha256 = sha256.clone();
                control
                    .events
                    .publish(&model, EventKind::Loaded { version, sha256 });
                return Ok(launched);
            }
            Err(LoadError::Replaced)
        };
        tokio::task::spawn_blocking(take_in)
            .await
            .unwrap_or(Err(LoadError::Panicked))
    }

    /// Has the task that unloads look again when the next version is due.
    pub(super) fn unload_later(&self) {
        self.unloading.notify_one();
    }

    /// Unloads versions without a role when their grace time is over and nothing holds them any more. Runs until it is dropped.
    pub(super) async fn run_unloading(self: Arc<Self>) {
        loop {
            let control = self.clone();
            let sweep = tokio::task::spawn_blocking(move || control.sweep());
            let due = match sweep.await {
                Ok(due) => due,
                // Here as well, so that the supervisor sees it.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            let changed = self.unloading.notified();
            match due {
                None => changed.await,
                Some(due) => _ = tokio::time::timeout(due, changed).await,
            }
        }
    }

    /// Unloads what is due; returns how long it is until the next version is.
    fn sweep(&self) -> Option<Duration> {
        let grace = Duration::from_secs(self.settings.unload_after_seconds);
        let mut next: Option<Duration> = None;
        for ControlledModel { pool, .. } in self.models.values() {
            // Behind the gate: a version that is just getting a role must not be unloaded under it.
            let _gate = pool.gate();
            let swept = pool.sweep(grace, Instant::now());
            swept.gone.iter().for_each(|version| self.unloaded(version));
            // What is due and still held, by a request in flight, say, is looked at again a little later.
            let due = swept.next.map(|due| due.max(STILL_HELD));
            next = next.into_iter().chain(due).min();
        }
        next
    }

    /// Announces a version that has left the pool; its series end with the last that holds it.
    pub(super) fn unloaded(&self, version: &Version) {
        tracing::info!(model = %version.model, version = %version.name, "unloaded");
        let unloaded = EventKind::Unloaded {
            version: version.name.clone(),
        };
        self.events.publish(&version.model, unloaded);
    }
}
