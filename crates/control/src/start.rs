//! The first deployments: what the journal says was served last, else what the configuration names.

mod remembered;
mod sick;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::Instant,
};

use jiff::Timestamp;
use stillhouse_engine::Priority;

use super::{
    ControlPlane,
    checkpoint::{Checkpoints, RecoveredTrials},
    decision::DecisionLog,
    events::EventLog,
    journal::{Journal, OpenJournal, Seal},
    judge::Criteria,
    load::{LoadError, LoadMetrics},
    loader::{Loader, Wanted},
    model::ControlledModel,
    pool::VersionPool,
    settings::{Arrivals, LoadingSettings},
    trials::{JudgeMetrics, RecoveredTrial, TrialSlot},
    validation::{Validated, Validation},
};
use remembered::{configuration, lost, overruled, recover, recover_trials};
use sick::{advice, report};
use stillhouse_core::{
    registry::{Model, Registry},
    rollout::{
        Assignment, Deployment, NotSeated, RolloutMetrics, RoutingSettings, Share, Slot, Task,
    },
    shadow::{DriftSettings, Shadow, ShadowMetrics, ShadowSettings},
    version::{BatchSettings, EngineSettings, Launcher, Version},
};
use stillhouse_image::Limits;
use stillhouse_metrics::Classes;
use stillhouse_store::{Labels, ModelName, Repository, VersionFiles, VersionName};

/// What a control plane is made of.
pub struct Dependencies {
    /// Where versions lie; none where a single file is served.
    pub repository: Option<Repository>,
    /// Models without any version that could be served, each with the reason.
    pub left_out: BTreeMap<ModelName, String>,
    /// Who answered last, and where changes are written. None where a single file is served: nothing can be changed there, and
    /// a look at a network must not lock out, or be locked out by, the server beside it.
    pub journal: Option<OpenJournal>,
    /// Folder of state and audit log.
    pub state_path: PathBuf,
    /// What both are sealed with.
    pub seal: Seal,
    /// Starts versions.
    pub launcher: Launcher,
    /// Metrics of deployments.
    pub rollout: RolloutMetrics,
    /// Metrics of loading.
    pub loads: LoadMetrics,
    /// Tries versions in a process of their own.
    pub validation: Validation,
    /// How versions come in.
    pub settings: LoadingSettings,
    /// Metrics of shadows.
    pub shadowing: ShadowMetrics,
    /// Metrics of evidence and verdicts.
    pub judging: JudgeMetrics,
    /// What one picture may cost, also where it is decoded once more.
    pub limits: Limits,
}

/// One model as the configuration has it.
pub struct ModelSpec {
    /// Its name.
    pub model: ModelName,
    /// The version that answers, unless the journal names another.
    pub stable: VersionName,
    /// Whether the server starts only with it: the configuration names it. So is every model that was ever changed.
    pub required: bool,
    /// The teacher, unless the journal says otherwise.
    pub teacher: Option<VersionName>,
    /// Where its networks run.
    pub engine: EngineSettings,
    /// How its batches form.
    pub batch: BatchSettings,
    /// How its requests find their role.
    pub routing: RoutingSettings,
    /// What a version becomes that appears, and a canary's first share then.
    pub arrivals: (Arrivals, Share),
    /// How much is compared.
    pub shadow: ShadowSettings,
    /// What of it is worth an alarm.
    pub drift: DriftSettings,
    /// What its canaries are judged by.
    pub criteria: Criteria,
    /// The stable version, where it stands in no repository.
    pub standalone: Option<Standalone>,
}

/// A version outside of any repository.
#[derive(Clone, Debug)]
pub struct Standalone {
    /// Its files.
    pub files: VersionFiles,
    /// What came of it in a process of its own, if it was tried in one.
    pub validated: Option<Validated>,
}

/// Why a server doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The version that answers can't be served.
    #[error("{model}/{version} can't be served: {source}{advice}")]
    Load {
        /// Its model.
        model: ModelName,
        /// Its name.
        version: VersionName,
        /// Why.
        source: Box<LoadError>,
        /// What to type.
        advice: String,
    },
    /// Not a single model can be served.
    #[error("no model can be served:{0}")]
    Nothing(String),
    /// Its versions don't belong together.
    #[error("{model} can't be served: {source}")]
    NotSeated {
        /// The model.
        model: ModelName,
        /// Why.
        source: NotSeated,
    },
}

