//! All checks of a version on one engine, without a server.

use std::sync::Arc;

use bytes::Bytes;
use stillhouse_engine::{Blueprint, EngineError, EngineOptions, Priority};
use stillhouse_image::{Normalization, TransformError};
use stillhouse_store::VersionFiles;

use crate::{
    GoldenError,
    contract::{self, ContractError},
    verify,
};

/// Makes a blueprint from a network's bytes: [`stillhouse_engine::prepare`] outside tests.
pub type Prepare<'a> =
    &'a dyn Fn(&Bytes, &EngineOptions) -> Result<Arc<dyn Blueprint>, EngineError>;

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

/// Loads a version, compares graph and manifest, and reproduces its golden samples, alone and in a batch. Returns the
/// engine's description of itself.
///
/// # Errors
/// The first reason not to serve this version on this engine.
pub fn preflight(
    files: &VersionFiles,
    engine: &EngineOptions,
    prepare: Prepare<'_>,
    priority: Priority,
) -> Result<String, PreflightError> {
    let options = EngineOptions {
        output: Some(files.manifest.output.name.clone()),
        ..engine.clone()
    };
    let blueprint = priority.run(|| prepare(&files.model_bytes, &options))?;
    contract::check(&files.manifest, blueprint.signature())?;
    let normalization = Arc::new(Normalization::new(&files.manifest.transform)?);
    let rows = files
        .golden
        .len()
        .max(2)
        .min(blueprint.batch_limit().unwrap_or(usize::MAX));
    // A thread of its own: an engine that panics takes only that down.
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let mut engine = priority.run(|| blueprint.build(rows))?;
            verify(engine.as_mut(), rows, files, &normalization, priority)?;
            Ok(blueprint.describe())
        });
        run.join()
            .unwrap_or_else(|_| Err(EngineError::Run("the engine panicked".into()).into()))
    })
}
