//! The end of `audit.jsonl`, where lines are added.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    JournalError,
    chain::{Link, Tip},
    disk::{at, step},
};
use crate::files;

const AUDIT: &str = "audit.jsonl";

/// Where the log lies.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(AUDIT)
}

/// Opens the file anew for every line: a file that was moved away under a running server is noticed with the next line.
#[derive(Debug)]
pub(super) struct Audit {
    pub(super) folder: PathBuf,
    pub(super) tip: Tip,
    /// Of the lines that stand.
    pub(super) length_bytes: u64,
    /// There may be bytes behind them that don't count.
    pub(super) torn: bool,
}

impl Audit {
    /// Adds a line, durably. If that fails, what was written of it is cut off again, now or before the next one.
    pub(super) fn append(&mut self, link: &Link) -> Result<(), JournalError> {
        let line = format!("{}\n", link.text);
        if let Err(source) = self.write(line.as_bytes()) {
            let path = path(&self.folder);
            // Of two errors, the first is the more useful one.
            return Err(match self.cut() {
                Ok(()) => JournalError::Io { path, source },
                Err(_) => JournalError::Unsettled { path, source },
            });
        }
        self.torn = false;
        self.length_bytes += line.len() as u64;
        self.tip = link.tip.clone();
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        step("journal::append")?;
        let mut options = OpenOptions::new();
        let mut file = files::open(&path(&self.folder), options.append(true).create(true))?;
        self.torn = true;
        file.write_all(line)?;
        step("journal::append_sync")?;
        file.sync_all()?;
        if self.length_bytes == 0 {
            files::sync(&self.folder)?;
        }
        step("journal::appended")
    }

    /// A number that was given is not given again: the gap shows that lines are gone.
    pub(super) fn go_on_behind(&mut self, known: Tip) {
        if known.seq > self.tip.seq {
            self.tip = known;
        }
    }

    /// Cuts off what doesn't count.
    pub(super) fn cut(&mut self) -> Result<(), JournalError> {
        if !self.torn {
            return Ok(());
        }
        let path = path(&self.folder);
        let cut = || {
            step("journal::cut")?;
            let file = files::open(&path, OpenOptions::new().write(true))?;
            // Shortened only: a file that another program has cut must not grow by zeros.
            if file.metadata()?.len() > self.length_bytes {
                file.set_len(self.length_bytes)?;
            }
            file.sync_all()
        };
        at(&path, cut())?;
        self.torn = false;
        Ok(())
    }

    /// What the file has, in bytes; nothing is there before the first line.
    pub(super) fn size_bytes(&self) -> Result<u64, JournalError> {
        let path = path(&self.folder);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            found => at(&path, found.map(|file| file.len())),
        }
    }
}
