//! Uploaded archives.

use std::{ffi::OsString, fs, path::Path};

use crate::repository::with;

/// Size limits, packed and unpacked.
const LIMIT_BYTES: u64 = 1 << 20;

/// Receives the archive. Only the new version may remain afterwards, and only if it was accepted.
pub(crate) fn unpack(data: &[u8]) {
    with(|sandbox| {
        let received = sandbox
            .repository
            .receive(&sandbox.model, &sandbox.version, LIMIT_BYTES);
        let mut incoming = received.expect("there is no such version");
        let accepted = incoming
            .write(data)
            .and_then(|()| incoming.finish())
            .is_ok();
        let version = sandbox.model_folder().join(sandbox.version.as_str());
        assert_eq!(version.exists(), accepted);
        if accepted {
            fs::remove_dir_all(&version).expect("removed");
        }
        assert_eq!(names(&sandbox.model_folder()), ["labels.txt"]);
        assert_eq!(names(sandbox.repository.root()), ["toy"]);
        assert_eq!(names(sandbox.folder.path()), ["models"]);
    });
}

/// The content of a folder, hidden files included.
fn names(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").file_name())
        .collect()
}
