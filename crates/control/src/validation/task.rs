//! What goes to the child and what comes back, each a line of JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use stillhouse_core::version::{BatchSettings, EngineSettings, warmup::BatchTiming};
use stillhouse_store::{ModelName, VersionName};

/// What is tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The model repository.
    pub repository: PathBuf,
    /// The model.
    pub model: ModelName,
    /// The version to try.
    pub version: VersionName,
    /// Where it is to run.
    pub engine: EngineSettings,
    /// How its batches are to form: every size that the server would run is run by the child first.
    pub batch: BatchSettings,
    /// Whether requests are answered meanwhile.
    pub beside_traffic: bool,
}

/// What the child is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What it tries.
    pub subject: Subject,
    /// What it may write to.
    pub memory_bytes: u64,
}

/// What the child says when it comes to an end of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ValidationResult {
    /// It can be served.
    Good(Validated),
    /// It can't; one line that says why.
    Refused(String),
}

/// A version that reproduced its golden samples on its engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validated {
    /// What the engine says of itself.
    pub engine: String,
    /// Of the network's bytes: what is loaded later must have the same.
    pub sha256: String,
    /// What its batch sizes took.
    pub warmup: Vec<BatchTiming>,
}
