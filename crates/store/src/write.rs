//! Writing a version: complete and durable, or not at all.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use tempfile::TempDir;

use super::{
    Golden, LABELS, Labels, MANIFEST, Manifest, ModelName, Repository, StoreError, VersionFiles,
    VersionName, folder::is_safe_path, manifest, read, validate,
};

/// Prefix of directories that are still being written; no version's name begins so.
pub(super) const INCOMING: &str = ".incoming-";

/// Prefix of directories that are being removed.
pub(super) const REMOVED: &str = ".removed-";

/// What a version is made of.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Its `file` (but for the name) and `golden` are filled in from what follows.
    pub manifest: Manifest,
    /// Must be the model's, if it has some already.
    pub labels: Labels,
    /// The network's file.
    pub model_bytes: Bytes,
    /// PNG, JPEG or WebP pictures under distinct names of `[A-Za-z0-9._-]`.
    pub golden: Vec<Golden>,
}

impl NewVersion {
    /// What [`Repository::read`] would give if this stood at `path`: sums and golden entries filled in, all checked.
    ///
    /// # Errors
    /// Whatever a reader would refuse.
    pub fn files(
        &self,
        model: &ModelName,
        version: &VersionName,
        path: &Path,
    ) -> Result<VersionFiles, StoreError> {
        Ok(VersionFiles {
            model: model.clone(),
            version: version.clone(),
            path: path.into(),
            manifest: finished(self, path)?,
            labels: self.labels.clone(),
            model_bytes: self.model_bytes.clone(),
            golden: self.golden.clone(),
        })
    }
}

impl VersionFiles {
    /// Writes the golden samples below `folder`, durably.
    ///
    /// # Errors
    /// The disk's.
    pub fn write_golden(&self, folder: &Path) -> Result<(), StoreError> {
        if self.golden.is_empty() {
            return Ok(());
        }
        let parent = folder.join("golden");
        io_at(&parent, fs::create_dir(&parent))?;
        for (golden, entry) in self.golden.iter().zip(&self.manifest.golden) {
            write(&folder.join(&entry.image), &golden.image)?;
            write(
                &folder.join(&entry.outputs),
                json(&golden.outputs).as_bytes(),
            )?;
        }
        sync(&parent)
    }
}

impl Repository {
    /// Writes a version beside its final place, synchronises it and renames it there: a reader sees all of it or
    /// nothing.
    /// Returns what was written; its `path` is its directory.
    ///
    /// # Errors
    /// The version exists already, its manifest would be refused by [`Repository::read`], its labels are not the
    /// model's, or the disk's own refusal.
    pub fn write_version(
        &self,
        model: &ModelName,
        version: &VersionName,
        new: &NewVersion,
    ) -> Result<VersionFiles, StoreError> {
        let model_path = self.root().join(model.as_str());
        let path = model_path.join(version.as_str());
        let files = new.files(model, version, &path)?;
        if path.symlink_metadata().is_ok() {
            return Err(StoreError::Exists { path });
        }
        let first = !model_path.exists();
        io_at(&model_path, fs::create_dir_all(&model_path))?;
        let placed = self.place(&files, &model_path);
        if first && placed.is_err() {
            // Only if no other process has created it.
            _ = fs::remove_dir(&model_path);
        }
        placed.map(|()| files)
    }

    /// Writes `files` below `model_path` and moves them to their place.
    fn place(&self, files: &VersionFiles, model_path: &Path) -> Result<(), StoreError> {
        let path = &files.path;
        let beside = tempfile::Builder::new()
            .prefix(INCOMING)
            .tempdir_in(model_path);
        let beside = io_at(model_path, beside)?;
        let folder = beside.path();
        write(&folder.join(&files.manifest.file.name), &files.model_bytes)?;
        files.write_golden(folder)?;
        let text = toml::to_string(&files.manifest)
            .map_err(|error| io_failure(path, io::Error::other(error)))?;
        write(&folder.join(MANIFEST), text.as_bytes())?;
        // Last but the name, so that a disk that was full leaves no model without a version.
        self.settle_labels(&files.model, &files.labels)?;
        publish(folder, path)?;
        _ = beside.keep();
        Ok(())
    }

    /// Removes a version's directory: first out of sight, by one rename, then for good.
    ///
    /// # Errors
    /// It isn't there, is no directory, or can't be removed.
    pub fn remove(&self, model: &ModelName, version: &VersionName) -> Result<(), StoreError> {
        self.prepare_removal(model, version)?.finish()
    }

    /// Makes everything ready to remove a version, and removes nothing yet: what is missing, or a disk that takes no more
    /// entries, is an error here. Dropped without [`Removal::finish`], it leaves everything as it was.
    ///
    /// # Errors
    /// It isn't there, is no directory, or nothing can be written beside it.
    pub fn prepare_removal(
        &self,
        model: &ModelName,
        version: &VersionName,
    ) -> Result<Removal, StoreError> {
        let model_path = self.root().join(model.as_str());
        let path = model_path.join(version.as_str());
        // By handle, so that a link in its place is refused.
        self.folder()?
            .folder(model.as_str())?
            .folder(version.as_str())?;
        let beside = tempfile::Builder::new()
            .prefix(REMOVED)
            .tempdir_in(&model_path);
        let beside = io_at(&model_path, beside)?;
        Ok(Removal { path, beside })
    }

