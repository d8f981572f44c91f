//! Where a version goes: `<repository>/<model>/<version>`.

use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};
use stillhouse_store::{ModelName, NewVersion, Repository, VersionFiles, VersionName};

/// A version's address, whether it is there or not.
#[derive(Clone, Debug)]
pub struct Place {
    root: PathBuf,
    model: ModelName,
    version: VersionName,
}

impl Place {
    /// Takes a path apart, whose last two parts are names of a model and a version.
    ///
    /// # Errors
    /// A path too short, or parts that are no names.
    pub fn of(folder: &Path) -> Result<Self> {
        let parts = || {
            let version = folder.file_name()?.to_str()?;
            let model = folder.parent()?;
            Some((model.parent()?, model.file_name()?.to_str()?, version))
        };
        let (root, model, version) = parts().with_context(|| {
            format!(
                "{} is no place for a version: write REPOSITORY/MODEL/VERSION, e.g. models/fashion/s1",
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

    /// Reads the version that is there.
    ///
    /// # Errors
    /// As [`Repository::read`].
    pub fn read(&self) -> Result<VersionFiles> {
        Ok(Repository::open(&self.root)?.read(&self.model, &self.version)?)
    }

    /// Whether a version may be written: nothing is there, or a version that may be replaced.
    ///
    /// # Errors
    /// Something there that isn't replaced.
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
            "{} is no version, so it isn't replaced",
            folder.display()
        );
        Ok(())
    }

    /// Writes a version as the server does: complete and durable, or not at all. One that is to be replaced is set aside
    /// first and put back if the new one can't be written.
    ///
    /// # Errors
    /// As [`Place::check`] and [`Repository::write_version`].
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

/// Moves a version to a name beside it that is no version's; it goes when what is returned is dropped.
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
            let found = Place::of(Path::new(path)).map(|place| place.folder());
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
