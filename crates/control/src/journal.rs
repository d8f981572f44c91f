//! What was decided outlives the process that decided it: who answers, and a hash-chained log of who changed that and why.
//!
//! One folder, two files. `audit.jsonl` is the truth: a change stands once its line is synchronised. `state.json` says where
//! the lines have led and repeats the last change's line, so that a log which was cut or exchanged is noticed.
//!
//! The way of a change: the next state is written beside the old one, where a full disk shows before anything has
//! happened; the line is appended and synchronised (now it stands); the state is renamed into place. The line comes before
//! the rename because it can be cut off again on a disk that takes no more bytes; a renamed state can't be taken back
//! there, and a change that was refused would come true at the next start. After a crash between line and rename, the
//! next start replays the line.

mod audit;
mod chain;
mod disk;
mod entry;
mod error;
mod history;
mod recovery;
mod snapshot;
mod verify;
mod walk;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub use entry::{Entry, Line};
pub use error::{Fault, JournalError};
pub use history::{History, history};
pub use verify::{Verified, verify};

use audit::Audit;
use chain::Link;
use recovery::Found;
use stillhouse_core::rollout::Assignment;
use stillhouse_store::ModelName;

/// Who answered last, for every model that was ever changed; reads only, beside a running server too.
///
/// # Errors
/// `state.json` can't be trusted.
pub fn remembered(folder: &Path) -> Result<BTreeMap<ModelName, Assignment>, JournalError> {
    Ok(recovery::recover(folder)?.assignments)
}

/// The folder's only writer.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    /// None until there is a folder that can be written to.
    lock: Option<disk::Lock>,
    assignments: BTreeMap<ModelName, Assignment>,
    audit: Audit,
    /// A line that the log has lost and `state.json` still has.
    lost: Option<Link>,
}

/// What an earlier process left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Who answered last, for every model that was ever changed.
    pub assignments: BTreeMap<ModelName, Assignment>,
    /// What was repaired and what is wrong, for the log.
    pub notes: Vec<String>,
}

impl Journal {
    /// Reads what is there, checks the whole chain and repairs what a crash left. A folder that isn't there yet is made
    /// by the first record; one that can't be written to is read all the same.
    ///
    /// # Errors
    /// Another process has the folder, or `state.json` can't be trusted.
    pub fn open(folder: &Path) -> Result<(Self, Recovered), JournalError> {
        let (lock, unwritable) = match disk::lock(folder) {
            Ok(lock) => (Some(lock), None),
            Err(locked @ JournalError::Locked { .. }) => return Err(locked),
            Err(error) => (None, folder.exists().then_some(error)),
        };
        let Found {
            assignments,
            audit,
            lost,
            mut notes,
        } = recovery::recover(folder)?;
        let mut journal = Self {
            folder: folder.into(),
            lock,
            assignments,
            audit,
            lost,
        };
        let repaired = match unwritable {
            Some(error) => Err(error),
            None if journal.lock.is_some() => journal.repair(),
            None => Ok(()),
        };
        if let Err(error) = repaired {
            notes.push(format!(
                "{error}: every change will be refused until the folder can be written to"
            ));
        }
        let recovered = Recovered {
            assignments: journal.assignments.clone(),
            notes,
        };
        Ok((journal, recovered))
    }

    /// Who answers for a model by the last change; none if it was never changed.
    pub fn assignment(&self, model: &ModelName) -> Option<&Assignment> {
        self.assignments.get(model)
    }

    /// Writes an entry: as a change, where it has a `to`, else as a mere line. It is on disk when this returns.
    ///
    /// # Errors
    /// Then nothing has changed, neither here nor on disk, and the next record may succeed.
    pub fn record(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if let (None, Some(_)) = (&entry.model, &entry.to) {
            let action = entry.action.clone();
            return Err(JournalError::Unnamed { action });
        }
        self.settle()?;
        let link = Link::after(&self.audit.tip, entry)?;
        let Some((model, to)) = link.change.clone() else {
            return self.audit.append(&link);
        };
        let mut next = self.assignments.clone();
        next.insert(model, to);
        snapshot::stage(&self.folder, &next, &link)?;
        if let Err(error) = self.audit.append(&link) {
            snapshot::unstage(&self.folder);
            return Err(error);
        }
        self.assignments = next;
        if let Err(error) = snapshot::commit(&self.folder) {
            tracing::warn!(%error, "the change stands in audit.jsonl, but state.json is the old one still; the next change or start mends it");
        }
        Ok(())
    }

    /// Makes the folder ready for a line: locked, and the log as this process knows it.
    fn settle(&mut self) -> Result<(), JournalError> {
        if self.lock.is_none() {
            disk::make(&self.folder)?;
            self.lock = Some(disk::lock(&self.folder)?);
            // Nobody held the folder since `open` looked.
            if let Err(error) = self.look_again() {
                self.lock = None;
                return Err(error);
            }
        }
        self.audit.cut()?;
        if self.audit.size_bytes()? != self.audit.length_bytes {
            self.look_again()?;
        }
        self.repair()
    }

    fn repair(&mut self) -> Result<(), JournalError> {
        self.audit.cut()?;
        if let Some(lost) = &self.lost {
            let known = self.audit.tip.clone();
            self.audit.append(lost)?;
            self.audit.go_on_behind(known);
            self.lost = None;
        }
        Ok(())
    }

    /// Somebody else had a hand in the folder: takes the log as it is now, but not other assignments than those served.
    fn look_again(&mut self) -> Result<(), JournalError> {
        let found = recovery::recover(&self.folder)?;
        if found.assignments != self.assignments {
            return Err(JournalError::Elsewhere {
                folder: self.folder.clone(),
            });
        }
        let known = std::mem::replace(&mut self.audit, found.audit);
        self.lost = found.lost;
        if self.audit.length_bytes != known.length_bytes {
            tracing::warn!(folder = %self.folder.display(), notes = ?found.notes, "audit.jsonl was changed by somebody else; run `stillhouse audit verify`");
        }
        self.audit.go_on_behind(known.tip);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
