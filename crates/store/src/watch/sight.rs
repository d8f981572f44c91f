//! What was last seen in the repository, and what is different now.

use std::{collections::BTreeMap, path::PathBuf};

use super::Arrival;
use crate::{
    Directory, MANIFEST, Manifest, ModelName, Repository, StoreError, VersionName, folder::Folder,
};

/// One entry a file that the manifest names, itself included.
type Fingerprint = Vec<[u64; 4]>;

/// The versions that were seen complete, by their files.
#[derive(Debug, Default)]
pub(super) struct Sight {
    seen: BTreeMap<ModelName, BTreeMap<VersionName, Fingerprint>>,
    /// What lies there and is no version, as it was reported.
    left_out: Vec<(PathBuf, String)>,
}

impl Sight {
    /// Scans again: versions that appeared, in natural order, and those that disappeared. What can't be read now counts as
    /// unchanged.
    pub(super) fn look(&mut self, repository: &Repository) -> Vec<Arrival> {
        let Ok(models) = repository.models() else {
            return vec![];
        };
        self.report_left_out(repository);
        let mut arrivals = Vec::new();
        let gone: Vec<ModelName> = self
            .seen
            .keys()
            .filter(|model| !models.contains(model))
            .cloned()
            .collect();
        for model in gone {
            let versions = self.seen.remove(&model).unwrap_or_default();
            let gone = versions.into_keys().map(|version| Arrival::Gone {
                model: model.clone(),
                version,
            });
            arrivals.extend(gone);
        }
        for model in models {
            if let Ok(directories) = repository.directories(&model)
                && let Ok(folder) = repository.model_folder(&model)
            {
                self.compare(&model, &folder, directories, &mut arrivals);
            }
        }
        arrivals
    }

    /// Takes note of a version that has just become visible, so that no look reports it.
    pub(super) fn note(
        &mut self,
        repository: &Repository,
        model: &ModelName,
        version: &VersionName,
    ) {
        let noted = repository.manifest(model, version).and_then(|manifest| {
            let folder = repository.model_folder(model)?.folder(version.as_str())?;
            fingerprint(&folder, &manifest)
        });
        // What can't be read now is reported when it can be.
        if let Ok(noted) = noted {
            let seen = self.seen.entry(model.clone()).or_default();
            seen.insert(version.clone(), noted);
        }
    }

    /// Logs each name once that is left out, since who copied it there waits for it.
    fn report_left_out(&mut self, repository: &Repository) {
        let Ok(left_out) = repository.left_out() else {
            return;
        };
        for (path, reason) in &left_out {
            if !self.left_out.iter().any(|(known, _)| known == path) {
                tracing::warn!(path = %path.display(), reason, "left out of the repository");
            }
        }
        self.left_out = left_out;
    }

    fn compare(
        &mut self,
        model: &ModelName,
        folder: &Folder,
        directories: Vec<Directory>,
        arrivals: &mut Vec<Arrival>,
    ) {
        let seen = self.seen.entry(model.clone()).or_default();
        seen.retain(|version, _| {
            let there = directories.iter().any(|found| found.version == *version);
            if !there {
                let (model, version) = (model.clone(), version.clone());
                arrivals.push(Arrival::Gone { model, version });
            }
            there
        });
        for Directory { version, manifest } in directories {
            let fingerprint = manifest.and_then(|manifest| {
                let folder = folder.folder(version.as_str())?;
                fingerprint(&folder, &manifest)
            });
            // Incomplete: not yet, or not just now.
            let Ok(fingerprint) = fingerprint else {
                continue;
            };
            if seen.get(&version) != Some(&fingerprint) {
                seen.insert(version.clone(), fingerprint);
                let model = model.clone();
                arrivals.push(Arrival::Came { model, version });
            }
        }
    }
}

fn fingerprint(folder: &Folder, manifest: &Manifest) -> Result<Fingerprint, StoreError> {
    let samples = manifest.golden.iter();
    samples
        .flat_map(|sample| [sample.image.as_str(), &sample.outputs])
        .chain([MANIFEST, &manifest.file.name])
        .map(|path| folder.stamp(path))
        .collect()
}
