//! Why an order was not carried out.

use crate::{journal::JournalError, load::LoadError};
use stillhouse_core::{
    registry::UnknownModel,
    rollout::{Assignment, ChangeRefused, NotSeated},
};
use stillhouse_store::{StoreError, VersionName};

/// Each says what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No model of this name.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    /// No version of this name.
    #[error("{model} has no version {version} on disk; it has {there}")]
    UnknownVersion {
        /// The model.
        model: String,
        /// As asked for.
        version: VersionName,
        /// What there is.
        there: String,
    },
    /// The next start would serve another network under this name.
    #[error(
        "the files of {version} were replaced since it was loaded: put them back, or give the new ones a name of their own"
    )]
    FilesReplaced {
        /// The version.
        version: VersionName,
    },
    /// Somebody else was faster.
    #[error("the deployment is of generation {}, not {expected}: look at it and decide anew", current.generation)]
    Stale {
        /// What the order was made for.
        expected: u64,
        /// What is there now.
        current: Box<Assignment>,
    },
    /// The change makes no sense on this deployment.
    #[error(transparent)]
    Refused(#[from] ChangeRefused),
    /// It was unloaded between the order and its execution.
    #[error("{0} is not loaded; load it first")]
    NotLoaded(VersionName),
    /// It doesn't belong to the versions that are there.
    #[error("{0}")]
    KindsDiffer(NotSeated),
    /// The version can't be trusted.
    #[error("{version} was not loaded: {source}")]
    Load {
        /// Which.
        version: VersionName,
        /// Why.
        source: LoadError,
    },
    /// The change could not be written down, and hence was not made.
    #[error("nothing was changed, as the change could not be written down: {0}")]
    Journal(#[from] JournalError),
    /// The repository's refusal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was written down, and then the repository refused it.
    #[error("{action} was written down but not done: {source}")]
    NotDone {
        /// As it stands in the audit log.
        action: String,
        /// The repository's refusal.
        source: StoreError,
    },
    /// A version that answers can't be removed.
    #[error("{version} is in use as {role}")]
    InUse {
        /// The version.
        version: VersionName,
        /// `previous` is in use as well.
        role: &'static str,
    },
    /// A single file is served.
    #[error("this server serves one file that stands in no repository; import it to have versions")]
    NoRepository,
    /// A bug of ours.
    #[error("a task of the control plane panicked")]
    Panicked,
}

impl From<NotSeated> for ControlError {
    fn from(why: NotSeated) -> Self {
        match why {
            NotSeated::NotLoaded(version) => Self::NotLoaded(version),
            NotSeated::KindsDiffer { .. } => Self::KindsDiffer(why),
        }
    }
}
