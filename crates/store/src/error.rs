//! Everything that can be wrong with a model repository.

use std::{io, path::PathBuf};

use stillhouse_excerpt::Excerpt;
use stillhouse_image::TransformError;
use stillhouse_strict_toml::StrictError;

use super::NameError;

/// Why a repository, a model or a version was refused; each mismatch names both values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A name that no file could have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The operating system's refusal.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Nothing is there.
    #[error("{path} is missing", path = .path.display())]
    Missing {
        /// The file or directory.
        path: PathBuf,
    },
    /// Something else than an ordinary file or directory.
    #[error("{path} is a {found}: only {expected} is read, never what it points to", path = .path.display())]
    Kind {
        /// The file or directory.
        path: PathBuf,
        /// `symbolic link`, `FIFO` ...
        found: &'static str,
        /// `an ordinary file` or `an ordinary directory`.
        expected: &'static str,
    },
    /// A file that can be changed under another name.
    #[error("{path} has {links} hard links: only a file with one name is read; copy it instead", path = .path.display())]
    HardLinks {
        /// The file.
        path: PathBuf,
        /// How many.
        links: u64,
    },
    /// A file over its limit.
    #[error("{path} has {size_bytes} bytes: at most {limit_bytes} are read", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// A text file that is no UTF-8, or outputs that are no numbers.
    #[error("{path}: {detail}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        detail: String,
    },
    /// A manifest that can't be read.
    #[error(transparent)]
    Manifest(#[from] StrictError),
    /// A manifest that contradicts itself, the labels or what can be served.
    #[error("{path}: `{key}` is {found}: {expected}", path = .path.display())]
    Value {
        /// The manifest.
        path: PathBuf,
        /// Dotted.
        key: String,
        /// The value found there.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A manifest whose transform can't be applied.
    #[error("{path}: `transform`: {source}", path = .path.display())]
    Transform {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        source: TransformError,
    },
    /// The network's file is not the one that the manifest was written for.
    #[error("{path} has {found} bytes, its manifest says {expected}: the file was cut or replaced", path = .path.display())]
    Size {
        /// The network's file.
        path: PathBuf,
        /// By the manifest.
        expected: u64,
        /// On disk.
        found: u64,
    },
    /// The network's file is not the one that the manifest was written for.
    #[error("{path} has sha256 {found}, its manifest says {expected}: the file was damaged or replaced", path = .path.display())]
    Sha256 {
        /// The network's file.
        path: PathBuf,
        /// By the manifest.
        expected: String,
        /// On disk.
        found: String,
    },
    /// Versions are immutable.
    #[error("{path} exists already: a version never changes, choose another name", path = .path.display())]
    Exists {
        /// The version's directory.
        path: PathBuf,
    },
    /// A version with other labels than its model.
    #[error("{path} says {expected}, the new version says {found}: one model has one list of labels", path = .path.display())]
    OtherLabels {
        /// The model's `labels.txt`.
        path: PathBuf,
        /// Of the model: count or first differing label.
        expected: String,
        /// Of the new version.
        found: String,
    },
    /// An archive that is no version.
    #[error("the archive is refused: {detail}")]
    Archive {
        /// What is wrong and what would be right.
        detail: Excerpt,
    },
    /// An archive over its limit, packed or unpacked.
    #[error(
        "the archive, or what is in it, has more than {limit_bytes} bytes (loading.max_upload_bytes)"
    )]
    ArchiveTooLarge {
        /// The limit of both.
        limit_bytes: u64,
    },
}
