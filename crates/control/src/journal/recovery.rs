//! What state and log say together after whatever happened to them.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufReader},
    path::Path,
};

use super::{
    Fault, JournalError, Seal,
    audit::{self, Audit},
    chain::{Link, Tip},
    disk::at,
    snapshot::{self, Snapshot},
    walk::Walk,
};
use crate::files;
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
    /// The first line with a key.
    pub(super) keyed_from: Option<u64>,
    /// Whether the line was there from which the state was made. Without a state it stands before the first line.
    pub(super) anchored: bool,
    /// Where the changes up to that line lead.
    pub(super) before: BTreeMap<ModelName, Assignment>,
    /// Whether the chain doesn't hold up to that line.
    pub(super) before_broken: bool,
    /// Where those behind it lead, as far as the chain holds from there.
    pub(super) since: BTreeMap<ModelName, Assignment>,
    /// Whether it doesn't hold to the end.
    pub(super) since_broken: bool,
    /// The last of those changes.
    pub(super) last_since: Option<Link>,
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
            keyed_from: None,
            anchored: anchor.is_none(),
            before: BTreeMap::new(),
            before_broken: false,
            since: BTreeMap::new(),
            since_broken: false,
            last_since: None,
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
    seal: &Seal,
) -> Result<Option<RecoveredLog>, JournalError> {
    let path = audit::path(folder);
    let file = match files::open(&path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => at(&path, file)?,
    };
    at(&path, walk(Walk::new(BufReader::new(file), seal), anchor)).map(Some)
}

