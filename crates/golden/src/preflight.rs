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

/// Loads a version, compares graph and manifest, and reproduces its golden samples alone. Then up to `most_rows` pictures
/// share a run: if that fails, or answers them otherwise than alone, the network is run one row at a time.
///
/// Call it on the thread that will own the engine.
///
/// # Errors
/// The first reason not to serve this version on this engine.
pub fn prove(
    files: &VersionFiles,
    engine: &EngineOptions,
    prepare: Prepare<'_>,
    most_rows: usize,
    priority: Priority,
) -> Result<Proven, PreflightError> {
    let options = contract::options(&files.manifest, engine);
    let blueprint = priority.run(|| prepare(&files.model_bytes, &options))?;
    contract::check(&files.manifest, blueprint.signature())?;
    let normalization = Arc::new(Normalization::new(&files.manifest.transform)?);
    let most_rows = most_rows.min(blueprint.batch_limit().unwrap_or(usize::MAX));
    let mut engine = priority.run(|| blueprint.build(most_rows))?;
    let alone = verify(engine.as_mut(), files, &normalization, priority)?;
    let Err(why) = alone.together(engine.as_mut(), most_rows, priority) else {
        return Ok(Proven {
            blueprint,
            normalization,
            engine,
            most_rows,
        });
    };
    let proven = Proven {
        blueprint,
        normalization,
        engine,
        most_rows,
    };
    proven.one_row_at_a_time(files, &why, priority)
}

impl Proven {
    /// The same network for one row at a time, because of what happened to more.
    ///
    /// # Errors
    /// The engine's.
    pub fn one_row_at_a_time(
        self,
        files: &VersionFiles,
        why: &str,
        priority: Priority,
    ) -> Result<Self, PreflightError> {
        // After a run that failed, or even panicked, it isn't to be trusted.
        drop(self.engine);
        let folded = walk::folded_batch(&files.model_bytes);
        let why = folded.map_or_else(|| why.to_owned(), |folded| format!("{folded}; {why}"));
        let blueprint = one_row_at_a_time(self.blueprint, why.into());
        let engine = priority.run(|| blueprint.build(1))?;
        Ok(Self {
            blueprint,
            normalization: self.normalization,
            engine,
            most_rows: 1,
        })
    }
}

/// As [`prove`], on a thread of its own and for nothing but the verdict: the engine's description of itself.
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
            let proven = prove(files, engine, prepare, rows, priority)?;
            Ok(proven.blueprint.describe())
        });
        run.join()
            .unwrap_or_else(|_| Err(EngineError::Run("the engine panicked".into()).into()))
    })
}
