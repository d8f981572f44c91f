//! Is the canary better than the worst that its margin allows?

use serde::{Deserialize, Serialize};

use super::{STAKE_FRACTIONS, STAKES, bounded, ln_mean_exp};

/// Wealth against "the mean difference, whatever was seen before, is at least the margin".
///
/// One run, without restarts: what a canary did badly in the beginning must weigh for as long as it is on trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    lowest: f64,
    highest: f64,
    margin: f64,
    observations: u64,
    log_wealth: [f64; STAKES],
}

impl Promotion {
    /// Differences lie in `lowest..=highest`, canary less stable, the larger the worse.
    ///
    /// # Panics
    /// If the margin isn't between the two.
    pub fn new(lowest: f64, highest: f64, margin: f64) -> Self {
        assert!(
            lowest < margin && margin < highest,
            "a margin of {margin} must lie within {lowest}..{highest}"
        );
        Self {
            lowest,
            highest,
            margin,
            observations: 0,
            log_wealth: [0.0; STAKES],
        }
    }

    /// One more difference; outside its range it is cut, and not a number is the worst.
    pub fn observe(&mut self, difference: f64) {
        self.observations += 1;
        let below = self.margin - bounded(difference, self.lowest, self.highest);
        let scale = self.highest - self.margin;
        for (wealth, fraction) in self.log_wealth.iter_mut().zip(STAKE_FRACTIONS) {
            *wealth += (fraction / scale * below).ln_1p();
        }
    }

    /// By stake, ln wealth: what each replica shows and a fleet adds up.
    pub fn log_wealth(&self) -> [f64; STAKES] {
        self.log_wealth
    }

    /// ln of the e-value; the null is refuted at α when it is at least ln(1/α).
    pub fn log_e(&self) -> f64 {
        ln_mean_exp(&self.log_wealth)
    }

    /// Differences seen.
    pub fn observations(&self) -> u64 {
        self.observations
    }
}
