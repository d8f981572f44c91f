//! A folder of pictures: one folder per class, or all in one folder without labels.

use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};
use stillhouse_image::Transform;

use super::{
    Dataset,
    pictures::{Encoded, class, decode_all},
};

/// Reads PNG, JPEG and WebP files, in the order of their names.
pub(super) fn read(path: &Path, transform: &Transform, labels: &[String]) -> Result<Dataset> {
    let mut files = pictures(path)?;
    let mut known = Vec::new();
    for folder in entries(path)?.into_iter().filter(|path| path.is_dir()) {
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let label =
            class(&name, labels).with_context(|| format!("the folder {}", folder.display()))?;
        known.extend(
            pictures(&folder)?
                .into_iter()
                .map(|file| (file, Some(label))),
        );
    }
    if !files.is_empty() && !known.is_empty() {
        bail!(
            "{}: there are pictures both in class folders and outside: either all or none must have labels",
            path.display()
        );
    }
    known.extend(files.drain(..).map(|file| (file, None)));
    let all: Vec<Encoded> = known
        .iter()
        .map(|(file, label)| Encoded {
            name: file.display().to_string(),
            label: *label,
        })
        .collect();
    decode_all(&all, |i| Ok(fs::read(&known[i].0)?), transform)
}

fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let wanted = |path: &PathBuf| {
        let suffix = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        path.is_file() && ["png", "jpg", "jpeg", "webp"].contains(&suffix.as_str())
    };
    Ok(entries(folder)?.into_iter().filter(wanted).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    read().with_context(|| format!("reading {}", folder.display()))
}
