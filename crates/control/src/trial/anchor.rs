//! The canary compared with the anchor, the last version that a person approved, from the same pictures. Pure.
//!
//! Stable may have become worse since then, by a margin with each automatic promotion; compared with the anchor, all canaries
//! together may be worse by one.

use serde::{Deserialize, Serialize};

use crate::judge::{AnchorEvidence, Criteria};
use stillhouse_core::shadow::AnchorDifference;
use stillhouse_drift::sequential::{Paired, Thresholds};
use stillhouse_store::VersionName;

/// Both tests of the differences between canary and anchor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnchorTrial {
    version: VersionName,
    disagreement: Paired,
    divergence: Paired,
}

impl AnchorTrial {
    pub(super) fn new(version: VersionName, criteria: &Criteria) -> Self {
        Self {
            version,
            disagreement: criteria.disagreement(),
            divergence: criteria.divergence(),
        }
    }

    pub(super) fn observe(&mut self, difference: &AnchorDifference) {
        self.disagreement.observe(difference.disagreement);
        self.divergence.observe(difference.divergence);
    }

    /// See [`Paired::presume_lost`].
    pub(super) fn presume_lost(&mut self, pairs: u64) {
        self.disagreement.presume_lost(pairs);
        self.divergence.presume_lost(pairs);
    }

    pub(super) fn evidence(
        &self,
        clip_nats: f64,
        thresholds: &Thresholds,
        is_loaded: bool,
    ) -> AnchorEvidence {
        AnchorEvidence {
            version: self.version.to_string(),
            is_loaded,
            disagreement: self.disagreement.compared(1.0, thresholds),
            divergence: self.divergence.compared(clip_nats, thresholds),
        }
    }

    /// For their wealth by stake: of disagreement, of divergence.
    pub(crate) fn paired(&self) -> [&Paired; 2] {
        [&self.disagreement, &self.divergence]
    }
}
