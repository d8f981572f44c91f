//! Validates a version on one engine, without a server.

use std::sync::Arc;

use stillhouse_engine::{Backend, EngineError, EngineOptions, Haste};

use super::Prepare;
use crate::{
    golden,
    image::Normalization,
    store::VersionFiles,
    version::{EngineSettings, LaunchError, SettingsError, contract},
};

/// Loads a version, compares graph and manifest, and reproduces its golden samples, alone and in a batch. Returns the
/// engine's description.
///
/// # Errors
/// The first reason not to serve this version on this engine.
pub fn trial(
    files: &VersionFiles,
    engine: &EngineOptions,
    prepare: Prepare<'_>,
    haste: Haste,
) -> Result<String, LaunchError> {
    let options = EngineOptions {
        output: Some(files.manifest.output.name.clone()),
        ..engine.clone()
    };
    let blueprint = haste.piece(|| prepare(&files.model_bytes, &options))?;
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
            let mut engine = haste.piece(|| blueprint.build(rows))?;
            golden::verify(engine.as_mut(), rows, files, &normalization, haste)?;
            Ok(blueprint.describe())
        });
        run.join()
            .unwrap_or_else(|_| Err(EngineError::Run("the engine panicked".into()).into()))
    })
}

/// The engines available on the processor: compiled in, and for ONNX Runtime with its library found.
///
/// # Errors
/// None in practice, since these settings are valid.
pub fn engines(settings: &EngineSettings) -> Result<Vec<EngineOptions>, SettingsError> {
    let on = |backend: &Backend| {
        let (backend, device) = (backend.to_string(), "cpu".to_owned());
        EngineSettings {
            backend,
            device,
            ..settings.clone()
        }
        .resolve()
    };
    let all: Result<Vec<EngineOptions>, _> = Backend::compiled_in().iter().map(on).collect();
    let there =
        |options: &EngineOptions| options.backend != Backend::Ort || options.library.is_some();
    Ok(all?.into_iter().filter(there).collect())
}