type Launched = Result<(Labels, Arc<Version>), LoadError>;

impl ControlPlane {
    /// Loads what was served last, all versions at once, and seats it. A canary, teacher or previous version that can't be
    /// loaded is taken out, loudly; a stable one ends the start if its model is named by the configuration or the journal.
    ///
    /// # Errors
    /// A server starts with everything that answers, or not.
    pub async fn start(
        mut parts: Dependencies,
        specs: Vec<ModelSpec>,
        default_model: Option<String>,
    ) -> Result<Arc<Self>, StartError> {
        let (mut journal, mut assignments) = recover(&mut parts);
        let mut trials = recover_trials(&parts);
        let mut models = BTreeMap::new();
        // All loads begin before the first is awaited.
        let begun: Vec<StartingModel> = specs
            .into_iter()
            .map(|spec| {
                let last = assignments.remove(&spec.model);
                StartingModel::new(&parts, spec, last)
            })
            .collect();
        let mut sick = parts.left_out.clone();
        for begun in begun {
            let (name, required) = (begun.spec.model.clone(), begun.is_required());
            match begun.settle(&parts, journal.as_mut(), &mut trials).await {
                Ok(model) => _ = models.insert(name, model),
                Err(error) if required => return Err(error),
                Err(error) => _ = sick.insert(name, error.to_string()),
            }
        }
        report(&parts, &sick);
        if models.is_empty() {
            let reasons = sick
                .iter()
                .map(|(model, reason)| format!("\n{model}: {reason}"));
            return Err(StartError::Nothing(reasons.collect()));
        }
        let served = models.values().map(|model| model.served.clone());
        let checkpoints = parts.repository.is_some().then(|| {
            let checkpoints = Checkpoints::new(parts.state_path.clone(), parts.seal.clone());
            Arc::new(checkpoints)
        });
        Ok(Arc::new(Self {
            registry: Arc::new(Registry::new(served, default_model.as_deref())),
            models,
            repository: parts.repository,
            state_path: parts.state_path,
            decisions: journal.map(|journal| Mutex::new(Box::new(journal) as Box<dyn DecisionLog>)),
            launcher: parts.launcher,
            rollout: parts.rollout,
            loads: parts.loads,
            validation: parts.validation,
            settings: parts.settings,
            events: Arc::new(EventLog::new(Timestamp::now())),
            uploads: OnceLock::new(),
            judging: parts.judging,
            checkpoints,
            loading: tokio::sync::Semaphore::new(1),
            unloading: tokio::sync::Notify::new(),
        }))
    }
}

/// A model whose versions are being loaded.
struct StartingModel {
    spec: ModelSpec,
    assignment: Assignment,
    /// Whether the journal said so, and not the configuration.
    remembered: bool,
    launches: Vec<(VersionName, tokio::task::JoinHandle<Launched>)>,
}

impl StartingModel {
    fn new(parts: &Dependencies, spec: ModelSpec, last: Option<Assignment>) -> Self {
        if let Some(last) = &last {
            overruled(&spec, last);
        }
        let remembered = last.is_some();
        let assignment = last.unwrap_or_else(|| Assignment {
            teacher: spec.teacher.clone(),
            ..Assignment::first(spec.stable.clone())
        });
        Self {
            launches: launches(parts, &spec, &assignment),
            spec,
            assignment,
            remembered,
        }
    }

    /// Whether there is no server without it.
    fn is_required(&self) -> bool {
        self.spec.required || self.remembered
    }

