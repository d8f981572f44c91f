//! The steps from a version's name to a running version, all of them before one point in time: tried out in a process of its
//! own, read, checked, warmed up.

use std::time::{Duration, Instant};

use stillhouse_core::{
    version::{BatchSettings, EngineSettings, LaunchError, Launcher, Version},
    watchdog::Effort,
};
use stillhouse_engine::Priority;
use stillhouse_store::{Labels, ModelName, Repository, VersionName};

use std::sync::Arc;

use super::{
    load::LoadError,
    settings::LoadingSettings,
    start::Standalone,
    validation::{Subject, Validation, ValidationError},
};

/// With this many threads stuck in runs that don't end, no further version is loaded: each load may add some, and only a
/// restart ends them.
const MOST_STUCK: usize = 8;

/// What is loaded, and how it is to run.
pub(super) struct Wanted {
    pub(super) model: ModelName,
    pub(super) version: VersionName,
    pub(super) engine: EngineSettings,
    pub(super) batch: BatchSettings,
    /// Itself, where it stands in no repository.
    pub(super) standalone: Option<Standalone>,
}

/// Loads versions.
#[derive(Clone)]
pub(super) struct Loader {
    repository: Option<Repository>,
    launcher: Launcher,
    validation: Option<Validation>,
    limit: Duration,
}

impl Loader {
    pub(super) fn new(
        repository: Option<&Repository>,
        launcher: &Launcher,
        validation: &Validation,
        settings: &LoadingSettings,
    ) -> Self {
        Self {
            repository: repository.cloned(),
            launcher: launcher.clone(),
            validation: settings.child_process.then(|| validation.clone()),
            limit: Duration::from_secs(settings.timeout_seconds),
        }
    }

    /// Loads a version within `loading.timeout_seconds`. `stage` gets the name and the beginning of each step that has ended.
    ///
    /// # Errors
    /// A version that can't be trusted, or isn't ready in time, is never returned.
    pub(super) async fn load(
        &self,
        wanted: Wanted,
        priority: Priority,
        stage: impl Fn(&str, Instant) + Send + 'static,
    ) -> Result<(Labels, Arc<Version>), LoadError> {
        let stuck = self.launcher.watchdog().stuck().len();
        if stuck >= MOST_STUCK {
            return Err(LoadError::TooManyStuck { stuck });
        }
        let effort = Effort::of(priority, self.limit);
        let (standalone, validated) = wanted
            .standalone
            .map(|standalone| (standalone.files, standalone.validated))
            .unzip();
        let validated = match (&self.validation, &self.repository) {
            _ if standalone.is_some() => validated.flatten(),
            (Some(validation), Some(repository)) => {
                let begun = Instant::now();
                let subject = Subject {
                    repository: repository.root().into(),
                    model: wanted.model.clone(),
                    version: wanted.version.clone(),
                    engine: wanted.engine.clone(),
                    batch: wanted.batch.clone(),
                    beside_traffic: priority == Priority::Background,
                };
                let validated = validation.check(subject).await?;
                stage("validate", begun);
                Some(validated)
            }
            _ => None,
        };
        let (repository, launcher) = (self.repository.clone(), self.launcher.clone());
        let seconds = self.limit.as_secs();
        let in_time = move |error| match error {
            LaunchError::Overdue => LoadError::TimedOut { seconds },
            other => other.into(),
        };
        let launch = move || {
            let begun = Instant::now();
            let of = [wanted.model.as_str(), wanted.version.as_str()];
            let files = match (standalone, repository) {
                (Some(files), _) => files,
                (None, Some(repository)) => {
                    let (model, version) = (wanted.model.clone(), wanted.version.clone());
                    let read = move |_: &_| priority.run(|| repository.read(&model, &version));
                    let read = launcher.watchdog().run_limited(of, effort, read);
                    read.map_err(|lost| in_time(lost.into()))??
                }
                (None, None) => return Err(LoadError::Replaced),
            };
            stage("read", begun);
            let (sha256, measured) = validated
                .map(|validated| (validated.sha256, validated.warmup))
                .unzip();
            if sha256.is_some_and(|validated| validated != files.manifest.file.sha256) {
                return Err(LoadError::Replaced);
            }
            let begun = Instant::now();
            let labels = files.labels.clone();
            let loaded = launcher
                .launch(files, &wanted.engine, &wanted.batch, measured, effort)
                .map_err(in_time)?;
            stage("launch", begun);
            Ok((labels, loaded))
        };
        tokio::task::spawn_blocking(launch)
            .await
            .unwrap_or(Err(LoadError::Panicked))
    }
}

impl From<ValidationError> for LoadError {
    fn from(error: ValidationError) -> Self {
        match error {
            ValidationError::TimedOut { seconds } => Self::TimedOut { seconds },
            other => Self::Validation(other),
        }
    }
}
