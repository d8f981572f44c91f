//! `stillhouse audit verify`: every line's hash, every number, and whether the state is where they lead.

use std::path::Path;

use serde::Serialize;

use super::{Fault, JournalError, Seal, audit, recovery, snapshot};

/// A chain that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many.
    pub lines: u64,
    /// The first line that it takes a key to make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyed_from: Option<u64>,
    /// The last line's hash. Kept elsewhere, it proves later that no line up to here was changed.
    pub head: String,
}

/// Checks a folder's log and state; reads only.
///
/// # Errors
/// The first line that is wrong, and why; or a state that the log didn't lead to.
pub fn verify(folder: &Path) -> Result<Verified, JournalError> {
    verify_with(folder, &Seal::Hash)
}

/// The same, with a key where the log has one.
///
/// # Errors
/// As above; or the log has a key, and it isn't this one.
pub fn verify_with(folder: &Path, seal: &Seal) -> Result<Verified, JournalError> {
    let path = audit::path(folder);
    // The state first: a line that a running server adds in between doesn't make it look ahead of its log.
    let state = snapshot::read(folder, seal)?;
    let reading = recovery::read(folder, state.as_ref().map(|state| &state.last), seal)?;
    let Some(reading) = reading else {
        return Err(JournalError::NoLog { path });
    };
    let cut = (reading.cut_bytes > 0).then(|| {
        let bytes = reading.cut_bytes;
        (reading.lines + 1, Fault::Cut { bytes })
    });
    if let (Some(line), false) = (reading.keyed_from, seal.is_keyed()) {
        return Err(JournalError::KeyMissing { path, line });
    }
    if let Some((line, fault)) = reading.fault.or(cut) {
        return Err(JournalError::BadLine { path, line, fault });
    }
    if let Some(state) = state {
        if reading.keyed_from.is_some() && !state.sealed {
            return Err(JournalError::Unsealed {
                path: folder.join(snapshot::STATE),
            });
        }
        if !reading.anchored {
            let seq = state.last.tip.seq;
            let hash = state.last.tip.hash;
            return Err(JournalError::BadLine {
                path,
                line: seq,
                fault: Fault::Missing { seq, hash },
            });
        }
        if let Some(difference) = recovery::difference(&state.models, &reading.before) {
            return Err(JournalError::Differs {
                path: folder.join(snapshot::STATE),
                model: difference.model,
                stated: difference.stated,
                logged: difference.logged,
            });
        }
    }
    Ok(Verified {
        lines: reading.lines,
        keyed_from: reading.keyed_from,
        head: reading.tip.hash,
    })
}
