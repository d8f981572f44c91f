//! What was decided outlives the process that decided it: who answers, and a hash-chained log of who changed that and why.
//!
//! One folder, two files. `audit.jsonl` is the truth: a change stands once its line is synchronised. `state.json` says where
//! the lines have led and repeats the last change's line, so that a log which was cut or exchanged is noticed.
//!
//! The way of a change: the next state is written beside the old one, where a full disk shows before anything has
//! happened; the line is appended and synchronised (now it stands); the state is renamed into place. The line comes before
//! the rename because it can be cut off again on a disk that takes no more bytes; a renamed state can't be taken back
//! there, and a change that was refused would come true at the next start. After a crash between line and rename, the
//! next start replays the line, and the state that was written beside shows that it was a crash.
//!
//! A start compares both files: where the chain holds, it says who answers, and a state that says otherwise is reported.
//! What somebody with write access can still forge depends on [`Seal`].

mod audit;
mod chain;
mod disk;
mod entry;
mod error;
mod history;
mod recovery;
mod reserve;
mod seal;
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
pub use seal::{AuditKey, Seal};
pub use verify::{Verified, verify, verify_with};

use audit::Audit;
use chain::Link;
use jiff::Timestamp;
use recovery::Found;

use crate::{files, settings::ControlSettings};
use stillhouse_core::rollout::Assignment;
use stillhouse_store::ModelName;

/// Who answered last, for every model that was ever changed; reads only, beside a running server too.
///
/// # Errors
/// `state.json` can't be trusted, or the key can't be read.
pub fn remembered(
    settings: &ControlSettings,
) -> Result<BTreeMap<ModelName, Assignment>, JournalError> {
    let seal = Seal::of(settings.key_file())?;
    Ok(recovery::recover(&settings.state_path, &seal)?.assignments)
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
    /// The change that `state.json` is to be written anew for.
    rewrite: Option<Link>,
    seal: Seal,
}

/// The journal of a start that isn't decided yet: locked and read, the whole chain checked, and nothing on disk touched. So a start
/// that fails before it loads anything leaves the folder as it found it, and the log is read once.
#[derive(Debug)]
pub struct OpenJournal {
    journal: Journal,
    /// Why the folder can't be written to.
    unwritable: Option<JournalError>,
    notes: Vec<String>,
    doubts: Vec<String>,
}

impl OpenJournal {
    /// Locks the folder and reads what is there.
    ///
    /// # Errors
    /// Those of [`Journal::open_with`].
    pub fn read(folder: &Path, seal: Seal) -> Result<Self, JournalError> {
        let (lock, unwritable) = match disk::lock(folder) {
            Ok(lock) => (Some(lock), None),
            Err(locked @ JournalError::Locked { .. }) => return Err(locked),
            Err(error) => (None, folder.exists().then_some(error)),
        };
        let Found {
            assignments,
            audit,
            lost,
            rewrite,
            notes,
            doubts,
        } = recovery::recover(folder, &seal)?;
        Ok(Self {
            journal: Journal {
                folder: folder.into(),
                lock,
                assignments,
                audit,
                lost,
                rewrite,
                seal,
            },
            unwritable,
            notes,
            doubts,
        })
    }

    /// Who answered last, for every model that was ever changed.
    pub fn assignments(&self) -> &BTreeMap<ModelName, Assignment> {
        &self.journal.assignments
    }

    /// Repairs what a crash left, and writes down what looks like somebody else's work.
    pub(crate) fn into_ready(self) -> (Journal, Recovered) {
        let Self {
            mut journal,
            unwritable,
            mut notes,
            doubts,
        } = self;
        let made_ready = match unwritable {
            Some(error) => Err(error),
            None if journal.lock.is_some() => journal.make_ready(&doubts, &mut notes),
            None => Ok(()),
        };
        if let Err(error) = made_ready {
            notes.push(format!(
                "{error}: every change will be refused until the folder can be written to"
            ));
        }
        let recovered = Recovered {
            assignments: journal.assignments.clone(),
            notes,
            doubts,
        };
        (journal, recovered)
    }
}

/// What an earlier process left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Who answered last, for every model that was ever changed.
    pub assignments: BTreeMap<ModelName, Assignment>,
    /// What was repaired and what is wrong, for the log.
    pub notes: Vec<String>,
    /// What looks as if somebody else had changed the files; it is written down, too.
    pub doubts: Vec<String>,
}

impl Journal {
    /// Reads what is there, checks the whole chain and repairs what a crash left. A folder that isn't there yet is made
    /// by the first record; one that can't be written to is read all the same.
    ///
    /// # Errors
    /// Another process has the folder, or `state.json` can't be trusted.
    pub fn open(folder: &Path) -> Result<(Self, Recovered), JournalError> {
        Self::open_with(folder, Seal::Hash)
    }

