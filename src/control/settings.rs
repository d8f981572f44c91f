//! `[control]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[control]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlSettings {
    /// The folder of `state.json` and `audit.jsonl`; made with the first change, one server's alone.
    pub state_path: PathBuf,
}

impl Default for ControlSettings {
    fn default() -> Self {
        Self {
            state_path: "state".into(),
        }
    }
}
