//! What the judge gets of a pair: which versions were compared, and how their answers differ.

use std::sync::Arc;

use crate::rollout::{Deployment, Role};

/// The compared versions: valid as long as the same versions have the same roles in the same rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairing {
    rollout: u64,
    seats: [usize; 3],
}

impl Pairing {
    /// The pairing of a deployment. Seats are identified by their addresses, so a pairing is valid only while its seats
    /// are alive.
    pub fn of(deployment: &Deployment) -> Self {
        let place = |role| {
            deployment
                .seat(role)
                .map_or(0, |seat| Arc::as_ptr(seat).addr())
        };
        Self {
            rollout: deployment.assignment.rollout,
            seats: Role::ALL.map(place),
        }
    }
}

impl Pairing {
    /// Of no seats, in this rollout: for tests of what compares pairings.
    pub fn of_rollout(rollout: u64) -> Self {
        Self {
            rollout,
            ..Self::default()
        }
    }
}

/// The result of one pair, canary against stable; from −1, much better, to 1, much worse.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// The compared versions.
    pub pairing: Pairing,
    /// Difference in agreement with the teacher.
    pub disagreement: f64,
    /// Difference in clipped divergences, as a fraction of the clip.
    pub divergence: f64,
    /// Whether the canary's answer wasn't finite, and stable's was.
    pub non_finite: bool,
    /// Stable's class; none if it gave no answer that is finite.
    pub stable_class: Option<usize>,
    /// Whether the teacher was run for it.
    pub teacher_run: bool,
    /// A hash of the picture.
    pub picture: u64,
    /// Canary against anchor; none where there is no anchor, or it isn't loaded.
    pub anchor: Option<AnchorDifference>,
}

/// The result of one pair, canary against the last version that a person approved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AnchorDifference {
    /// As in [`Difference`].
    pub disagreement: f64,
    /// As in [`Difference`].
    pub divergence: f64,
}
