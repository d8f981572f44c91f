//! One model under control.

use std::sync::Arc;

use super::{pool::VersionPool, trials::TrialSlot};
use stillhouse_core::{registry::Model, rollout::Assignment};

/// Everything that the control plane keeps for one model, found by one name.
pub(super) struct ControlledModel {
    /// What the data plane sees of it.
    pub(super) served: Arc<Model>,
    /// Its loaded versions, and how new ones are loaded.
    pub(super) pool: VersionPool,
    /// Its canary's trial.
    pub(super) trial: TrialSlot,
}

impl ControlledModel {
    /// Which version fills which role now.
    pub(super) fn assignment(&self) -> Assignment {
        self.served.slot.load().assignment.clone()
    }
}
