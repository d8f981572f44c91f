//! A model repository with one model and no version, in its own folder.

use std::{cell::OnceCell, fs, path::PathBuf};

use stillhouse_store::{ModelName, Repository, VersionName};
use tempfile::TempDir;

/// The repository and the names that all targets use.
pub(crate) struct Sandbox {
    pub(crate) folder: TempDir,
    pub(crate) repository: Repository,
    pub(crate) model: ModelName,
    pub(crate) version: VersionName,
}

impl Sandbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let model: ModelName = "toy".parse().expect("a name");
        let models = folder.path().join("models");
        fs::create_dir_all(models.join(model.as_str())).expect("a folder");
        fs::write(
            models.join(model.as_str()).join("labels.txt"),
            "dark\nmiddle\nbright\n",
        )
        .expect("written");
        Self {
            repository: Repository::open(models).expect("a repository"),
            folder,
            model,
            version: "v1".parse().expect("a name"),
        }
    }

    /// The folder of the model's versions.
    pub(crate) fn model_folder(&self) -> PathBuf {
        self.repository.root().join(self.model.as_str())
    }
}

/// Runs `work` in this thread's sandbox, which is created once: `work` must leave it as it was.
pub(crate) fn with<T>(work: impl FnOnce(&Sandbox) -> T) -> T {
    thread_local! {
        static SANDBOX: OnceCell<Sandbox> = const { OnceCell::new() };
    }
    SANDBOX.with(|sandbox| work(sandbox.get_or_init(Sandbox::new)))
}
