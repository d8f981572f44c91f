//! `state.json`: who answers, and the change that made it so.

use std::{collections::BTreeMap, fs, io::Write, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    JournalError, Seal,
    chain::Link,
    disk::{at, step},
};
use crate::files;
use stillhouse_core::rollout::Assignment;
use stillhouse_store::ModelName;

pub(super) const STATE: &str = "state.json";
/// One name for all: what a crash leaves here is overwritten by the next change.
const STAGED: &str = "state.json.tmp";
const FORMAT: u64 = 1;

/// More than a server with ten thousand models writes.
const LIMIT_BYTES: u64 = 64 << 20;

/// The file as it was read.
pub(super) struct Snapshot {
    pub(super) models: BTreeMap<ModelName, Assignment>,
    pub(super) last: Link,
    /// Whether it was written with the key that was given.
    pub(super) sealed: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u64,
    models: &'a BTreeMap<ModelName, Assignment>,
    last: &'a RawValue,
    /// With a key only.
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found<'a> {
    #[serde(rename = "format")]
    _format: u64,
    models: BTreeMap<ModelName, Assignment>,
    #[serde(borrow)]
    last: &'a RawValue,
    #[serde(default)]
    mac: Option<String>,
}

/// Read first: of a later format nothing else can be expected.
#[derive(Deserialize)]
struct Format {
    format: u64,
}

/// None where there is no file.
pub(super) fn read(folder: &Path, seal: &Seal) -> Result<Option<Snapshot>, JournalError> {
    read_file(folder, STATE, seal)
}

/// The change that a state beside the present one was written for, as a crash leaves it.
pub(super) fn staged(folder: &Path) -> Option<Link> {
    let staged = read_file(folder, STAGED, &Seal::Hash).ok()??;
    Some(staged.last)
}

fn read_file(folder: &Path, name: &str, seal: &Seal) -> Result<Option<Snapshot>, JournalError> {
    let path = folder.join(name);
    let Some(bytes) = at(&path, files::read(&path, LIMIT_BYTES))? else {
        return Ok(None);
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
    let Found {
        models, last, mac, ..
    } = serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    let last = Link::read(last.get()).map_err(|fault| corrupt(format!("`last`: {fault}")))?;
    let sealed = mac.is_some() && mac == own_mac(&models, &last, seal);
    Ok(Some(Snapshot {
        models,
        last,
        sealed,
    }))
}

/// Over everything that the state says; none without a key.
fn own_mac(models: &BTreeMap<ModelName, Assignment>, last: &Link, seal: &Seal) -> Option<String> {
    let models = serde_json::to_vec(models)
        .ok()
        .filter(|_| seal.is_keyed())?;
    Some(seal.over(&[b"state.json\n", &models, b"\n", last.text.as_bytes()]))
}

/// Writes the next state beside the present one.
pub(super) fn stage(
    folder: &Path,
    models: &BTreeMap<ModelName, Assignment>,
    last: &Link,
    seal: &Seal,
) -> Result<(), JournalError> {
    let path = folder.join(STAGED);
    let write = || {
        step("journal::stage")?;
        let written = Written {
            format: FORMAT,
            models,
            last: serde_json::from_str(&last.text)?,
            mac: own_mac(models, last, seal),
        };
        let text = serde_json::to_vec_pretty(&written)?;
        let mut file = files::create(&path)?;
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
        files::sync(folder)?;
        step("journal::renamed")
    };
    at(&path, renamed())
}
