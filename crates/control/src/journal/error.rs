//! Everything that can be wrong with the journal.

use std::{io, path::PathBuf};

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
