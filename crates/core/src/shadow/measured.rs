//! What a trial has measured of its canary, for the detectors of the stable version that it may become.

use std::sync::{Arc, Weak};

use crate::{rollout::Seat, version::Version};
use stillhouse_drift::comparison::PairMeasure;

/// With fewer pairs of live traffic than this, validation says more.
const PAIRS_MIN: u64 = 200;

/// A version beside its teacher, on live traffic.
#[derive(Default)]
pub(super) struct Measured {
    /// Weak: nothing here may keep a version that lost its role.
    version: Weak<Version>,
    pairs: u64,
    disagreements: u64,
    /// Each part of a pair's clip.
    divergence: f64,
}

/// Means of both metrics, as shares, and how many pictures they are of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Means {
    pub(super) disagreement: f64,
    pub(super) divergence: f64,
    pub(super) samples: u64,
}

impl Measured {
    /// One more pair of the canary that were drawn whatever it answered; `None` for an answer that failed or isn't finite.
    pub(super) fn observe(&mut self, canary: &Seat, measure: Option<&PairMeasure>, clip_nats: f64) {
        if self.version.as_ptr() != Arc::as_ptr(&canary.version) {
            *self = Self {
                version: Arc::downgrade(&canary.version),
                ..Self::default()
            };
        }
        self.pairs += 1;
        self.disagreements += u64::from(!measure.is_some_and(|measure| measure.agrees));
        self.divergence +=
            measure.map_or(1.0, |measure| (measure.kl_nats / clip_nats).clamp(0.0, 1.0));
    }

    /// What is known of this version, if it is enough.
    pub(super) fn of(&self, version: &Arc<Version>) -> Option<Means> {
        let is_known = self.version.as_ptr() == Arc::as_ptr(version) && self.pairs >= PAIRS_MIN;
        is_known.then(|| Means {
            disagreement: self.disagreements as f64 / self.pairs as f64,
            divergence: self.divergence / self.pairs as f64,
            samples: self.pairs,
        })
    }
}
