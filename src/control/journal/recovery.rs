//! What state and log say together after whatever happened to them.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader},
    path::Path,
};

use super::{
    Fault, JournalError,
    audit::{self, Audit},
    chain::{Link, Tip, Walk},
    disk::at,
    snapshot,
};
use crate::{rollout::Assignment, store::ModelName};

/// What one pass over the log has shown.
pub(super) struct Reading {
    /// Where its readable lines end.
    pub(super) tip: Tip,
    pub(super) lines: u64,
    /// Up to the last line break.
    pub(super) length_bytes: u64,
    /// Behind it.
    pub(super) cut_bytes: u64,
    /// The first line that is wrong; a cut one apart.
    pub(super) fault: Option<(u64, Fault)>,
    /// Whether the line was there from which the state was made. Without a state it stands before the first line.
    pub(super) anchored: bool,
    /// Where the changes up to that line lead.
    pub(super) before: BTreeMap<ModelName, Assignment>,
    /// Where those behind it lead, as far as the chain holds from there.
    pub(super) since: BTreeMap<ModelName, Assignment>,
    /// Whether it doesn't hold to the end.
    pub(super) since_broken: bool,
}

/// Reads the whole log; None where there is none.
pub(super) fn read(folder: &Path, anchor: Option<&Link>) -> Result<Option<Reading>, JournalError> {
    let path = audit::path(folder);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => at(&path, file)?,
    };
    at(&path, walk(Walk::new(BufReader::new(file)), anchor)).map(Some)
}

fn walk(mut walk: Walk<BufReader<File>>, anchor: Option<&Link>) -> io::Result<Reading> {
    let mut reading = Reading {
        tip: Tip::origin(),
        lines: 0,
        length_bytes: 0,
        cut_bytes: 0,
        fault: None,
        anchored: anchor.is_none(),
        before: BTreeMap::new(),
        since: BTreeMap::new(),
        since_broken: false,
    };
    while let Some(visited) = walk.step()? {
        if let Some(Fault::Cut { bytes }) = visited.fault {
            reading.cut_bytes = bytes;
            break;
        }
        if let Some(fault) = visited.fault {
            reading.since_broken |= reading.anchored;
            reading.fault.get_or_insert((visited.number, fault));
        }
        let Some(link) = visited.link else { continue };
        let changes = match reading.anchored {
            false => &mut reading.before,
            true => &mut reading.since,
        };
        if !reading.since_broken {
            changes.extend(link.change.clone());
        }
        reading.anchored |= anchor == Some(&link);
    }
    reading.tip = walk.tip;
    reading.lines = walk.lines;
    reading.length_bytes = walk.length_bytes;
    Ok(reading)
}

/// What the journal goes on with.
pub(super) struct Found {
    pub(super) assignments: BTreeMap<ModelName, Assignment>,
    pub(super) audit: Audit,
    pub(super) lost: Option<Link>,
    pub(super) notes: Vec<String>,
}

/// Reads both files; changes neither.
pub(super) fn recover(folder: &Path) -> Result<Found, JournalError> {
    let state = snapshot::read(folder)?;
    let reading = read(folder, state.as_ref().map(|state| &state.last))?;
    let path = audit::path(folder);
    let path = path.display();
    let mut notes = vec![];
    let mut found = Found {
        assignments: BTreeMap::new(),
        audit: Audit {
            folder: folder.into(),
            tip: Tip::origin(),
            length_bytes: 0,
            torn: false,
        },
        lost: None,
        notes: vec![],
    };
    let mut log_seq = 0;
    let mut replayed = BTreeMap::new();
    let mut anchored = false;
    if let Some(reading) = reading {
        if reading.cut_bytes > 0 {
            notes.push(format!(
                "{path}: {} bytes of a half-written line {} are cut off",
                reading.cut_bytes,
                reading.lines + 1
            ));
        }
        if let Some((line, fault)) = &reading.fault {
            notes.push(format!(
                "{path}, line {line}: {fault}; the log was changed by somebody else"
            ));
        }
        if reading.since_broken && state.is_none() {
            notes.push(format!("{path} can't replace the missing state.json, since its chain is broken: the configuration says who answers"));
        } else if reading.anchored && !reading.since.is_empty() {
            replayed = reading.since;
        }
        log_seq = reading.tip.seq;
        anchored = reading.anchored;
        found.audit.tip = reading.tip;
        found.audit.length_bytes = reading.length_bytes;
        found.audit.torn = reading.cut_bytes > 0;
    }
    match state {
        None if replayed.is_empty() => {}
        None => notes.push(format!("state.json was missing: rebuilt from {path}")),
        Some(state) => {
            found.assignments = state.models;
            for (model, assignment) in &replayed {
                notes.push(format!(
                    "{model}: generation {} was taken from {path}: an earlier process ended before state.json followed",
                    assignment.generation
                ));
            }
            if state.last.tip.seq > log_seq {
                notes.push(format!(
                    "{path} ends with line {log_seq}, but state.json was made by line {}: lines are lost; the log goes on behind that one",
                    state.last.tip.seq
                ));
                found.lost = Some(state.last);
            } else if !anchored {
                notes.push(format!(
                    "{path} doesn't have the line {} that state.json was made by: it is another log or was changed; state.json counts",
                    state.last.tip.seq
                ));
            }
        }
    }
    found.assignments.extend(replayed);
    found.notes = notes;
    Ok(found)
}
