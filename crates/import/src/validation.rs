//! Validation pictures from an idx file, or from a folder of picture files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use stillhouse_engine::{EngineOptions, Sample};

use super::{ImportError, Prepare, idx::Idx, outputs::Outputs};
use stillhouse_golden::contract;
use stillhouse_image::{
    self as image, Input, Limits, Normalization, Picture, Pixels, Statistics, Thumbnail, Transform,
};
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

/// Visits every picture at `path` in the network's size; in a folder sorted by name, subfolders last.
fn each(path: &Path, transform: &Transform, see: See<'_>) -> Result<(), ImportError> {
    let mut thumbnail = Thumbnail::new();
    let mut show = |picture: Picture| {
        let full_size = picture.full_size();
        let pixels = transform.apply(picture);
        let statistics = Statistics::of(&pixels, transform, full_size, &mut thumbnail);
        see(pixels, statistics)
    };
    if !path.is_dir() {
        let Idx { dims, bytes } = Idx::read(path)?;
        let side = |side: usize| u32::try_from(side).ok().filter(|side| *side > 0);
        let sides = match dims[..] {
            [_, rows, columns] if !bytes.is_empty() => side(columns).zip(side(rows)),
            _ => None,
        };
        let (columns, rows) = sides.ok_or_else(|| {
            content(
                path,
                format!("its sides are {dims:?}; pictures, rows, columns belong there"),
            )
        })?;
        return bytes
            .chunks_exact(dims[1] * dims[2])
            .filter_map(|luma| Picture::from_luma(columns, rows, luma.to_vec()))
            .try_for_each(show);
    }
    let files = files(path, true)?;
    if files.is_empty() {
        return Err(content(path, "no PNG, JPEG or WebP files in it".into()));
    }
    for file in files {
        let bytes = fs::read(&file).map_err(|error| content(&file, error.to_string()))?;
        let picture = image::decode(&bytes, &Limits::default(), transform);
        show(picture.map_err(|error| content(&file, error.to_string()))?)?;
    }
    Ok(())
}

/// Picture files of a folder and its subfolders, which often are one per class.
fn files(folder: &Path, deeper: bool) -> Result<Vec<PathBuf>, ImportError> {
    let wrong = |error: std::io::Error| content(folder, error.to_string());
    let entries = fs::read_dir(folder).map_err(wrong)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>, _>>()
        .map_err(wrong)?;
    paths.sort();
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.into_iter().partition(|path| path.is_dir());
    let is_picture = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        ["png", "jpg", "jpeg", "webp"]
            .iter()
            .any(|known| extension == *known)
    };
    let mut found: Vec<PathBuf> = files.into_iter().filter(is_picture).collect();
    for folder in folders.iter().filter(|_| deeper) {
        found.extend(self::files(folder, false)?);
    }
    Ok(found)
}

fn content(path: &Path, detail: String) -> ImportError {
    ImportError::Content {
        path: path.display().to_string(),
        detail,
    }
}
