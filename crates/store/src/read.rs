//! Reading a version whole: what is returned has been hashed and checked, byte for byte.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use stillhouse_strict_toml as strict;

use super::{
    Golden, LABELS, Labels, MANIFEST, Manifest, ModelName, Repository, StoreError, VersionName,
    folder::Folder,
    manifest::{self, SCHEMA},
    validate,
};

const MAX_MANIFEST_BYTES: u64 = 1 << 20;
const MAX_LABELS_BYTES: u64 = 4 << 20;
const MAX_GOLDEN_BYTES: u64 = 16 << 20;

/// A version as it was on disk at one moment.
#[derive(Clone, Debug)]
pub struct VersionFiles {
    /// Its model.
    pub model: ModelName,
    /// Its name.
    pub version: VersionName,
    /// Its directory.
    pub path: PathBuf,
    /// Checked against itself and the labels.
    pub manifest: Manifest,
    /// The model's labels, as many as the manifest has classes.
    pub labels: Labels,
    /// The network's file: the very bytes that were hashed.
    pub model_bytes: Bytes,
    /// The golden samples, in the manifest's order.
    pub golden: Vec<Golden>,
}

impl Repository {
    /// Reads a version, every file once.
    ///
    /// # Errors
    /// Whatever is missing, of a wrong kind, too large, damaged or contradictory; nothing is guessed.
    pub fn read(
        &self,
        model: &ModelName,
        version: &VersionName,
    ) -> Result<VersionFiles, StoreError> {
        let model_folder = self.model_folder(model)?;
        let folder = model_folder.folder(version.as_str())?;
        self.read_folder(model, version, &model_folder, &folder)
    }

    /// Reads a version from a directory that need not have its name yet.
    pub(super) fn read_folder(
        &self,
        model: &ModelName,
        version: &VersionName,
        model_folder: &Folder,
        folder: &Folder,
    ) -> Result<VersionFiles, StoreError> {
        let manifest = parse_manifest(folder)?;
        let labels = labels(model_folder)?;
        validate::labels(&manifest, &labels, &folder.path().join(MANIFEST))?;

        let model_bytes = folder.read(&manifest.file.name, self.max_model_bytes)?;
        verify(
            &manifest.file,
            &model_bytes,
            &folder.path().join(&manifest.file.name),
        )?;
        let golden = manifest
            .golden
            .iter()
            .map(|entry| golden(folder, entry, labels.len()))
            .collect::<Result<_, _>>()?;
        Ok(VersionFiles {
            model: model.clone(),
            version: version.clone(),
            path: folder.path().into(),
            manifest,
            labels,
            model_bytes,
            golden,
        })
    }
}

/// The SHA-256 of `bytes` in 64 hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The manifest of a directory in which every named file stands, the network's in its full length.
pub(super) fn complete(folder: &Folder) -> Result<Manifest, StoreError> {
    let manifest = parse_manifest(folder)?;
    let found = folder.size_bytes(&manifest.file.name, u64::MAX)?;
    if found != manifest.file.size_bytes {
        let path = folder.path().join(&manifest.file.name);
        return Err(StoreError::Size {
            path,
            expected: manifest.file.size_bytes,
            found,
        });
    }
    for entry in &manifest.golden {
        folder.size_bytes(&entry.image, MAX_GOLDEN_BYTES)?;
        folder.size_bytes(&entry.outputs, MAX_GOLDEN_BYTES)?;
    }
    Ok(manifest)
}

pub(super) fn labels(model_folder: &Folder) -> Result<Labels, StoreError> {
    let text = model_folder.read_text(LABELS, MAX_LABELS_BYTES)?;
    Labels::parse(&text).map_err(|detail| StoreError::Content {
        path: model_folder.path().join(LABELS),
        detail,
    })
}

fn parse_manifest(folder: &Folder) -> Result<Manifest, StoreError> {
    let path = folder.path().join(MANIFEST);
    let text = folder.read_text(MANIFEST, MAX_MANIFEST_BYTES)?;
    from_text(&text, &path)
}

pub(super) fn from_text(text: &str, path: &Path) -> Result<Manifest, StoreError> {
    /// Read first and alone: a later format may have keys that this server doesn't know.
    #[derive(Deserialize)]
    struct Format {
        schema: u32,
    }
    if let Ok(Format { schema }) = toml::from_str(text)
        && schema > SCHEMA
    {
        return Err(StoreError::Value {
            path: path.into(),
            key: "schema".into(),
            found: schema.to_string(),
            expected: format!(
                "this stillhouse reads up to {SCHEMA}; the version was written by a newer one"
            ),
        });
    }
    let manifest = strict::parse(text, path)?;
    validate::manifest(&manifest, path)?;
    Ok(manifest)
}

fn verify(file: &manifest::File, bytes: &[u8], path: &Path) -> Result<(), StoreError> {
    if bytes.len() as u64 != file.size_bytes {
        return Err(StoreError::Size {
            path: path.into(),
            expected: file.size_bytes,
            found: bytes.len() as u64,
        });
    }
    let found = sha256(bytes);
    if found != file.sha256 {
        return Err(StoreError::Sha256 {
            path: path.into(),
            expected: file.sha256.clone(),
            found,
        });
    }
    Ok(())
}

fn golden(folder: &Folder, entry: &manifest::Golden, classes: usize) -> Result<Golden, StoreError> {
    let image = folder.read(&entry.image, MAX_GOLDEN_BYTES)?;
    let content = |detail: String| StoreError::Content {
        path: folder.path().join(&entry.outputs),
        detail,
    };
    let outputs: Vec<f32> = serde_json::from_slice(&folder.read(&entry.outputs, MAX_GOLDEN_BYTES)?)
        .map_err(|error| content(format!("not a JSON array of numbers: {error}")))?;
    if outputs.len() != classes {
        return Err(content(format!(
            "{} outputs for {classes} classes",
            outputs.len()
        )));
    }
    if let Some(class) = outputs.iter().position(|value| !value.is_finite()) {
        return Err(content(format!("output {class} doesn't fit into 32 bits")));
    }
    let file = entry.image.rsplit('/').next().unwrap_or_default();
    let name = file
        .rsplit_once('.')
        .map_or(file, |(name, _)| name)
        .to_owned();
    Ok(Golden {
        name,
        image,
        outputs,
        tolerance: entry.tolerance,
    })
}
