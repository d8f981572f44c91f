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
    chain::{Link, Tip},
    disk::at,
    snapshot,
    walk::Walk,
};
use stillhouse_core::rollout::Assignment;
use stillhouse_store::ModelName;

/// The result of one pass over the log.
pub(super) struct RecoveredLog {
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

impl RecoveredLog {
    /// Of a log without lines.
    fn before(anchor: Option<&Link>) -> Self {
        Self {
            tip: Tip::origin(),
            lines: 0,
            length_bytes: 0,
            cut_bytes: 0,
            fault: None,
            anchored: anchor.is_none(),
            before: BTreeMap::new(),
            since: BTreeMap::new(),
            since_broken: false,
        }
    }

    /// What is wrong with the log itself.
    fn damage(&self, path: &Path) -> Vec<String> {
        let path = path.display();
        let cut = (self.cut_bytes > 0).then(|| {
            format!(
                "{path}: {} bytes of a half-written line {} are cut off",
                self.cut_bytes,
                self.lines + 1
            )
        });
        let fault = self.fault.as_ref().map(|(line, fault)| {
            format!("{path}, line {line}: {fault}; the log was changed by somebody else")
        });
        cut.into_iter().chain(fault).collect()
    }
}

/// Reads the whole log; None where there is none.
pub(super) fn read(
    folder: &Path,
    anchor: Option<&Link>,
) -> Result<Option<RecoveredLog>, JournalError> {
    let path = audit::path(folder);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => at(&path, file)?,
    };
    at(&path, walk(Walk::new(BufReader::new(file)), anchor)).map(Some)
}

fn walk(mut walk: Walk<BufReader<File>>, anchor: Option<&Link>) -> io::Result<RecoveredLog> {
    let mut reading = RecoveredLog::before(anchor);
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
    let anchor = state.as_ref().map(|state| &state.last);
    let reading = read(folder, anchor)?.unwrap_or_else(|| RecoveredLog::before(anchor));
    let path = audit::path(folder);
    let mut notes = reading.damage(&path);
    let path = path.display();
    let mut assignments = BTreeMap::new();
    let mut replayed = reading.since;
    let mut lost = None;
    match state {
        None if reading.since_broken => {
            notes.push(format!(
                "{path} can't replace the missing state.json, since its chain is broken: the configuration says who answers"
            ));
            replayed.clear();
        }
        None if replayed.is_empty() => {}
        None => notes.push(format!("state.json was missing: rebuilt from {path}")),
        Some(state) => {
            assignments = state.models;
            notes.extend(replayed.iter().map(|(model, assignment)| {
                let generation = assignment.generation;
                format!("{model}: generation {generation} was taken from {path}: an earlier process ended before state.json followed")
            }));
            let (made_by, end) = (state.last.tip.seq, reading.tip.seq);
            if !reading.anchored && made_by > end {
                notes.push(format!(
                    "{path} ends with line {end}, but state.json was made by line {made_by}: lines are lost; the log goes on behind that one"
                ));
                lost = Some(state.last);
            } else if !reading.anchored {
                notes.push(format!(
                    "{path} doesn't have the line {made_by} that state.json was made by: it is another log or was changed; state.json counts"
                ));
            }
        }
    }
    assignments.extend(replayed);
    Ok(Found {
        assignments,
        audit: Audit {
            folder: folder.into(),
            tip: reading.tip,
            length_bytes: reading.length_bytes,
            torn: reading.cut_bytes > 0,
        },
        lost,
        notes,
    })
}
