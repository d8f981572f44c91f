//! Has a version that was promoted long ago gone bad?

use serde::{Deserialize, Serialize};

use super::{STAKE_FRACTIONS, STAKES, bounded, ln_add_exp, ln_mean_exp};

/// The e-SR detector (Shin, Ramdas & Rinaldo 2022): Shiryaev and Roberts's sum over a bettor that begins at every
/// observation. While the mean stays at most the margin, the observations until the statistic reaches A are A or more on
/// average, for ever; unlike a test it never gets tired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    lowest: f64,
    highest: f64,
    margin: f64,
    observations: u64,
    /// By stake, ln(M + 1): finite from the beginning, where M is 0.
    log_statistic: [f64; STAKES],
}

impl Detector {
    /// Values lie in `lowest..=highest`, the larger the worse; up to `margin` on average they are what is expected.
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
            log_statistic: [0.0; STAKES],
        }
    }

    /// One more value; outside its range it is cut, and not a number is the worst.
    pub fn observe(&mut self, value: f64) {
        self.observations += 1;
        let beyond = bounded(value, self.lowest, self.highest) - self.margin;
        let scale = self.margin - self.lowest;
        for (log, fraction) in self.log_statistic.iter_mut().zip(STAKE_FRACTIONS) {
            *log = ln_add_exp(*log + (fraction / scale * beyond).ln_1p(), 0.0);
        }
    }

    /// ln of the statistic; an alarm at ln A. Negative infinity before the first value.
    pub fn log_statistic(&self) -> f64 {
        let with_one = ln_mean_exp(&self.log_statistic);
        with_one + (-(-with_one).exp()).ln_1p()
    }

    /// Begins anew, after an alarm was told.
    pub fn reset(&mut self) {
        self.observations = 0;
        self.log_statistic = [0.0; STAKES];
    }

    /// Values seen since the beginning.
    pub fn observations(&self) -> u64 {
        self.observations
    }
}
