//! One metric of paired answers: both tests, and the estimate that is shown beside them.

use serde::{Deserialize, Serialize};

use super::{Interval, Promotion, RollBack};

/// Error probability of the interval that is shown; nothing is decided by it.
const INTERVAL_ALPHA: f64 = 0.05;

/// Everything that is kept of the differences in one metric, from −1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    roll_back: RollBack,
    promotion: Promotion,
    interval: Interval,
}

/// What is known of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Differences counted.
    pub observations: u64,
    /// Their mean, canary less stable, in the metric's unit; 0 of none.
    pub mean: f64,
    /// Its 95 % confidence interval, valid however often it is read.
    pub interval: [f64; 2],
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
            roll_back: RollBack::new(-1.0, 1.0, margin, restart_every),
            promotion: Promotion::new(-1.0, 1.0, margin),
            interval: Interval::new(-1.0, 1.0, INTERVAL_ALPHA),
        }
    }

    /// Adds a difference, canary less stable.
    pub fn observe(&mut self, difference: f64) {
        self.roll_back.observe(difference);
        self.promotion.observe(difference);
        self.interval.observe(difference);
    }

    /// Counts differences that were made and lost, by a process that was killed, say, as the worst there are: against a
    /// promotion, which must not come of what is left when the bad part is gone. A roll-back isn't begun by what nobody
    /// has seen: its wealth stays the same, which is fair as long as a loss doesn't favour bad differences.
    pub fn presume_lost(&mut self, differences: u64) {
        for _ in 0..differences {
            self.promotion.observe(1.0);
        }
    }

    /// What is known, in a unit of which a difference of 1 is `unit`.
    pub fn compared(&self, unit: f64) -> Compared {
        Compared {
            observations: self.interval.observations(),
            mean: self.interval.mean().unwrap_or(0.0) * unit,
            interval: self.interval.bounds().map(|bound| bound * unit),
            roll_back_log_e: self.roll_back.log_e(),
            promotion_log_e: self.promotion.log_e(),
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
