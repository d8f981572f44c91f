//! `trials.json`: what is known of every canary on trial, so that a restart doesn't lose it.
//!
//! Written by the judge after each look that has brought something, and once more at a clean end, which is noted. Its form
//! has a number: of another form, of another key, or damaged, it is no evidence, and the trials begin anew.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{files, journal::Seal, judge::Basis, trial::SavedTrial};
use stillhouse_core::rollout::{Deployment, Role};
use stillhouse_store::{ModelName, sha256};

const FILE: &str = "trials.json";

/// Of the file's form.
const FORMAT: u64 = 2;

/// A trial takes about 2 KB.
const LIMIT_BYTES: u64 = 16 << 20;

/// Without anything new, it is written this often all the same, for the age of the trials.
const AGE_EVERY: Duration = Duration::from_secs(5);

/// Between whom, and by what, a trial is held: evidence counts for nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrialIdentity {
    rollout: u64,
    /// Name and SHA-256 of the manifest, which has that of the network.
    canary: String,
    stable: String,
    teacher: String,
    /// The last version that a person approved, where the canary is compared with it; only its name, since it may be missing.
    anchor: String,
    /// SHA-256 of criteria, sampling and engine.
    configuration: String,
}

impl TrialIdentity {
    pub(super) fn of(deployment: &Deployment, configuration: &str) -> Self {
        let version = |role| {
            let Some(seat) = deployment.seat(role) else {
                return String::new();
            };
            let manifest = serde_json::to_vec(&seat.version.manifest).unwrap_or_default();
            format!("{} {}", seat.version.name, sha256(&manifest))
        };
        Self {
            rollout: deployment.assignment.rollout,
            canary: version(Role::Canary),
            stable: version(Role::Stable),
            teacher: version(Role::Teacher),
            anchor: deployment
                .assignment
                .compared_anchor()
                .map(ToString::to_string)
                .unwrap_or_default(),
            configuration: configuration.to_owned(),
        }
    }

    /// What is another now.
    pub(super) fn changes(&self, now: &Self) -> Vec<Basis> {
        let fields = [
            (Basis::Teacher, &self.teacher, &now.teacher),
            (Basis::Stable, &self.stable, &now.stable),
            (Basis::Canary, &self.canary, &now.canary),
            (Basis::Anchor, &self.anchor, &now.anchor),
            (
                Basis::Configuration,
                &self.configuration,
                &now.configuration,
            ),
        ];
        let changed = fields.into_iter().filter(|(_, before, now)| before != now);
        changed.map(|(basis, ..)| basis).collect()
    }
}

/// One model's trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedCase {
    pub(super) identity: TrialIdentity,
    pub(super) trial: SavedTrial,
}

impl SavedCase {
    fn without_time(&self) -> Self {
        Self {
            identity: self.identity.clone(),
            trial: self.trial.without_time(),
        }
    }
}

type Cases = BTreeMap<ModelName, SavedCase>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// Whether the process that wrote it ended in order.
    clean: bool,
    trials: Cases,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u64,
    seal: String,
    body: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found<'a> {
    #[serde(rename = "format")]
    _format: u64,
    seal: String,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// Read first: of another form nothing else can be expected.
#[derive(Deserialize)]
struct Format {
    format: u64,
}

/// What an earlier process knew.
#[derive(Debug, Default)]
pub(super) struct RecoveredTrials {
    pub(super) trials: Cases,
    /// Whether it ended without its last word.
    pub(super) was_killed: bool,
}

/// Reads what an earlier process left.
///
/// # Errors
/// Why it is no evidence.
pub(super) fn read(folder: &Path, seal: &Seal) -> Result<RecoveredTrials, String> {
    let read = files::read(&folder.join(FILE), LIMIT_BYTES);
    let Some(bytes) = read.map_err(|error| error.to_string())? else {
        return Ok(RecoveredTrials::default());
    };
    let damaged = |error: serde_json::Error| format!("it is damaged: {error}");
    let Format { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if format != FORMAT {
        return Err(format!(
            "its format is {format}, this release reads {FORMAT}"
        ));
    }
    let found: Found = serde_json::from_slice(&bytes).map_err(damaged)?;
    if found.seal != sealed(found.body.get(), seal) {
        return Err("its seal is another's: it was edited, or written with another key".into());
    }
    let Body { clean, trials } = serde_json::from_str(found.body.get()).map_err(damaged)?;
    Ok(RecoveredTrials {
        trials,
        was_killed: !clean,
    })
}

fn sealed(body: &str, seal: &Seal) -> String {
    seal.over(&[b"trials.json\n", body.as_bytes()])
}

/// Writes the file.
#[derive(Debug)]
pub(super) struct Checkpoints {
    folder: PathBuf,
    seal: Seal,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// What was written and when; none if nothing was, or if it could not be.
    written: Option<(Instant, Cases)>,
    failed: bool,
}

impl Checkpoints {
    pub(super) fn new(folder: PathBuf, seal: Seal) -> Self {
        Self {
            folder,
            seal,
            last: Mutex::default(),
        }
    }

    /// Whether the file is to be written for these trials now.
    pub(super) fn is_due(&self, trials: &Cases, now: Instant) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, written)) = &last.written else {
            return true;
        };
        let same = |(one, two): ((&ModelName, &SavedCase), (&ModelName, &SavedCase))| {
            one.0 == two.0 && one.1.without_time() == two.1.without_time()
        };
        written.len() != trials.len()
            || !written.iter().zip(trials).all(same)
            || (!trials.is_empty() && now.saturating_duration_since(*at) >= AGE_EVERY)
    }

    /// Writes the file, durably; without trials there is none. Blocks for that. What can't be written is logged once and
    /// removed: an old checkpoint would hide how much was lost.
    pub(super) fn write(&self, trials: Cases, clean: bool, now: Instant) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.put(&trials, clean);
        match &written {
            Err(error) if !last.failed => {
                let path = self.folder.join(FILE);
                tracing::warn!(%error, path = %path.display(), "the evidence of canaries can't be written down: a restart would lose it");
            }
            _ => {}
        }
        last.failed = written.is_err();
        last.written = Some((now, trials));
    }

    fn put(&self, trials: &Cases, clean: bool) -> io::Result<()> {
        let path = self.folder.join(FILE);
        if trials.is_empty() {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let body = Body {
            clean,
            trials: trials.clone(),
        };
        let body = serde_json::value::to_raw_value(&body)?;
        let written = Written {
            format: FORMAT,
            seal: sealed(body.get(), &self.seal),
            body: &body,
        };
        let replaced = files::replace(&self.folder, FILE, &serde_json::to_vec(&written)?);
        replaced.inspect_err(|_| _ = fs::remove_file(&path))
    }
}
