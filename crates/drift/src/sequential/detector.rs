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
    /// No stake's statistic grows beyond: what a long fault has won must not hide its end.
    ceiling_log: f64,
}

/// How sure the limit of what was measured at validation is: the 99 % quantile of the standard normal distribution.
const Z_99: f64 = 2.326_348;

/// The most that a mean of values from 0 to 1 may be that was measured on so many pictures, with 99 % confidence (Wilson's
/// bound, which also holds for values in between, as these scatter less). With 200 pictures, one in six validations is off by more
/// than a point, and a version that is as good as ever would raise an alarm.
pub fn upper_limit(mean: f64, samples: u64) -> f64 {
    let n = samples.max(1) as f64;
    let (mean, z2) = (mean.clamp(0.0, 1.0), Z_99 * Z_99);
    let centre = mean + z2 / (2.0 * n);
    let radius = Z_99 * (mean * (1.0 - mean) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre + radius) / (1.0 + z2 / n)).min(1.0)
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
            ceiling_log: f64::MAX,
        }
    }

    /// With a ceiling a little above the alarm's threshold, an alarm ends some hundred values after its cause; below the
    /// threshold nothing changes.
    #[must_use]
    pub fn up_to(mut self, ceiling_log: f64) -> Self {
        self.ceiling_log = ceiling_log;
        self
    }

    /// Adds a value; it is clamped to the range, and NaN counts as `highest`.
    pub fn observe(&mut self, value: f64) {
        self.observations += 1;
        let excess = self.margin.excess(value);
        for (log, fraction) in self.log_statistic.iter_mut().zip(STAKE_FRACTIONS) {
            let grown = ln_add_exp(*log + (fraction * excess).ln_1p(), 0.0);
            *log = grown.min(self.ceiling_log);
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

#[cfg(test)]
mod tests {
    use super::*;

    const ALARM: f64 = 13.815_511;

    #[test]
    fn a_known_limit() {
        // Wilson's bound of 4 in 200, by hand.
        assert!(
            (upper_limit(0.02, 200) - 0.058_654).abs() < 1e-5,
            "{}",
            upper_limit(0.02, 200)
        );
        assert!(upper_limit(0.02, 1_000_000) < 0.0204);
        assert_eq!(upper_limit(1.0, 10), 1.0);
        assert!(upper_limit(0.0, 0) > 0.8);
    }

    /// A long fault that ends: with a ceiling the alarm ends, too.
    #[test]
    fn an_alarm_ends_after_its_cause() {
        let after_the_fault = |mut detector: Detector| {
            (0..5000).for_each(|_| detector.observe(1.0));
            (0..5000u32).find(|n| {
                detector.observe(f64::from(n % 50 == 0));
                detector.log_statistic() < ALARM
            })
        };
        let detector = || Detector::new(0.0, 1.0, 0.03);
        let pairs = after_the_fault(detector().up_to(ALARM + 3.0));
        println!("the alarm ends after {pairs:?} pairs");
        assert!(pairs.is_some_and(|pairs| pairs < 1500));
        assert_eq!(after_the_fault(detector()), None);
    }
}