    /// The same, for a log that is sealed like this from now on.
    ///
    /// # Errors
    /// As above; or the files are sealed otherwise.
    pub fn open_with(folder: &Path, seal: Seal) -> Result<(Self, Recovered), JournalError> {
        Ok(OpenJournal::read(folder, seal)?.into_ready())
    }

    /// After a start: what is wider than it should be is narrowed, what a crash left is repaired, and what looks like
    /// somebody else's work is written down.
    fn make_ready(
        &mut self,
        doubts: &[String],
        notes: &mut Vec<String>,
    ) -> Result<(), JournalError> {
        for path in [audit::path(&self.folder), self.folder.join(snapshot::STATE)] {
            let shown = path.display();
            notes.extend(match files::narrow(&path) {
                Ok(None) => None,
                Ok(Some(mode)) => Some(format!(
                    "{shown} had the permissions {mode:o}: others may not read or change it any more"
                )),
                Err(error) => Some(format!(
                    "{shown}: {error}: its permissions could not be narrowed"
                )),
            });
        }
        self.repair()?;
        if !doubts.is_empty() {
            self.record(&own_entry("recovery_doubt", doubts.join("; ")))?;
        }
        if self.seal.is_keyed() && !self.audit.tip.keyed && self.audit.tip.seq > 0 {
            let reason = "from this line on, the log has a key".to_owned();
            self.record(&own_entry("key_set", reason))?;
            self.rewrite = snapshot::read(&self.folder, &self.seal)?.map(|state| state.last);
            self.repair()?;
        }
        if let Err(error) = reserve::fill(&self.folder) {
            let path = reserve::path(&self.folder);
            notes.push(format!(
                "{}: {error}: no space is kept for a rollback on a full disk",
                path.display()
            ));
        }
        Ok(())
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
        let entry = entry.bounded();
        loop {
            match self.try_record(&entry) {
                Ok(()) => {
                    // A reserve that can't be filled now is filled after one of the next lines.
                    let _ = reserve::fill(&self.folder);
                    return Ok(());
                }
                Err(error) if error.is_full() => {
                    let path = reserve::path(&self.folder);
                    if !(entry.is_emergency() && disk::at(&path, reserve::release(&self.folder))?) {
                        return Err(error.explained(&self.folder));
                    }
                    tracing::warn!(action = entry.action, path = %path.display(), "the disk is full: this change is written to the space that was kept for it");
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn try_record(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if let (None, Some(_)) = (&entry.model, &entry.to) {
            let action = entry.action.clone();
            return Err(JournalError::Unnamed { action });
        }
        self.settle()?;
        let link = Link::after(&self.audit.tip, entry, &self.seal)?;
        let Some((model, to)) = link.change.clone() else {
            return self.audit.append(&link);
        };
        let mut next = self.assignments.clone();
        next.insert(model, to);
        snapshot::stage(&self.folder, &next, &link, &self.seal)?;
        if let Err(error) = self.audit.append(&link) {
            // Left where the line may stand: then it explains the line.
            if !self.audit.torn {
                snapshot::unstage(&self.folder);
            }
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
        if let Some(last) = &self.rewrite {
            snapshot::stage(&self.folder, &self.assignments, last, &self.seal)?;
            snapshot::commit(&self.folder)?;
            self.rewrite = None;
        }
        Ok(())
    }

    /// Somebody else had a hand in the folder: takes the log as it is now, but not other assignments than those served.
    fn look_again(&mut self) -> Result<(), JournalError> {
        let found = recovery::recover(&self.folder, &self.seal)?;
        if found.assignments != self.assignments {
            return Err(JournalError::Elsewhere {
                folder: self.folder.clone(),
            });
        }
        let known = std::mem::replace(&mut self.audit, found.audit);
        self.lost = found.lost;
        self.rewrite = found.rewrite;
        if self.audit.length_bytes != known.length_bytes {
            tracing::warn!(folder = %self.folder.display(), notes = ?found.notes, doubts = ?found.doubts, "audit.jsonl was changed by somebody else; run `stillhouse audit verify`");
        }
        self.audit.go_on_behind(known.tip);
        Ok(())
    }
}

/// The server's own remark.
fn own_entry(action: &str, reason: String) -> Entry {
    Entry {
        time: Timestamp::now(),
        actor: "stillhouse".into(),
        action: action.into(),
        model: None,
        reason,
        request_id: String::new(),
        from: None,
        to: None,
        detail: None,
    }
}

#[cfg(test)]
mod tests;
