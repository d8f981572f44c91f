//! The server's own state: `audit.jsonl` and `state.json`, as any process that can write to the folder may have left
//! them.

use std::fs;

use stillhouse_control::journal::{Journal, verify};

/// Separates the two files in one input.
const SEPARATOR: u8 = 0;

/// Recovers from `audit.jsonl`, a zero byte, `state.json`; the second file may be missing. A repaired log must be
/// readable.
pub(crate) fn recover(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let mut files = data.splitn(2, |byte| *byte == SEPARATOR);
    for name in ["audit.jsonl", "state.json"] {
        if let Some(bytes) = files.next() {
            fs::write(folder.join(name), bytes).expect("written");
        }
    }
    let verified = verify(folder).is_ok();
    let Ok((journal, recovered)) = Journal::open(folder) else {
        return;
    };
    drop(journal);
    let (_, again) = Journal::open(folder).expect("was repaired");
    assert_eq!(again.assignments, recovered.assignments);
    assert!(verify(folder).is_ok() || !verified, "opening broke the log");
}
