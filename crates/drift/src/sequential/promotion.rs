//! The test for promotion: is the canary better than the worst that its margin allows?

use serde::{Deserialize, Serialize};

use super::{STAKE_FRACTIONS, STAKES, ln_mean_exp, margin::Margin};

/// Wealth against "the mean difference, whatever was seen before, is at least the margin".
///
/// One run, without restarts: what a canary did badly in the beginning counts for as long as its trial runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    margin: Margin,
    observations: u64,
    log_wealth: [f64; STAKES],
}

impl Promotion {
    /// Differences lie in `lowest..=highest`, canary less stable, the larger the worse.
    ///
    /// # Panics
    /// If the margin isn't between the two.
    pub fn new(lowest: f64, highest: f64, margin: f64) -> Self {
        Self {
            margin: Margin::new(lowest, highest, margin),
            observations: 0,
            log_wealth: [0.0; STAKES],
        }
    }

    /// Adds a difference; it is clamped to the range, and NaN counts as `highest`.
    pub fn observe(&mut self, difference: f64) {
        self.observations += 1;
        let shortfall = self.margin.shortfall(difference);
        for (wealth, fraction) in self.log_wealth.iter_mut().zip(STAKE_FRACTIONS) {
            *wealth += (fraction * shortfall).ln_1p();
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

    /// Number of differences observed.
    pub fn observations(&self) -> u64 {
        self.observations
    }
}
