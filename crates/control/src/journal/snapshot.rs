//! `state.json`: who answers, and the change that made it so.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    JournalError,
    chain::Link,
    disk::{at, step, sync},
};
use stillhouse_core::rollout::Assignment;
use stillhouse_store::ModelName;

pub(super) const STATE: &str = "state.json";
/// One name for all: what a crash leaves here is overwritten by the next change.
const STAGED: &str = "state.json.tmp";
const FORMAT: u64 = 1;

/// The file as it was read.
pub(super) struct Snapshot {
    pub(super) models: BTreeMap<ModelName, Assignment>,
    pub(super) last: Link,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u64,
    models: &'a BTreeMap<ModelName, Assignment>,
    last: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found<'a> {
    #[serde(rename = "format")]
    _format: u64,
    models: BTreeMap<ModelName, Assignment>,
    #[serde(borrow)]
    last: &'a RawValue,
}

/// Read first: of a later format nothing else can be expected.
#[derive(Deserialize)]
struct Format {
    format: u64,
}

/// None where there is no file.
pub(super) fn read(folder: &Path) -> Result<Option<Snapshot>, JournalError> {
    let path = folder.join(STATE);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => at(&path, read)?,
    };
    let corrupt = |detail: String| JournalError::Corrupt {
        path: path.clone(),
        detail,
    };
    let Format { format } =
        serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    if format > FORMAT {
        return Err(JournalError::Newer {
            path,
            found: format,
            known: FORMAT,
        });
    }
    if format < FORMAT {
        return Err(corrupt(format!("its format is {format}, not {FORMAT}")));
    }
    let Found { models, last, .. } =
        serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    let last = Link::read(last.get()).map_err(|fault| corrupt(format!("`last`: {fault}")))?;
    Ok(Some(Snapshot { models, last }))
}

/// Writes the next state beside the present one.
pub(super) fn stage(
    folder: &Path,
    models: &BTreeMap<ModelName, Assignment>,
    last: &Link,
) -> Result<(), JournalError> {
    let path = folder.join(STAGED);
    let write = || {
        step("journal::stage")?;
        let last: &RawValue = serde_json::from_str(&last.text)?;
        let written = Written {
            format: FORMAT,
            models,
            last,
        };
        let text = serde_json::to_vec_pretty(&written)?;
        let mut file = File::create(&path)?;
        file.write_all(&text)?;
        step("journal::stage_sync")?;
        file.sync_all()?;
        step("journal::staged")
    };
    let written = write();
    if written.is_err() {
        unstage(folder);
    }
    at(&path, written)
}

/// Takes back what was staged: on a full disk its blocks may be what the next attempt lacks.
pub(super) fn unstage(folder: &Path) {
    let _ = fs::remove_file(folder.join(STAGED));
}

/// Puts what was staged in the present one's place, durably.
pub(super) fn commit(folder: &Path) -> Result<(), JournalError> {
    let path = folder.join(STATE);
    let renamed = || {
        step("journal::rename")?;
        fs::rename(folder.join(STAGED), &path)?;
        step("journal::rename_sync")?;
        sync(folder)?;
        step("journal::renamed")
    };
    at(&path, renamed())
}
