//! `stillhouse audit verify`: every line's hash, every number, and whether the state is where they lead.

use std::path::Path;

use serde::Serialize;

use super::{Fault, JournalError, audit, recovery, snapshot};

/// A chain that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many.
    pub lines: u64,
    /// The last line's hash. Kept elsewhere, it proves later that no line up to here was changed.
    pub head: String,
}

/// Checks a folder's log and state; reads only.
///
/// # Errors
/// The first line that is wrong, and why; or a state that the log didn't lead to.
pub fn verify(folder: &Path) -> Result<Verified, JournalError> {
    let path = audit::path(folder);
    // The state first: a line that a running server adds in between doesn't make it look ahead of its log.
    let state = snapshot::read(folder)?;
    let reading = recovery::read(folder, state.as_ref().map(|state| &state.last))?;
    let Some(reading) = reading else {
        return Err(JournalError::NoLog { path });
    };
    let cut = (reading.cut_bytes > 0).then(|| {
        let bytes = reading.cut_bytes;
        (reading.lines + 1, Fault::Cut { bytes })
    });
    if let Some((line, fault)) = reading.fault.or(cut) {
        return Err(JournalError::BadLine { path, line, fault });
    }
    if let Some(state) = state {
        if !reading.anchored {
            let seq = state.last.tip.seq;
            let hash = state.last.tip.hash;
            return Err(JournalError::BadLine {
                path,
                line: seq,
                fault: Fault::Missing { seq, hash },
            });
        }
        let models = state.models.keys().chain(reading.before.keys());
        for model in models {
            let (stated, logged) = (state.models.get(model), reading.before.get(model));
            if stated != logged {
                let json = |assignment| serde_json::to_string(&assignment).unwrap_or_default();
                return Err(JournalError::Differs {
                    path: folder.join(snapshot::STATE),
                    model: model.clone(),
                    stated: json(stated),
                    logged: json(logged),
                });
            }
        }
    }
    Ok(Verified {
        lines: reading.lines,
        head: reading.tip.hash,
    })
}
