//! The first deployments: what the journal says was served last, else what the configuration names.

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
    decision::DecisionLog,
    events::EventLog,
    journal::{Entry, Journal, JournalError},
    judge::Criteria,
    load::{LoadError, LoadMetrics},
    model::ControlledModel,
    pool::VersionPool,
    settings::{Arrivals, LoadingSettings},
    trials::{JudgeMetrics, TrialSlot},
    validation::Validation,
};
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
    /// Folder of state and audit log.
    pub state_path: PathBuf,
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
    /// The stable version's files, where it stands in no repository.
    pub standalone: Option<VersionFiles>,
}

/// Why a server doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// State or audit log can't be trusted.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The version that answers can't be served.
    #[error("{model}/{version} can't be served: {source}")]
    Load {
        /// Its model.
        model: ModelName,
        /// Its name.
        version: VersionName,
        /// Why.
        source: Box<LoadError>,
    },
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
    /// loaded any more is taken out, loudly; a stable one ends the start.
    ///
    /// # Errors
    /// A server starts with everything that answers, or not.
    pub async fn start(
        parts: Dependencies,
        specs: Vec<ModelSpec>,
        default_model: Option<String>,
    ) -> Result<Arc<Self>, StartError> {
        let (mut journal, mut assignments) = recover(&parts)?;
        let mut models = BTreeMap::new();
        // All loads begin before the first is awaited.
        let begun: Vec<StartingModel> = specs
            .into_iter()
            .map(|spec| {
                let last = assignments.remove(&spec.model);
                StartingModel::new(&parts, spec, last)
            })
            .collect();
        for begun in begun {
            let model = begun.settle(&parts, journal.as_mut()).await?;
            models.insert(model.served.task.name.clone(), model);
        }
        let served = models.values().map(|model| model.served.clone());
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

    /// Waits for the loads and seats what came of them.
    async fn settle(
        self,
        parts: &Dependencies,
        mut journal: Option<&mut Journal>,
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
            // What the operator has just named must be there; what was there once may have gone, and stable still serves.
            if version == assignment.stable || !remembered {
                return Err(StartError::Load {
                    model,
                    version,
                    source: source.into(),
                });
            }
            tracing::error!(%model, %version, error = %source, "can't be loaded any more: its role is empty now");
            let next = assignment.without(&version);
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
        let on_trial = assignment.canary.is_some().then_some(assignment.rollout);
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
            ),
            task,
            labels,
            routing: spec.routing,
            slot,
        };
        Ok(ControlledModel {
            served: Arc::new(served),
            pool,
            trial: TrialSlot::new(spec.criteria, on_trial.filter(|_| remembered)),
        })
    }
}

/// The journal, and who answered last. None where a single file is served: nothing can be changed there, and a look at a
/// network must not lock out, or be locked out by, the server beside it.
fn recover(
    parts: &Dependencies,
) -> Result<(Option<Journal>, BTreeMap<ModelName, Assignment>), StartError> {
    if parts.repository.is_none() {
        return Ok((None, BTreeMap::new()));
    }
    let (journal, recovered) = Journal::open(&parts.state_path)?;
    for note in &recovered.notes {
        tracing::warn!(path = %parts.state_path.display(), note, "journal");
    }
    Ok((Some(journal), recovered.assignments))
}

/// Begins to load every version of an assignment; in this process, as all of them have been served before or are named by
/// the operator, who is watching.
fn launches(
    parts: &Dependencies,
    spec: &ModelSpec,
    assignment: &Assignment,
) -> Vec<(VersionName, tokio::task::JoinHandle<Launched>)> {
    let mut names: Vec<VersionName> = assignment.versions().cloned().collect();
    names.sort();
    names.dedup();
    let launch = |version: VersionName| {
        let (launcher, repository) = (parts.launcher.clone(), parts.repository.clone());
        let (engine, batch) = (spec.engine.clone(), spec.batch.clone());
        let (model, standalone) = (spec.model.clone(), spec.standalone.clone());
        let name = version.clone();
        let work = move || {
            let files = match standalone {
                Some(files) => files,
                None => repository
                    .expect("a version that is not standalone is in a repository")
                    .read(&model, &name)?,
            };
            let labels = files.labels.clone();
            Ok((
                labels,
                launcher.launch(files, &engine, &batch, Priority::Foreground)?,
            ))
        };
        (version, tokio::task::spawn_blocking(work))
    };
    names.into_iter().map(launch).collect()
}

/// Logs where the journal overrules the configuration.
fn overruled(spec: &ModelSpec, last: &Assignment) {
    if last.stable != spec.stable {
        tracing::info!(
            model = %spec.model,
            stable = %last.stable,
            configured = %spec.stable,
            generation = last.generation,
            "the journal says who answers; the configuration counts for a first start only"
        );
    }
}

fn lost(model: &ModelName, from: &Assignment, to: &Assignment, why: &LoadError) -> Entry {
    Entry {
        time: Timestamp::now(),
        actor: "stillhouse".into(),
        action: "lost_version".into(),
        model: Some(model.clone()),
        reason: why.to_string(),
        request_id: String::new(),
        from: Some(from.clone()),
        to: Some(to.clone()),
        detail: None,
    }
}
