//! Change detection: has a version that was promoted long ago become worse?

use serde::{Deserialize, Serialize};

use super::{STAKE_FRACTIONS, STAKES, ln_add_exp, ln_mean_exp, margin::Margin};

/// The e-SR detector (Shin, Ramdas & Rinaldo 2022): Shiryaev and Roberts's sum over a bettor that begins at every
/// observation. As long as the mean is at most the margin, it takes A observations or more on average until the statistic
/// reaches A; unlike a test, it doesn't lose power over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    margin: Margin,
    observations: u64,
    /// By stake, ln(M + 1): finite from the beginning, where M is 0.
    log_statistic: [f64; STAKES],
}

impl Detector {
    /// For values in `lowest..=highest`, the larger the worse, whose mean is expected to be at most `margin`.
    ///
    /// # Panics
    /// If the margin isn't between the two.
    pub fn new(lowest: f64, highest: f64, margin: f64) -> Self {
        Self {
            margin: Margin::new(lowest, highest, margin),
            observations: 0,
            log_statistic: [0.0; STAKES],
        }
    }

    /// Adds a value; it is clamped to the range, and NaN counts as `highest`.
    pub fn observe(&mut self, value: f64) {
        self.observations += 1;
        let excess = self.margin.excess(value);
        for (log, fraction) in self.log_statistic.iter_mut().zip(STAKE_FRACTIONS) {
            *log = ln_add_exp(*log + (fraction * excess).ln_1p(), 0.0);
        }
    }

    /// ln of the statistic; an alarm at ln A. Negative infinity before the first value.
    pub fn log_statistic(&self) -> f64 {
        let with_one = ln_mean_exp(&self.log_statistic);
        with_one + (-(-with_one).exp()).ln_1p()
    }

    /// Number of values observed.
    pub fn observations(&self) -> u64 {
        self.observations
    }
}
