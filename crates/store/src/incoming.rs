//! Versions that come as an archive: taken in beside the versions, unpacked, read as every version is read, and only
//! then given their name.

mod archive;
mod refusal;
mod tarball;
mod unpacking;
mod zipped;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::{
    MANIFEST, ModelName, Repository, StoreError, VersionFiles, VersionName,
    folder::Folder,
    manifest::Manifest,
    write::{INCOMING, REMOVED, io_at, publish},
};
use stillhouse_excerpt::Excerpt;
use unpacking::Unpacking;

/// What a crashed process left is removed at this age; younger things may be another's work.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// A version on its way in. Dropped before its end, it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    repository: Repository,
    model: ModelName,
    version: VersionName,
    beside: TempDir,
    archive: File,
    taken_bytes: u64,
    limit_bytes: u64,
}

impl Repository {
    /// Makes ready to take a version in: a tar, tar.gz or zip archive of its files, at the top or all below one folder,
    /// of at most `limit_bytes`, packed and unpacked.
    ///
    /// # Errors
    /// There is no such model, there is such a version already, or the disk's own refusal.
    pub fn receive(
        &self,
        model: &ModelName,
        version: &VersionName,
        limit_bytes: u64,
    ) -> Result<Incoming, StoreError> {
        let folder = self.model_folder(model)?;
        let path = folder.path().join(version.as_str());
        if path.symlink_metadata().is_ok() {
            return Err(StoreError::Exists { path });
        }
        let beside = tempfile::Builder::new()
            .prefix(INCOMING)
            .tempdir_in(folder.path());
        let beside = io_at(folder.path(), beside)?;
        let archive = beside.path().join("archive");
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        Ok(Incoming {
            repository: self.clone(),
            model: model.clone(),
            version: version.clone(),
            archive: io_at(&archive, options.open(&archive))?,
            beside,
            taken_bytes: 0,
            limit_bytes,
        })
    }

    /// Removes what crashed processes left half made or half removed; returns how many there were.
    ///
    /// # Errors
    /// The disk's.
    pub fn sweep(&self) -> Result<usize, StoreError> {
        let mut removed = 0;
        for model in self.models()? {
            let folder = self.root().join(model.as_str());
            for entry in io_at(&folder, fs::read_dir(&folder))? {
                let entry = io_at(&folder, entry)?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let hidden = name.starts_with(INCOMING) || name.starts_with(REMOVED);
                if hidden && is_leftover(&entry.path()) {
                    remove(&entry.path())?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

impl Incoming {
    /// Takes the next bytes of the archive.
    ///
    /// # Errors
    /// More than the limit, or the disk's own refusal.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.taken_bytes += bytes.len() as u64;
        if self.taken_bytes > self.limit_bytes {
            return Err(StoreError::ArchiveTooLarge {
                limit_bytes: self.limit_bytes,
            });
        }
        io_at(self.beside.path(), self.archive.write_all(bytes))
    }

    /// [`Incoming::unpack`] and [`Unpacked::publish`] in one step.
    ///
    /// # Errors
    /// Those of both.
    pub fn finish(self) -> Result<VersionFiles, StoreError> {
        self.unpack()?.publish()
    }

    /// Unpacks the archive beside the versions and reads the version as [`Repository::read`] would; it isn't visible yet.
    ///
    /// # Errors
    /// No archive, a damaged one, one that reaches out of its folder or is larger than it looks; whatever
    /// [`Repository::read`] refuses; files that the manifest doesn't name.
    pub fn unpack(mut self) -> Result<Unpacked, StoreError> {
        let unpacked = self.beside.path().join("unpacked");
        io_at(&unpacked, fs::create_dir(&unpacked))?;
        let mut unpacking = Unpacking::new(&unpacked, self.limit_bytes);
        archive::unpack(&mut self.archive, &mut unpacking)?;
        let names = unpacking.finish()?;

        let model_folder = self.repository.model_folder(&self.model)?;
        let path = model_folder.path().join(self.version.as_str());
        // Errors name the place that the version was meant for, not the temporary one.
        let folder = Folder::open(&unpacked.join(&names.below))?.called(&path);
        let files =
            self.repository
                .read_folder(&self.model, &self.version, &model_folder, &folder)?;
        refuse_strangers(&names.files, &files.manifest)?;
        Ok(Unpacked {
            folder: unpacked.join(&names.below),
            files,
            _beside: self.beside,
        })
    }
}

/// A version that has been received and checked, and isn't visible yet. Dropped without being published, it leaves nothing
/// behind.
#[derive(Debug)]
pub struct Unpacked {
    folder: PathBuf,
    files: VersionFiles,
    _beside: TempDir,
}

impl Unpacked {
    /// What was received; its `path` is where it will be.
    pub fn files(&self) -> &VersionFiles {
        &self.files
    }

    /// That its place is still free.
    ///
    /// # Errors
    /// [`StoreError::Exists`]: a version of this name came meanwhile.
    pub fn check_free(&self) -> Result<(), StoreError> {
        let path = &self.files.path;
        match path.symlink_metadata() {
            Ok(_) => Err(StoreError::Exists { path: path.clone() }),
            Err(_) => Ok(()),
        }
    }

    /// Gives the version its place, complete and durable, or not at all.
    ///
    /// # Errors
    /// A version of this name came meanwhile, or the disk's own refusal.
    pub fn publish(self) -> Result<VersionFiles, StoreError> {
        publish(&self.folder, &self.files.path)?;
        Ok(self.files)
    }
}

/// Files without a hash in the manifest aren't kept.
fn refuse_strangers(files: &BTreeSet<String>, manifest: &Manifest) -> Result<(), StoreError> {
    let samples = manifest.golden.iter();
    let known: BTreeSet<&str> = samples
        .flat_map(|sample| [sample.image.as_str(), &sample.outputs])
        .chain([MANIFEST, &manifest.file.name])
        .collect();
    match files.iter().find(|file| !known.contains(file.as_str())) {
        None => Ok(()),
        Some(stranger) => Err(StoreError::Archive {
            detail: Excerpt::of(format_args!(
                "it holds `{stranger}`, which its {MANIFEST} doesn't name: pack the version's own files only"
            )),
        }),
    }
}

/// Whether neither the entry nor anything in it was modified lately; `false` where that can't be read.
fn is_leftover(path: &Path) -> bool {
    let inside = fs::read_dir(path).into_iter().flatten().flatten();
    let mut paths = inside.map(|entry| entry.path()).chain([path.to_path_buf()]);
    let now = SystemTime::now();
    paths.all(|path| {
        let touched = path.symlink_metadata().and_then(|meta| meta.modified());
        touched.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > LEFTOVER_AGE))
    })
}

fn remove(path: &Path) -> Result<(), StoreError> {
    let is_folder = io_at(path, path.symlink_metadata())?.is_dir();
    let removed = match is_folder {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    io_at(path, removed)
}

#[cfg(test)]
mod tests;
