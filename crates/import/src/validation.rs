//! Validation pictures from an idx file, or from a folder of picture files.

mod source;

use std::{path::Path, sync::Arc};

use stillhouse_engine::{EngineOptions, Sample};

use super::{ImportError, Prepare, outputs::Outputs};
pub(crate) use source::Pictures;
use source::content;
use stillhouse_golden::contract;
use stillhouse_image::{Input, Normalization, Pixels, Statistics, Thumbnail, Transform};
use stillhouse_store::NewVersion;

/// Statistics of every picture at `path`.
///
/// # Errors
/// No pictures, or one that can't be read.
pub fn survey(path: &Path, transform: &Transform) -> Result<Vec<Statistics>, ImportError> {
    let mut all = Vec::new();
    each(path, transform, &mut |_, statistics| {
        all.push(statistics);
        Ok(())
    })?;
    Ok(all)
}

/// Statistics of every picture at `path`, and the version's raw outputs for them, one at a time.
///
/// # Errors
/// As [`survey`]; an engine that fails or answers something that is not finite.
pub fn answer(
    path: &Path,
    version: &NewVersion,
    engine: &EngineOptions,
    prepare: Prepare<'_>,
) -> Result<(Vec<Statistics>, Outputs), ImportError> {
    let manifest = &version.manifest;
    let options = contract::options(manifest, engine);
    let mut network = prepare(&version.model_bytes, &options)?.build(1)?;
    let normalization = Normalization::new(&manifest.transform)
        .map_err(|error| ImportError::Frame(error.to_string()))?;
    let normalization = Arc::new(normalization);
    let (mut all, mut rows) = (Vec::new(), Vec::new());
    each(path, &manifest.transform, &mut |pixels, statistics| {
        all.push(statistics);
        let normalization = normalization.clone();
        Input::Pixels {
            pixels,
            normalization,
        }
        .write(network.input(1));
        rows.push(network.run(1)?.to_vec());
        Ok(())
    })?;
    let outputs = Outputs::new(rows).map_err(|detail| content(path, detail))?;
    Ok((all, outputs))
}

type See<'a> = &'a mut dyn FnMut(Pixels, Statistics) -> Result<(), ImportError>;

/// Visits every picture at `path` in the network's size.
fn each(path: &Path, transform: &Transform, see: See<'_>) -> Result<(), ImportError> {
    let mut thumbnail = Thumbnail::new();
    let pictures = Pictures::at(path)?;
    for index in 0..pictures.len() {
        let picture = pictures.picture(index, transform)?;
        let full_size = picture.full_size();
        let pixels = transform.apply(picture);
        let statistics = Statistics::of(&pixels, transform, full_size, &mut thumbnail);
        see(pixels, statistics)?;
    }
    Ok(())
}
