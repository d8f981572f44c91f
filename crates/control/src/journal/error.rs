//! Everything that can be wrong with the journal.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::reserve;
use crate::files;
use stillhouse_store::ModelName;

/// Why nothing was recorded, or what was found can't be trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The operating system's refusal.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// What was written of a line can't be taken back.
    #[error("{path}: {source}; what was written of the line can't be taken back now: if the server ends before it can, the next start may find the change made", path = .path.display())]
    Unsettled {
        /// `audit.jsonl`
        path: PathBuf,
        /// Why the line couldn't be written.
        source: io::Error,
    },
    /// There is no room left.
    #[error("{path}: {source}. Free space on the file system of {folder}, which has {free_bytes} bytes left{advice}", path = .path.display(), folder = .folder.display())]
    Full {
        /// The file that couldn't be written.
        path: PathBuf,
        /// The reason.
        source: io::Error,
        /// The folder of the journal.
        folder: PathBuf,
        /// What the server may still use.
        free_bytes: u64,
        /// What works all the same, or what may be deleted.
        advice: String,
    },
    /// A key that is none.
    #[error("{path}: {detail} (control.audit_key_file, --key-file)", path = .path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A log with a key, and none was given.
    #[error("{path} has a key from line {line} on: name its file (control.audit_key_file, or `stillhouse audit verify --key-file`), or move the folder away to begin anew", path = .path.display())]
    KeyMissing {
        /// `audit.jsonl`
        path: PathBuf,
        /// Counts from 1.
        line: u64,
    },
    /// Another key, or files made without it.
    #[error("neither state.json nor audit.jsonl in {folder} is as a server with this key leaves it: restore both, configure the key they were written with (control.audit_key_file), or move the folder away to begin anew", folder = .folder.display())]
    Untrusted {
        /// The folder of both.
        folder: PathBuf,
    },
    /// One folder has one server.
    #[error("{folder} is in use by another process: stop it, or give this one a folder of its own (control.state_path)", folder = .folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process wrote while this one had no lock.
    #[error("{folder} was changed by another process since this one read it: restart to take over what it says now", folder = .folder.display())]
    Elsewhere {
        /// The folder.
        folder: PathBuf,
    },
    /// Written by a later release.
    #[error("{path} has format {found}, this release reads {known}: start the release that wrote it, or move the folder away to begin anew", path = .path.display())]
    Newer {
        /// `state.json`
        path: PathBuf,
        /// What stands there.
        found: u64,
        /// The only one that is read.
        known: u64,
    },
    /// Not what was written.
    #[error("{path} is damaged: {detail}; restore it, or remove it to have it rebuilt from audit.jsonl, or move the whole folder away to begin anew", path = .path.display())]
    Corrupt {
        /// `state.json`
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A change of nothing.
    #[error("`{action}` has an assignment but no model to give it to: name the model")]
    Unnamed {
        /// The entry's action.
        action: String,
    },
    /// Nobody writes as much on purpose.
    #[error("the entry makes a line of {found_bytes} bytes: at most {limit_bytes} are written")]
    TooLong {
        /// Of the line.
        found_bytes: usize,
        /// The most.
        limit_bytes: usize,
    },
    /// There is nothing to verify.
    #[error("{path} is missing: nothing was recorded yet, or the server's folder is another (control.state_path)", path = .path.display())]
    NoLog {
        /// `audit.jsonl`
        path: PathBuf,
    },
    /// The chain is broken.
    #[error("{path}, line {line}: {fault}", path = .path.display())]
    BadLine {
        /// `audit.jsonl`
        path: PathBuf,
        /// Counts from 1; the first that is wrong.
        line: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// Made without the key that the log has.
    #[error("{path} isn't sealed with the log's key: it was edited, or written without the key", path = .path.display())]
    Unsealed {
        /// `state.json`
        path: PathBuf,
    },
    /// The chain holds, but the state isn't where it leads.
    #[error("{path} says that {model} has {stated}, the last change in audit.jsonl gave it {logged}", path = .path.display())]
    Differs {
        /// `state.json`
        path: PathBuf,
        /// The first model that differs.
        model: ModelName,
        /// In `state.json`, as JSON.
        stated: String,
        /// In the log, as JSON.
        logged: String,
    },
}

impl JournalError {
    /// Whether there is no room left on the disk.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Unsettled { source, .. } => files::is_full(source),
            _ => false,
        }
    }

    /// Says where room is missing, and what works all the same.
    pub(super) fn explained(self, folder: &Path) -> Self {
        let Self::Io { path, source } = self else {
            return self;
        };
        let room = rustix::fs::statvfs(folder);
        let kept = reserve::kept_bytes(folder);
        Self::Full {
            path,
            source,
            folder: folder.into(),
            free_bytes: room.map_or(0, |room| room.f_bavail.saturating_mul(room.f_frsize)),
            advice: match kept {
                0 => String::new(),
                kept => format!(
                    "; `stillhouse rollback` and `stillhouse canary abort` work all the same, in the {kept} bytes of {}",
                    reserve::path(folder).display()
                ),
            },
        }
    }
}

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not as this program writes.
    #[error("it is no line of an audit log: {0}")]
    Form(String),
    /// Its bytes, or those of the line before, are others than those written.
    #[error("it states the hash {stated}, but its bytes after the line before give {computed}")]
    Hash {
        /// In the line.
        stated: String,
        /// What would be right.
        computed: String,
    },
    /// Nobody can tell without the key.
    #[error("it has a key, and none was given")]
    NeedsKey,
    /// Made without the key that the lines before it have.
    #[error("it has no key, but the line before it has")]
    Unkeyed,
    /// Lines were taken out or put in.
    #[error("its sequence number is {found}, but {expected} would follow")]
    Sequence {
        /// In the line.
        found: u64,
        /// What would be right.
        expected: u64,
    },
    /// A torn write, or a cut file.
    #[error("it is cut short: {bytes} bytes and no line break")]
    Cut {
        /// How much there is of it.
        bytes: u64,
    },
    /// The log ends before the change that the state was made of.
    #[error(
        "it is missing or another: state.json was made by the line with sequence number {seq} and hash {hash}"
    )]
    Missing {
        /// Of the line in `state.json`.
        seq: u64,
        /// Of the line in `state.json`.
        hash: String,
    },
}
