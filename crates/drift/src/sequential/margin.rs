//! The range of a test's values, and the mean that the test allows.

use serde::{Deserialize, Serialize};

use super::bounded;

/// A mean that is still allowed, within the range of the values; the larger a value, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Margin {
    lowest: f64,
    highest: f64,
    margin: f64,
}

impl Margin {
    /// # Panics
    /// If the margin isn't between the two.
    pub(super) fn new(lowest: f64, highest: f64, margin: f64) -> Self {
        assert!(
            lowest < margin && margin < highest,
            "a margin of {margin} must lie within {lowest}..{highest}"
        );
        Self {
            lowest,
            highest,
            margin,
        }
    }

    /// How far a value lies above the margin, as a multiple of how far the best value lies below it: at least −1. The value
    /// is clamped to the range, and NaN counts as `highest`.
    pub(super) fn excess(&self, value: f64) -> f64 {
        (bounded(value, self.lowest, self.highest) - self.margin) / (self.margin - self.lowest)
    }

    /// How far a value lies below the margin, as a multiple of how far the worst value lies above it: at least −1. Clamped
    /// like [`Margin::excess`].
    pub(super) fn shortfall(&self, value: f64) -> f64 {
        (self.margin - bounded(value, self.lowest, self.highest)) / (self.highest - self.margin)
    }
}
