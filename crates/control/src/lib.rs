//! The control plane: the single writer of every slot. Every change of what is served goes through here.
//!
//! An order is checked, written to the journal and only then published, by one pointer store; the answer names the
//! next deployment and the order that undoes it.

mod arrivals;
mod checkpoint;
mod decision;
mod error;
mod events;
mod files;
pub mod journal;
pub mod judge;
mod judging;
mod load;
mod loader;
mod model;
mod order;
mod outlook;
mod pool;
mod settings;
mod start;
mod supervisor;
mod trial;
mod trials;
pub mod validation;
mod versions;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use stillhouse_core::{
    registry::Registry,
    rollout::{Assignment, Deployment, RolloutMetrics},
    version::Launcher,
    watchdog::Watchdog,
};
use stillhouse_store::{ModelName, Repository, VersionName, Watch};

pub use error::ControlError;
pub use events::{Delivery, Event, EventKind, EventLog, Subscription};
pub use load::{LoadError, LoadMetrics};
pub use order::{Changed, Order};
pub use outlook::PlanReport;
pub use settings::{Arrivals, ControlSettings, LoadingSettings};
pub use start::{Dependencies, ModelSpec, Standalone, StartError};
pub use supervisor::{Supervisor, TaskEnded};
pub use trials::{
    ClassReport, ClassesReport, EndedReport, EvidenceReport, HourReport, JudgeMetrics,
    MetricReport, TrialReport, WealthReport,
};
pub use versions::Listed;

use arrivals::Uploads;
use checkpoint::Checkpoints;
use decision::{DecisionError, DecisionLog};
use journal::{Entry, History};
use model::ControlledModel;
use validation::Validation;

/// The single writer of every slot.
pub struct ControlPlane {
    registry: Arc<Registry>,
    models: BTreeMap<ModelName, ControlledModel>,
    /// None where a network is served that stands in no repository: there is nothing to change to.
    repository: Option<Repository>,
    state_path: PathBuf,
    /// None where there is nothing to change.
    decisions: Option<Mutex<Box<dyn DecisionLog>>>,
    launcher: Launcher,
    rollout: RolloutMetrics,
    loads: LoadMetrics,
    validation: Validation,
    settings: LoadingSettings,
    events: Arc<EventLog>,
    /// Set once the repository is watched.
    uploads: OnceLock<Uploads>,
    judging: JudgeMetrics,
    /// None where there is nothing to change.
    checkpoints: Option<Arc<Checkpoints>>,
    /// One load at a time: two would take both cores of a small machine from the traffic.
    loading: tokio::sync::Semaphore,
    /// Says that the versions without a role are others now.
    unloading: tokio::sync::Notify,
}

impl ControlPlane {
    /// What is served.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// What happens to the models.
    pub fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    /// Starts what runs beside the orders: the judge, the unloading of versions, the watch over the repository, which is
    /// returned and ends when it is dropped. The module `supervisor` documents what happens when one of them panics.
    pub fn start_background(self: &Arc<Self>, tasks: &mut Supervisor) -> Option<Watch> {
        let (judging, recovering) = (self.clone(), self.clone());
        tasks.spawn_restarted(
            "judge",
            move || judging.clone().run_judge(),
            move || recovering.lose_evidence(),
        );
        let unloading = self.clone();
        tasks.spawn_restarted("unload", move || unloading.clone().run_unloading(), || {});
        let (watch, sources) = self.watch()?;
        tasks.spawn_required("arrivals", self.clone().run_arrivals(sources));
        Some(watch)
    }

    /// Looks after the threads in which networks run.
    pub fn watchdog(&self) -> &Watchdog {
        self.launcher.watchdog()
    }

    /// Who fills which role of a model now.
    ///
    /// # Errors
    /// There is no such model.
    pub fn assignment(&self, model: &ModelName) -> Result<Assignment, ControlError> {
        Ok(self.model(model)?.assignment())
    }

    /// The newest entries about a model, or about all, newest first. Reads a file.
    ///
    /// # Errors
    /// The file's.
    pub fn history(
        &self,
        model: Option<&ModelName>,
        limit: usize,
    ) -> Result<History, ControlError> {
        if self.decisions.is_none() {
            return Ok(History::default());
        }
        // Beside the journal's lock: an operator who reads must not keep one waiting who changes.
        Ok(journal::history(&self.state_path, model, limit)?)
    }

    /// Writes an entry down that changes no deployment; it is on disk when this returns. Blocks for that.
    ///
    /// # Errors
    /// The disk's; nothing was written then.
    pub fn note(&self, entry: &Entry) -> Result<(), ControlError> {
        Ok(self.decisions()?.note(entry)?)
    }

    /// Makes an assignment the desired one, durably; see [`DecisionLog::decide`].
    fn decide(&self, entry: &Entry) -> Result<(), ControlError> {
        self.decisions()?
            .decide(entry)
            .map_err(|error| match error {
                DecisionError::Superseded { current } => ControlError::Stale {
                    expected: entry.from.as_ref().map_or(0, |from| from.generation),
                    current,
                },
                DecisionError::Unwritten(error) => error.into(),
            })
    }

    fn decisions(&self) -> Result<MutexGuard<'_, Box<dyn DecisionLog>>, ControlError> {
        let decisions = self.decisions.as_ref().ok_or(ControlError::NoRepository)?;
        // It is whole even after a panic: what is on disk decides.
        Ok(decisions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn model(&self, name: &ModelName) -> Result<&ControlledModel, ControlError> {
        let model = self.models.get(name);
        model.ok_or_else(|| self.registry.unknown().into())
    }

    fn repository(&self) -> Result<&Repository, ControlError> {
        self.repository.as_ref().ok_or(ControlError::NoRepository)
    }

    /// Seats an assignment's versions, all of which must be loaded.
    fn deployment(
        &self,
        model: &ControlledModel,
        assignment: Assignment,
    ) -> Result<Deployment, ControlError> {
        let before = model.served.slot.load();
        let loaded = |name: &VersionName| model.pool.get(name);
        Deployment::new(
            &model.served.task,
            assignment,
            Some(&before),
            loaded,
            &self.rollout,
        )
        .map_err(ControlError::from)
    }
}
