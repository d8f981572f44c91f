//! The path of a version: `<repository>/<model>/<version>`.

use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};
use stillhouse_store::{ModelName, NewVersion, Repository, VersionFiles, VersionName};

/// A version's path, whether it exists or not.
#[derive(Clone, Debug)]
pub struct VersionPath {
    root: PathBuf,
    model: ModelName,
    version: VersionName,
}

impl VersionPath {
    /// Parses a path whose last two parts are the names of a model and a version.
    ///
    /// # Errors
    /// A path that is too short, or invalid names.
    pub fn of(folder: &Path) -> Result<Self> {
        let parts = || {
            let version = folder.file_name()?.to_str()?;
            let model = folder.parent()?;
            Some((model.parent()?, model.file_name()?.to_str()?, version))
        };
        let (root, model, version) = parts().with_context(|| {
            format!(
                "{} is no path of a version: write REPOSITORY/MODEL/VERSION, e.g. models/fashion/s1",
                folder.display()
            )
        })?;
        let here = root.as_os_str().is_empty();
        let named = || format!("in {}", folder.display());
        Ok(Self {
            root: if here { ".".into() } else { root.into() },
            model: model.parse().with_context(named)?,
            version: version.parse().with_context(named)?,
        })
    }

    /// The version's directory.
    pub fn folder(&self) -> PathBuf {
        self.root
            .join(self.model.as_str())
            .join(self.version.as_str())
    }

    /// Reads the existing version.
    ///
    /// # Errors
    /// As [`Repository::read`].
    pub fn read(&self) -> Result<VersionFiles> {
        Ok(Repository::open(&self.root)?.read(&self.model, &self.version)?)
    }

    /// Checks whether a version may be written: the path is free, or has a version that may be replaced.
    ///
    /// # Errors
    /// Something at the path that may not be replaced.
    pub fn check(&self, force: bool) -> Result<()> {
        let folder = self.folder();
        let there = folder.symlink_metadata().is_ok();
        ensure!(
            force || !there,
            "{} exists: replace it with --force",
            folder.display()
        );
        ensure!(
            !there || folder.join("manifest.toml").exists(),
            "{} is not a version, so it is not replaced",
            folder.display()
        );
        Ok(())
    }

    /// Writes a version as the server does: complete and durable, or not at all. A version to be replaced is renamed first,
    /// and renamed back if the new one can't be written.
    ///
    /// # Errors
    /// As [`VersionPath::check`] and [`Repository::write_version`].
    pub fn write(&self, new: &NewVersion, force: bool) -> Result<VersionFiles> {
        self.check(force)?;
        let folder = self.folder();
        let writing = || format!("writing {}", folder.display());
        let repository = Repository::create(&self.root).with_context(writing)?;
        let aside = match folder.exists() {
            true => Some(set_aside(&folder).with_context(writing)?),
            false => None,
        };
        let written = repository.write_version(&self.model, &self.version, new);
        if let (Err(_), Some(aside)) = (&written, &aside) {
            fs::rename(aside.path(), &folder)
                .with_context(|| format!("putting {} back", folder.display()))?;
        }
        written.with_context(writing)
    }
}

/// Renames a version to a temporary folder next to it, which is deleted when the result is dropped.
fn set_aside(folder: &Path) -> Result<tempfile::TempDir> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    let aside = tempfile::Builder::new()
        .prefix(".replaced-")
        .tempdir_in(parent)?;
    fs::rename(folder, aside.path())?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_parts_are_names() {
        let check = |path: &str, expected: Result<&str, &str>| {
            let found = VersionPath::of(Path::new(path)).map(|version_path| version_path.folder());
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, Path::new(expected)),
                (Err(error), Err(part)) => {
                    let error = format!("{error:#}");
                    assert!(error.contains(part), "{path}: {error}");
                }
                (found, expected) => panic!("{path}: {found:?}, {expected:?}"),
            }
        };
        check("models/fashion/s1", Ok("models/fashion/s1"));
        check("/a/b/fashion/s1/", Ok("/a/b/fashion/s1"));
        check("fashion/s1", Ok("./fashion/s1"));
        check("s1", Err("REPOSITORY/MODEL/VERSION"));
        check("models/fashion/..", Err("REPOSITORY/MODEL/VERSION"));
        check("models/Fashion/s1", Err("`Fashion` is no model name"));
        check("models/fashion/s 1", Err("is no version name"));
    }
}