fn walk(mut walk: Walk<'_, BufReader<File>>, anchor: Option<&Link>) -> io::Result<RecoveredLog> {
    let mut reading = RecoveredLog::before(anchor);
    while let Some(visited) = walk.step()? {
        if let Some(Fault::Cut { bytes }) = visited.fault {
            reading.cut_bytes = bytes;
            break;
        }
        if let Some(fault) = visited.fault {
            reading.since_broken |= reading.anchored;
            reading.before_broken |= !reading.anchored;
            reading.fault.get_or_insert((visited.number, fault));
        }
        let Some(link) = visited.link else { continue };
        if link.tip.keyed {
            reading.keyed_from.get_or_insert(visited.number);
        }
        let changes = match reading.anchored {
            false => &mut reading.before,
            true => &mut reading.since,
        };
        if !reading.since_broken {
            changes.extend(link.change.clone());
            if reading.anchored && link.change.is_some() {
                reading.last_since = Some(link.clone());
            }
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
    /// The change that the state is to be written anew for: it isn't what the log says.
    pub(super) rewrite: Option<Link>,
    pub(super) notes: Vec<String>,
    /// What looks as if somebody else had a hand in it.
    pub(super) doubts: Vec<String>,
}

/// Reads both files; changes neither.
pub(super) fn recover(folder: &Path, seal: &Seal) -> Result<Found, JournalError> {
    let state = snapshot::read(folder, seal)?;
    let anchor = state.as_ref().map(|state| &state.last);
    let reading = read(folder, anchor, seal)?.unwrap_or_else(|| RecoveredLog::before(anchor));
    let path = audit::path(folder);
    expect_key(folder, &reading, state.as_ref(), seal)?;
    let mut found = Found {
        assignments: BTreeMap::new(),
        audit: Audit {
            folder: folder.into(),
            tip: reading.tip.clone(),
            length_bytes: reading.length_bytes,
            torn: reading.cut_bytes > 0,
        },
        lost: None,
        rewrite: None,
        notes: reading.damage(&path),
        doubts: vec![],
    };
    match state {
        None => without_state(&mut found, reading, &path),
        Some(state) => compared(&mut found, state, reading, &path, seal)?,
    }
    Ok(found)
}

/// A log with a key is worth nothing to a server without it: neither can it be checked, nor may lines without a key follow.
fn expect_key(
    folder: &Path,
    reading: &RecoveredLog,
    state: Option<&Snapshot>,
    seal: &Seal,
) -> Result<(), JournalError> {
    let last_keyed = state.filter(|state| state.last.tip.keyed);
    let line = reading
        .keyed_from
        .or(last_keyed.map(|state| state.last.tip.seq));
    match line {
        Some(line) if !seal.is_keyed() => Err(JournalError::KeyMissing {
            path: audit::path(folder),
            line,
        }),
        _ => Ok(()),
    }
}

fn without_state(found: &mut Found, reading: RecoveredLog, path: &Path) {
    let path = path.display();
    if reading.since_broken {
        found.notes.push(format!(
            "{path} can't replace the missing state.json, since its chain is broken: the configuration says who answers"
        ));
    } else if !reading.since.is_empty() {
        let note = format!("state.json was missing: rebuilt from {path}");
        found.notes.push(note);
        found.assignments = reading.since;
    }
}

fn compared(
    found: &mut Found,
    state: Snapshot,
    reading: RecoveredLog,
    path: &Path,
    seal: &Seal,
) -> Result<(), JournalError> {
    let folder = found.audit.folder.clone();
    let path = path.display();
    let is_whole = reading.anchored && !reading.before_broken;
    // Where a log has a key, a state without one is nobody's word.
    if seal.is_keyed()
        && !state.sealed
        && !is_whole
        && (reading.keyed_from.is_some() || state.last.tip.keyed)
    {
        return Err(JournalError::Untrusted { folder });
    }
    found.assignments = state.models;
    if is_whole && let Some(difference) = difference(&found.assignments, &reading.before) {
        let Difference {
            model,
            stated,
            logged,
        } = difference;
        found.doubts.push(format!(
            "state.json was edited: it gives {model} {stated}, but the last change in {path} gave it {logged}, which counts"
        ));
        found.assignments = reading.before;
        found.rewrite = Some(state.last.clone());
    }
    let (made_by, end) = (state.last.tip.seq, reading.tip.seq);
    if !reading.anchored && made_by > end {
        found.notes.push(format!(
            "{path} ends with line {end}, but state.json was made by line {made_by}: lines are lost; the log goes on behind that one"
        ));
        found.lost = Some(state.last);
    } else if !reading.anchored {
        found.doubts.push(format!(
            "{path} doesn't have the line {made_by} that state.json was made by: it is another log or was changed; state.json counts"
        ));
    }
    if let Some(last) = reading.last_since {
        found.notes.extend(reading.since.iter().map(|(model, assignment)| {
            let generation = assignment.generation;
            format!("{model}: generation {generation} was taken from {path}: an earlier process ended before state.json followed")
        }));
        // The next state is staged before its line is written: a crash between the two files leaves it behind.
        if !last.tip.keyed && snapshot::staged(&folder).is_none_or(|staged| staged != last) {
            found.doubts.push(format!(
                "line {} of {path} has taken effect by this start, and nothing else in the folder is as a crash would leave it: if nobody remembers that change, the line is forged",
                last.tip.seq
            ));
        }
        found.rewrite = Some(last);
        found.assignments.extend(reading.since);
    }
    Ok(())
}

/// The first model that two states don't agree on.
pub(super) struct Difference {
    pub(super) model: ModelName,
    /// As JSON.
    pub(super) stated: String,
    /// As JSON.
    pub(super) logged: String,
}

pub(super) fn difference(
    stated: &BTreeMap<ModelName, Assignment>,
    logged: &BTreeMap<ModelName, Assignment>,
) -> Option<Difference> {
    let mut models = stated.keys().chain(logged.keys());
    let model = models.find(|model| stated.get(*model) != logged.get(*model))?;
    let json = |assignment| serde_json::to_string(&assignment).unwrap_or_default();
    Some(Difference {
        model: model.clone(),
        stated: json(stated.get(model)),
        logged: json(logged.get(model)),
    })
}
