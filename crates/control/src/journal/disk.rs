//! The folder: made, locked, synchronised; and the places where tests make it fail.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

use super::JournalError;
use crate::files;

/// The lock is advisory and ends with the process that holds it, however that ends.
const LOCK: &str = "lock";

/// A place where a test makes the disk fail (`return(5)`: with that errno) or the process die (`return(abort)`).
#[allow(unused_variables, reason = "without failpoints there is nothing here")]
pub(super) fn step(name: &str) -> io::Result<()> {
    fail::fail_point!(name, |argument: Option<String>| {
        match argument.as_deref() {
            Some("abort") => std::process::abort(),
            errno => Err(io::Error::from_raw_os_error(
                errno
                    .and_then(|errno| errno.parse().ok())
                    .expect("`abort` or an errno"),
            )),
        }
    });
    Ok(())
}

/// Names a path in an error.
pub(super) fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, JournalError> {
    result.map_err(|source| JournalError::Io {
        path: path.into(),
        source,
    })
}

/// Makes the folder, durably.
pub(super) fn make(folder: &Path) -> Result<(), JournalError> {
    at(folder, fs::create_dir_all(folder))?;
    // The parent of `state` is "", which can't be opened.
    let parent = folder.join("..");
    at(&parent, files::sync(&parent))
}

/// This process's claim on the folder.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would leave it to a child that was forked but hasn't become another program yet.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Takes the folder for this process.
pub(super) fn lock(folder: &Path) -> Result<Lock, JournalError> {
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    let file = files::open(&path, options.create(true).write(true).truncate(false));
    let file = at(&path, file)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::Locked {
            folder: folder.into(),
        }),
        Err(error) => at(&path, Err(error.into())),
    }
}
