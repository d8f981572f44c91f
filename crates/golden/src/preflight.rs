//! All checks of a version on one engine, without a server.

use std::sync::Arc;

use bytes::Bytes;
use stillhouse_engine::{
    Blueprint, Engine, EngineError, EngineOptions, Priority, one_row_at_a_time, walk,
};
use stillhouse_image::{Normalization, TransformError};
use stillhouse_store::VersionFiles;

use crate::{
    GoldenError,
    contract::{self, ContractError},
    verify,
};

/// Makes a blueprint from a network's bytes: [`stillhouse_engine::prepare`] outside tests.
pub type Prepare<'a> =
    &'a (dyn Fn(&Bytes, &EngineOptions) -> Result<Arc<dyn Blueprint>, EngineError> + Sync);

/// Why a version can't be served on an engine.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The manifest's transform can't be applied.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// The engine refused graph, device or memory.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Manifest and graph contradict each other.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A golden sample was not reproduced.
    #[error(transparent)]
    Golden(#[from] GoldenError),
}

/// A network that has given every proof, with the engine that did, on the thread that owns it.
pub struct Proven {
    /// What workers build from: for one row at a time, if rows that share a run change each other's answers.
    pub blueprint: Arc<dyn Blueprint>,
    /// The transform's last step.
    pub normalization: Arc<Normalization>,
    /// The engine, built for `most_rows`.
    pub engine: Box<dyn Engine>,
    /// The rows that it takes at most.
    pub most_rows: usize,
}

/// How a version is proved.
pub struct Proof<'a> {
    /// The version.
    pub files: &'a VersionFiles,
    /// The engine.
    pub engine: &'a EngineOptions,
    /// How urgent it is.
    pub priority: Priority,
    /// Sees each engine before its first run.
    pub built: &'a dyn Fn(&dyn Engine),
}

impl Proof<'_> {
    /// Loads the version, compares graph and manifest, and reproduces its golden samples alone. Then a few
    /// pictures share a run: if that fails, or answers them otherwise than alone, the network is run one row at a time.
    ///
    /// Call it on the thread that will own the engine.
    ///
    /// # Errors
    /// The first reason not to serve this version on this engine.
    pub fn of(&self, prepare: Prepare<'_>, most_rows: usize) -> Result<Proven, PreflightError> {
        let (files, priority) = (self.files, self.priority);
        let options = contract::options(&files.manifest, self.engine);
        let blueprint = priority.run(|| prepare(&files.model_bytes, &options))?;
        contract::check(&files.manifest, blueprint.signature())?;
        let normalization = Arc::new(Normalization::new(&files.manifest.transform)?);
        let most_rows = most_rows.min(blueprint.batch_limit().unwrap_or(usize::MAX));
        let mut proven = Proven {
            engine: self.build(&*blueprint, most_rows)?,
            blueprint,
            normalization,
            most_rows,
        };
        let engine = proven.engine.as_mut();
        let alone = verify(engine, files, &proven.normalization, priority)?;
        match alone.together(engine, most_rows, priority)? {
            None => Ok(proven),
            Some(why) => self.one_row_at_a_time(proven, &why),
        }
    }

    /// The same network for one row at a time, because of what happened to more.
    ///
    /// # Errors
    /// The engine's.
    fn one_row_at_a_time(&self, proven: Proven, why: &str) -> Result<Proven, PreflightError> {
        // After a run that failed, or even panicked, it isn't to be trusted.
        drop(proven.engine);
        let folded = walk::folded_batch(&self.files.model_bytes);
        let why = folded.map_or_else(|| why.to_owned(), |folded| format!("{folded}; {why}"));
        let blueprint = one_row_at_a_time(proven.blueprint, why.into());
        Ok(Proven {
            engine: self.build(&*blueprint, 1)?,
            blueprint,
            normalization: proven.normalization,
            most_rows: 1,
        })
    }

    fn build(
        &self,
        blueprint: &dyn Blueprint,
        most_rows: usize,
    ) -> Result<Box<dyn Engine>, PreflightError> {
        let engine = self.priority.run(|| blueprint.build(most_rows))?;
        (self.built)(engine.as_ref());
        Ok(engine)
    }
}

/// As [`Proof::of`], on a thread of its own and for nothing but the verdict: the engine's description of itself.
///
/// # Errors
/// The first reason not to serve this version on this engine.
pub fn preflight(
    files: &VersionFiles,
    engine: &EngineOptions,
    prepare: Prepare<'_>,
    priority: Priority,
) -> Result<String, PreflightError> {
    // Two pictures more than are recorded: the proof adds them.
    let rows = files.golden.len() + 2;
    // A thread of its own: an engine that panics takes only that down.
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let proof = Proof {
                files,
                engine,
                priority,
                built: &|_| (),
            };
            Ok(proof.of(prepare, rows)?.blueprint.describe())
        });
        run.join()
            .unwrap_or_else(|_| Err(EngineError::Run("the engine panicked".into()).into()))
    })
}