    /// Compares the model's labels with `labels`; a model without any gets these.
    fn settle_labels(&self, model: &ModelName, labels: &Labels) -> Result<(), StoreError> {
        let folder = self.root().join(model.as_str());
        let path = folder.join(LABELS);
        let existing = match self.labels(model) {
            Ok(existing) => existing,
            Err(StoreError::Missing { .. }) => {
                let mut file = io_at(
                    &folder,
                    tempfile::NamedTempFile::with_prefix_in(INCOMING, &folder),
                )?;
                io_at(&path, file.write_all(labels.to_text().as_bytes()))?;
                io_at(
                    &path,
                    file.as_file()
                        .set_permissions(Permissions::from_mode(0o644)),
                )?;
                io_at(&path, file.as_file().sync_all())?;
                match file.persist_noclobber(&path) {
                    Ok(_) => return sync(&folder),
                    // Another process was faster: its labels count.
                    Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                        self.labels(model)?
                    }
                    Err(error) => return Err(io_failure(&path, error.error)),
                }
            }
            Err(error) => return Err(error),
        };
        let differing = existing.iter().zip(labels.iter()).position(|(a, b)| a != b);
        let (expected, found) = match differing {
            Some(class) => (
                format!("`{}` is class {class}", existing[class]),
                format!("`{}`", labels[class]),
            ),
            None if existing.len() == labels.len() => return Ok(()),
            None => (
                format!("{} labels", existing.len()),
                labels.len().to_string(),
            ),
        };
        Err(StoreError::OtherLabels {
            path,
            expected,
            found,
        })
    }
}

/// A version's directory that is about to be removed.
#[derive(Debug)]
pub struct Removal {
    path: PathBuf,
    beside: TempDir,
}

impl Removal {
    /// Removes the directory. It is gone once it has been renamed; files that then can't be deleted are left for
    /// [`Repository::sweep`] and reported in the log.
    ///
    /// # Errors
    /// It is still there.
    pub fn finish(self) -> Result<(), StoreError> {
        let Self { path, beside } = self;
        io_at(&path, fs::rename(&path, beside.path().join("version")))?;
        let removed = beside.path().to_owned();
        let synchronised = path.parent().map_or(Ok(()), sync);
        if let Err(error) = synchronised.and(io_at(&removed, beside.close())) {
            tracing::warn!(%error, path = %removed.display(), "the version is removed, but its files are not deleted yet");
        }
        Ok(())
    }
}

/// The manifest with what follows from the files, checked as a reader would.
fn finished(new: &NewVersion, path: &Path) -> Result<Manifest, StoreError> {
    let mut manifest = new.manifest.clone();
    let path = path.join(MANIFEST);
    manifest.file.sha256 = read::sha256(&new.model_bytes);
    manifest.file.size_bytes = new.model_bytes.len() as u64;
    manifest.golden = new
        .golden
        .iter()
        .map(|golden| entry(golden, &path))
        .collect::<Result<_, _>>()?;
    validate::manifest(&manifest, &path)?;
    validate::labels(&manifest, &new.labels, &path)?;
    for (index, golden) in new.golden.iter().enumerate() {
        let wrong = |found: String, expected: &str| StoreError::Value {
            path: path.clone(),
            key: format!("golden[{index}]"),
            found,
            expected: expected.into(),
        };
        if new.golden[..index]
            .iter()
            .any(|other| other.name == golden.name)
        {
            return Err(wrong(
                format!("`{}` again", golden.name),
                "samples have names of their own",
            ));
        }
        golden
            .matches(&golden.outputs)
            .map_err(|error| wrong(error.to_string(), "outputs are finite numbers"))?;
        if golden.outputs.len() != new.labels.len() {
            let found = format!("a list of {} outputs", golden.outputs.len());
            return Err(wrong(found, &format!("{} belong here", new.labels.len())));
        }
    }
    Ok(manifest)
}

fn entry(golden: &Golden, path: &Path) -> Result<manifest::Golden, StoreError> {
    let wrong = |found: &str, expected: &str| StoreError::Value {
        path: path.into(),
        key: "golden".into(),
        found: found.escape_default().to_string(),
        expected: expected.into(),
    };
    if !is_safe_path(&golden.name) || golden.name.contains('/') {
        return Err(wrong(
            &golden.name,
            "a sample's name is made of A-Z, a-z, 0-9, `.`, `_` and `-`",
        ));
    }
    let extension = match golden.image.as_ref() {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [0xff, 0xd8, 0xff, ..] => "jpg",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => "webp",
        _ => {
            return Err(wrong(
                &golden.name,
                "a sample is a PNG, JPEG or WebP picture",
            ));
        }
    };
    Ok(manifest::Golden {
        image: format!("golden/{}.{extension}", golden.name),
        outputs: format!("golden/{}.json", golden.name),
        tolerance: golden.tolerance,
    })
}

fn json(outputs: &[f32]) -> String {
    let numbers: Vec<String> = outputs.iter().map(|value| format!("{value:?}")).collect();
    format!("[{}]\n", numbers.join(", "))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    io_at(path, written)
}

/// Gives a version's complete, durable folder its name: a reader sees all of it or nothing.
pub(super) fn publish(folder: &Path, path: &Path) -> Result<(), StoreError> {
    // A temporary directory is its maker's alone; a version is read by the server's user.
    io_at(
        folder,
        fs::set_permissions(folder, Permissions::from_mode(0o755)),
    )?;
    sync(folder)?;
    match fs::rename(folder, path) {
        Ok(()) => {
            // It is visible, and an error would say that it isn't.
            if let Some(Err(error)) = path.parent().map(sync) {
                tracing::warn!(%error, path = %path.display(), "the version is there, but a loss of power may undo that");
            }
            Ok(())
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(StoreError::Exists { path: path.into() })
        }
        Err(error) => Err(io_failure(path, error)),
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync(folder: &Path) -> Result<(), StoreError> {
    io_at(
        folder,
        File::open(folder).and_then(|folder| folder.sync_all()),
    )
}

pub(super) fn io_at<T>(path: &Path, result: io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|source| io_failure(path, source))
}

fn io_failure(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        path: path.into(),
        source,
    }
}