    /// Waits for the loads and seats what came of them.
    async fn settle(
        self,
        parts: &Dependencies,
        mut journal: Option<&mut Journal>,
        trials: &mut RecoveredTrials,
    ) -> Result<ControlledModel, StartError> {
        let Self {
            spec,
            mut assignment,
            remembered,
            launches,
        } = self;
        let model = spec.model;
        let pool = VersionPool::new(model.clone(), spec.engine, spec.batch, spec.arrivals);
        let mut labels: Arc<[String]> = Arc::default();
        for (version, launch) in launches {
            let source = match launch.await.unwrap_or(Err(LoadError::Panicked)) {
                Ok((own, launched)) => {
                    pool.insert(version, launched, Instant::now());
                    labels = own.to_vec().into();
                    continue;
                }
                Err(source) => source,
            };
            if version == assignment.stable {
                return Err(StartError::Load {
                    advice: advice(parts, &model, &version, remembered),
                    model,
                    version,
                    source: source.into(),
                });
            }
            if is_only_anchor(&assignment, &version) {
                tracing::error!(%model, %version, error = %source, "the last version that a person approved can't be loaded: no canary is promoted automatically");
                continue;
            }
            // Whatever else is sick, stable still serves.
            tracing::error!(%model, %version, error = %source, "can't be loaded: its role is empty now");
            let next = assignment.without(&version);
            if !remembered {
                // The configuration's teacher: it fills its role as soon as a start finds it well.
                let generation = assignment.generation;
                assignment = Assignment { generation, ..next };
                continue;
            }
            let entry = lost(&model, &assignment, &next, &source);
            // Unwritable, it is found missing again at the next start.
            if let Some(Err(error)) = journal.as_mut().map(|journal| journal.record(&entry)) {
                tracing::error!(%model, %error, "the lost version could not be written down");
            }
            assignment = next;
        }
        let task = Task {
            name: model.clone(),
            classes: Classes::new(labels.clone(), spec.shadow.max_classes),
            clip_nats: spec.criteria.divergence_clip_nats,
        };
        pool.assigned(&assignment, Instant::now());
        let on_trial = (assignment.canary.is_some() && remembered).then(|| RecoveredTrial {
            rollout: assignment.rollout,
            saved: trials.trials.remove(&model),
            was_killed: trials.was_killed,
        });
        let configuration = configuration(&spec.criteria, &spec.shadow, &pool.engine);
        let loaded = |version: &VersionName| pool.get(version);
        let deployment = Deployment::new(&task, assignment, None, loaded, &parts.rollout);
        let deployment = deployment.map_err(|source| StartError::NotSeated { model, source })?;
        let traffic = parts.rollout.traffic();
        traffic.published(&task.name, &deployment, None);
        let slot = Arc::new(Slot::new(deployment));
        parts.loads.announce(&task.name);
        parts.judging.announce(&task.name, &spec.criteria);
        let served = Model {
            shadow: Shadow::start(
                &task.name,
                &slot,
                &spec.shadow,
                &spec.drift,
                &parts.limits,
                &parts.shadowing,
                parts.launcher.watchdog(),
            ),
            task,
            labels,
            routing: spec.routing,
            slot,
        };
        Ok(ControlledModel {
            served: Arc::new(served),
            pool,
            trial: TrialSlot::new(spec.criteria, configuration, on_trial),
        })
    }
}

/// Whether a canary is compared with a version that has no other place.
fn is_only_anchor(assignment: &Assignment, version: &VersionName) -> bool {
    let places = assignment.versions().filter(|name| *name == version);
    assignment.compared_anchor() == Some(version) && places.count() == 1
}

/// Begins to load every version of an assignment.
fn launches(
    parts: &Dependencies,
    spec: &ModelSpec,
    assignment: &Assignment,
) -> Vec<(VersionName, tokio::task::JoinHandle<Launched>)> {
    let mut names: Vec<VersionName> = assignment.versions().cloned().collect();
    names.sort();
    names.dedup();
    let loader = Loader::new(
        parts.repository.as_ref(),
        &parts.launcher,
        &parts.validation,
        &parts.settings,
    );
    let launch = |version: VersionName| {
        let wanted = Wanted {
            model: spec.model.clone(),
            version: version.clone(),
            engine: spec.engine.clone(),
            batch: spec.batch.clone(),
            standalone: spec.standalone.clone(),
        };
        let loader = loader.clone();
        let load = async move { loader.load(wanted, Priority::Foreground, |_, _| ()).await };
        (version, tokio::spawn(load))
    };
    names.into_iter().map(launch).collect()
}
