//! The model repository on disk: `<root>/<model>/labels.txt` and `<root>/<model>/<version>/` with `manifest.toml`,
//! the network's file and its golden samples.
//!
//! A version is read whole and once: what was hashed is what is served. Names are typed before any file is touched,
//! links are never followed, and a directory is seen only when everything that its manifest names is there.

mod error;
mod folder;
mod golden;
mod incoming;
mod labels;
pub mod manifest;
mod name;
mod read;
mod validate;
mod watch;
mod write;

use std::path::{Path, PathBuf};

pub use error::StoreError;
pub use golden::{Golden, Mismatch};
pub use incoming::{Incoming, Unpacked};
pub use labels::Labels;
pub use manifest::Manifest;
pub use name::{ModelName, NameError, VersionName};
pub use read::{VersionFiles, sha256};
pub use watch::{Arrival, Seen, Trigger, Watch};
pub use write::{NewVersion, Removal};

use folder::Folder;

/// The largest network file that is read unless [`Repository::with_max_model_bytes`] says otherwise: protobuf's own limit.
const MAX_MODEL_BYTES: u64 = 2 << 30;
const MANIFEST: &str = "manifest.toml";
const LABELS: &str = "labels.txt";

/// A directory of models. Holds no open file: every question looks at the disk anew.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
    max_model_bytes: u64,
}

/// A directory with a version's name.
#[derive(Debug)]
pub struct Directory {
    /// Its name.
    pub version: VersionName,
    /// Its manifest, or why it is no complete version (yet).
    pub manifest: Result<Manifest, StoreError>,
}

impl Repository {
    /// A repository that exists.
    ///
    /// # Errors
    /// `root` can't be read or is no directory.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        Folder::open(&root)?;
        Ok(Self {
            root,
            max_model_bytes: MAX_MODEL_BYTES,
        })
    }

    /// A repository that is made if it isn't there.
    ///
    /// # Errors
    /// `root` can't be made or read.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        std::fs::create_dir_all(&root).map_err(|source| StoreError::Io {
            path: root.clone(),
            source,
        })?;
        Self::open(root)
    }

    /// Sets the largest network file that is read.
    #[must_use]
    pub fn with_max_model_bytes(self, max_model_bytes: u64) -> Self {
        Self {
            max_model_bytes,
            ..self
        }
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every directory with a model's name, sorted.
    ///
    /// # Errors
    /// The root can't be read.
    pub fn models(&self) -> Result<Vec<ModelName>, StoreError> {
        let mut models: Vec<ModelName> = self
            .folder()?
            .folders()?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        models.sort();
        Ok(models)
    }

    /// The complete versions of a model in natural order (`v9` before `v10`).
    ///
    /// # Errors
    /// There is no such model, or it can't be read.
    pub fn versions(&self, model: &ModelName) -> Result<Vec<VersionName>, StoreError> {
        let all = self.directories(model)?;
        Ok(all
            .into_iter()
            .filter(|found| found.manifest.is_ok())
            .map(|found| found.version)
            .collect())
    }

    /// Every directory of a model with a version's name, in natural order. Nothing is hashed.
    ///
    /// # Errors
    /// There is no such model, or it can't be read.
    pub fn directories(&self, model: &ModelName) -> Result<Vec<Directory>, StoreError> {
        let folder = self.model_folder(model)?;
        let names = folder.folders()?;
        let mut versions: Vec<VersionName> =
            names.iter().filter_map(|name| name.parse().ok()).collect();
        versions.sort_by(|a, b| name::natural_order(a.as_str(), b.as_str()));
        let look = |version: VersionName| {
            let manifest = complete(&folder, &version);
            Directory { version, manifest }
        };
        Ok(versions.into_iter().map(look).collect())
    }

    /// What lies among the models and versions and is none, each with the reason.
    ///
    /// # Errors
    /// The root can't be read.
    pub fn left_out(&self) -> Result<Vec<(PathBuf, String)>, StoreError> {
        let root = self.folder()?;
        let mut left_out = root.left_out(|name| name.parse::<ModelName>().map(drop))?;
        for model in self.models()? {
            let folder = root.folder(model.as_str())?;
            left_out.extend(folder.left_out(|name| name.parse::<VersionName>().map(drop))?);
        }
        Ok(left_out)
    }

    /// Whether a version is complete. Nothing is hashed.
    pub fn has(&self, model: &ModelName, version: &VersionName) -> bool {
        self.manifest(model, version).is_ok()
    }

    /// The manifest of a complete version. Nothing is hashed.
    ///
    /// # Errors
    /// There is no such version, or it isn't complete.
    pub fn manifest(
        &self,
        model: &ModelName,
        version: &VersionName,
    ) -> Result<Manifest, StoreError> {
        complete(&self.model_folder(model)?, version)
    }

    /// The labels of a model, class 0 first.
    ///
    /// # Errors
    /// There is no such model, or its `labels.txt` is missing or wrong.
    pub fn labels(&self, model: &ModelName) -> Result<Labels, StoreError> {
        read::labels(&self.model_folder(model)?)
    }

    fn folder(&self) -> Result<Folder, StoreError> {
        Folder::open(&self.root)
    }

    fn model_folder(&self, model: &ModelName) -> Result<Folder, StoreError> {
        self.folder()?.folder(model.as_str())
    }
}

fn complete(model_folder: &Folder, version: &VersionName) -> Result<Manifest, StoreError> {
    read::complete(&model_folder.folder(version.as_str())?)
}

#[cfg(test)]
mod tests;
