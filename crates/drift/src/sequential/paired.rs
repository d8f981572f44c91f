//! One metric of paired answers: both tests, and the estimate that is shown beside them.

use serde::{Deserialize, Serialize};

use super::{Bounds, Promotion, RollBack};

/// ln of the e-values that decide, and at which the bounds are shown: so what is shown can't contradict what is decided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Rolls back.
    pub roll_back_log_e: f64,
    /// Promotes.
    pub promotion_log_e: f64,
}

/// Everything that is kept of the differences in one metric, from −1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    margin: f64,
    begins_again: bool,
    roll_back: RollBack,
    promotion: Promotion,
    bounds: Bounds,
}

/// What is known of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Differences counted.
    pub observations: u64,
    /// Their mean, canary less stable, in the metric's unit; 0 of none.
    pub mean: f64,
    /// What it is at least by the roll-back test's own bets, and at most by the promotion test's, each with that test's
    /// chance of being wrong, however often it is read. The lower bound is at the margin or above exactly if the canary
    /// is shown to be worse than it, the upper one at the margin or below exactly if it is shown to be within.
    pub bounds: [f64; 2],
    /// ln of the e-value against "no worse than the margin".
    pub roll_back_log_e: f64,
    /// ln of the e-value against "as bad as the margin or worse".
    pub promotion_log_e: f64,
}

impl Paired {
    /// Both tests at the same margin, a part of the range from −1 to 1; the roll-back test begins a run every so many.
    ///
    /// # Panics
    /// If the margin isn't within −1..1.
    pub fn new(margin: f64, restart_every: Option<u64>) -> Self {
        Self {
            margin,
            begins_again: restart_every.is_some(),
            roll_back: RollBack::new(-1.0, 1.0, margin, restart_every),
            promotion: Promotion::new(-1.0, 1.0, margin),
            bounds: Bounds::default(),
        }
    }

    /// Adds a difference, canary less stable.
    pub fn observe(&mut self, difference: f64) {
        self.roll_back.observe(difference);
        self.promotion.observe(difference);
        self.bounds.observe(difference);
    }

    /// Counts differences that were made and lost, by a process that was killed, say, as the worst there are: against a
    /// promotion, which must not come of what is left when the bad part is gone. A roll-back isn't begun by what nobody
    /// has seen: its wealth stays the same, which is fair as long as a loss doesn't favour bad differences.
    pub fn presume_lost(&mut self, differences: u64) {
        for _ in 0..differences {
            self.promotion.observe(1.0);
        }
        self.bounds.presume_lost(differences);
    }

    /// What is known, in a unit of which a difference of 1 is `unit`.
    pub fn compared(&self, unit: f64, thresholds: &Thresholds) -> Compared {
        let (roll_back_log_e, promotion_log_e) = (self.roll_back.log_e(), self.promotion.log_e());
        let lower = self
            .bounds
            .lower(thresholds.roll_back_log_e, self.begins_again);
        let upper = self.bounds.upper(thresholds.promotion_log_e);
        // A later run of the roll-back test may have shown more than its first one, from which the bound comes.
        let lower = match roll_back_log_e >= thresholds.roll_back_log_e {
            true => lower.max(self.margin),
            false => lower.min(self.margin.next_down()),
        };
        let upper = match promotion_log_e >= thresholds.promotion_log_e {
            true => upper.min(self.margin),
            false => upper.max(self.margin.next_up()),
        };
        Compared {
            observations: self.bounds.observations(),
            mean: self.bounds.mean().unwrap_or(0.0) * unit,
            bounds: [lower * unit, upper * unit],
            roll_back_log_e,
            promotion_log_e,
        }
    }

    /// The test that rolls back, for its wealth by stake.
    pub fn roll_back(&self) -> &RollBack {
        &self.roll_back
    }

    /// The test that promotes, for its wealth by stake.
    pub fn promotion(&self) -> &Promotion {
        &self.promotion
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is shown can't contradict what is decided.
        #[test]
        fn bounds_agree_with_verdicts(
            seen in prop::collection::vec((-1.0..=1.0_f64, 0.0..3.0_f64), 1..600),
            shift in -0.2..0.3_f64,
            again in prop::option::of(50u64..200),
            lost in 0u64..3,
        ) {
            let margin = 0.01;
            let thresholds = Thresholds { roll_back_log_e: 5.99, promotion_log_e: 3.0 };
            let mut paired = Paired::new(margin, again);
            for (difference, power) in seen {
                paired.observe(difference * 0.1_f64.powf(power) + shift);
            }
            paired.presume_lost(lost);
            let compared = paired.compared(1.0, &thresholds);
            let [lower, upper] = compared.bounds;
            prop_assert_eq!(upper <= margin, compared.promotion_log_e >= thresholds.promotion_log_e);
            prop_assert_eq!(lower >= margin, compared.roll_back_log_e >= thresholds.roll_back_log_e);
        }
    }
}
