//! `[control]` and `[loading]`: where changes are written down, and how versions come in.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use stillhouse_core::rollout::{Share, written};

/// `[control]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlSettings {
    /// Folder of state and audit log; made at the first change.
    pub state_path: PathBuf,
    /// File of the audit log's key; empty: none.
    pub audit_key_file: PathBuf,
}

impl ControlSettings {
    /// The file of the audit log's key, if there is to be one.
    pub fn key_file(&self) -> Option<&Path> {
        Some(&*self.audit_key_file).filter(|path| !path.as_os_str().is_empty())
    }
}

impl Default for ControlSettings {
    fn default() -> Self {
        Self {
            state_path: "state".into(),
            audit_key_file: PathBuf::new(),
        }
    }
}

/// What a version becomes that appears in the repository while the server runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Nothing: it is listed, and waits for an operator.
    #[default]
    Ignore,
    /// It is loaded, so that a canary begins at once.
    Load,
    /// A canary without a share: judged by shadows alone.
    DarkCanary,
    /// A canary with the share `arrival_share`.
    Canary,
    /// A dark canary that the judge leads along the ramp.
    AutomaticCanary,
}

/// `[loading]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoadingSettings {
    /// Whether a version is first tried in a process of its own, where it may crash, hang and eat memory.
    pub child_process: bool,
    /// Seconds after which that process is ended.
    pub timeout_seconds: u64,
    /// Bytes that it may allocate.
    pub memory_bytes: u64,
    /// Seconds after which a version in no role is unloaded.
    pub unload_after_seconds: u64,
    /// Seconds between two scans of the repository; file system events, where there are any, trigger one sooner. 0: never.
    pub poll_seconds: u64,
    /// What a version becomes that appears while the server runs.
    pub on_arrival: Arrivals,
    /// The share that a canary begins with where `on_arrival` is `canary`.
    #[serde(with = "written")]
    pub arrival_share: Share,
    /// Bytes of an uploaded archive, and of what is in it.
    pub max_upload_bytes: u64,
}

impl Default for LoadingSettings {
    fn default() -> Self {
        Self {
            child_process: true,
            timeout_seconds: 120,
            memory_bytes: 4 << 30,
            unload_after_seconds: 300,
            poll_seconds: 10,
            on_arrival: Arrivals::Ignore,
            arrival_share: Share::new(100).expect("1 %"),
            max_upload_bytes: 2 << 30,
        }
    }
}
