//! Counters that only grow, of one version beside its teacher: they add up over replicas, and the difference of two readings
//! is what happened between them.

use super::calibration::Calibration;

/// What has been counted so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// All answers by class, shadowed or not.
    pub predictions: Vec<u64>,
    /// Of independent scores: answers in which each class reached its threshold.
    pub labels: Vec<u64>,
    /// Pairs.
    pub pairs: u64,
    /// Σ KL(teacher‖version) at T = 1.
    pub kl_nats: f64,
    /// Σ KL².
    pub kl_squares: f64,
    /// Σ KL³.
    pub kl_cubes: f64,
    /// Σ min(KL, clip).
    pub clipped_nats: f64,
    /// Pairs that were clipped.
    pub clips: u64,
    /// Σ T²·KL at the training temperature.
    pub at_temperature_nats: f64,
    /// Σ (T²·KL)².
    pub at_temperature_squares: f64,
    /// Σ (T²·KL)³.
    pub at_temperature_cubes: f64,
    /// Pairs with the same top class.
    pub agreements: u64,
    /// Pairs with the teacher's class among the first five.
    pub within_top5: u64,
    /// By class: where KL comes from.
    pub class_nats: Vec<f64>,
    /// Confidence beside agreement.
    pub calibration: Calibration,
    /// By watched number and cell.
    pub cells: Vec<Vec<u64>>,
}

impl Tally {
    /// What was counted since an earlier reading of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |now: u64, then: u64| now.saturating_sub(then);
        let counts = |now: &[u64], then: &[u64]| -> Vec<u64> {
            let then = then.iter().copied().chain(std::iter::repeat(0));
            now.iter()
                .zip(then)
                .map(|(now, then)| less(*now, then))
                .collect()
        };
        let no_cells = Vec::new();
        let then_cells = earlier.cells.iter().chain(std::iter::repeat(&no_cells));
        let then_nats = earlier.class_nats.iter().copied();
        let then_nats = then_nats.chain(std::iter::repeat(0.0));
        Self {
            predictions: counts(&self.predictions, &earlier.predictions),
            labels: counts(&self.labels, &earlier.labels),
            pairs: less(self.pairs, earlier.pairs),
            kl_nats: self.kl_nats - earlier.kl_nats,
            kl_squares: self.kl_squares - earlier.kl_squares,
            kl_cubes: self.kl_cubes - earlier.kl_cubes,
            clipped_nats: self.clipped_nats - earlier.clipped_nats,
            clips: less(self.clips, earlier.clips),
            at_temperature_nats: self.at_temperature_nats - earlier.at_temperature_nats,
            at_temperature_squares: self.at_temperature_squares - earlier.at_temperature_squares,
            at_temperature_cubes: self.at_temperature_cubes - earlier.at_temperature_cubes,
            agreements: less(self.agreements, earlier.agreements),
            within_top5: less(self.within_top5, earlier.within_top5),
            class_nats: self
                .class_nats
                .iter()
                .zip(then_nats)
                .map(|(now, then)| now - then)
                .collect(),
            calibration: self.calibration.since(&earlier.calibration),
            cells: self
                .cells
                .iter()
                .zip(then_cells)
                .map(|(now, then)| counts(now, then))
                .collect(),
        }
    }

    /// Mean KL with its 95 % interval.
    pub fn kl(&self) -> Option<Estimate> {
        Estimate::of_mean(self.pairs, [self.kl_nats, self.kl_squares, self.kl_cubes])
    }

    /// Mean T²·KL with its 95 % interval.
    pub fn at_temperature(&self) -> Option<Estimate> {
        let powers = [
            self.at_temperature_nats,
            self.at_temperature_squares,
            self.at_temperature_cubes,
        ];
        Estimate::of_mean(self.pairs, powers)
    }

    /// Share of pairs with the same top class, with its 95 % interval.
    pub fn agreement(&self) -> Option<Estimate> {
        Estimate::of_share(self.pairs, self.agreements)
    }

    /// Share of pairs with the teacher's class among the first five.
    pub fn top5_containment(&self) -> Option<Estimate> {
        Estimate::of_share(self.pairs, self.within_top5)
    }
}

/// An estimate with its 95 % confidence interval, valid for a single evaluation.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Lower and upper end.
    pub interval: [f64; 2],
}

/// The 97.5 % quantile of the standard normal distribution.
const Z_975: f64 = 1.959_964;

/// Its 99.95 % quantile.
const Z_9995: f64 = 3.290_527;

impl Estimate {
    /// The mean of values that aren't negative, by their sum and the sums of their squares and cubes.
    ///
    /// Divergences have heavy tails: a few answers make the mean, and of a hundred pairs often none of them is there. The
    /// normal approximation then misses the mean in up to 28 of 100 windows. So the interval is Hall's (1992), whose
    /// cubic transformation corrects for the skewness that was measured; as that is itself measured too small, the upper
    /// end takes a larger quantile the more the skewness matters. By simulation it covers the mean in 95 of 100 windows of
    /// 100 to 1000 pairs, of log-normal values of σ from 1 to 2.1 (`judge_figures`).
    pub fn of_mean(count: u64, [sum, squares, cubes]: [f64; 3]) -> Option<Self> {
        if count == 0 {
            return None;
        }
        let n = count as f64;
        let value = sum / n;
        let variance = (squares / n - value * value).max(0.0);
        // Of equal values rounding is all that there is, and of a single one nothing is known.
        if count == 1 || variance <= 1e-12 * value * value {
            let interval = [value, value];
            return Some(Self { value, interval });
        }
        let third = cubes / n - 3.0 * value * squares / n + 2.0 * value.powi(3);
        let skewness = third / variance.powf(1.5) / n.sqrt();
        let error = (variance / (n - 1.0)).sqrt();
        let untransformed = |quantile: f64| match skewness.abs() < 1e-6 {
            true => quantile,
            false => ((1.0 + skewness * (quantile - skewness / 6.0)).cbrt() - 1.0) * 3.0 / skewness,
        };
        let far = (Z_975 + 2.0 * skewness.max(0.0)).min(Z_9995);
        let low = value - error * untransformed(Z_975);
        let high = value - error * untransformed(-far);
        Some(Self {
            value,
            interval: [low.max(0.0), high],
        })
    }

    /// A share: Wilson's interval (1927), which also holds near 0 and 1.
    pub fn of_share(count: u64, hits: u64) -> Option<Self> {
        let (n, value) = (count as f64, hits as f64 / count as f64);
        let z2 = Z_975 * Z_975;
        let centre = (value + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let spread = value * (1.0 - value) / n + z2 / (4.0 * n * n);
        let radius = Z_975 * spread.sqrt() / (1.0 + z2 / n);
        (count > 0).then_some(Self {
            value,
            interval: [(centre - radius).max(0.0), (centre + radius).min(1.0)],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-4, "{a} is not {b}");
    }

    #[test]
    fn known_intervals() {
        assert_eq!(Estimate::of_share(0, 0), None);
        // Wilson's own kind of example: 8 of 10.
        let share = Estimate::of_share(10, 8).expect("counted");
        near(share.interval[0], 0.4902);
        near(share.interval[1], 0.9433);
        assert_eq!(Estimate::of_share(5, 5).expect("counted").interval[1], 1.0);
        // 0, 0, 1, 1: without skewness it is the normal interval.
        let mean = Estimate::of_mean(4, [2.0, 2.0, 2.0]).expect("counted");
        near(mean.value, 0.5);
        near(mean.interval[1], 0.5 + 1.959_964 * (0.25_f64 / 3.0).sqrt());
        let equal = Estimate::of_mean(9, [0.9, 0.09, 0.009]).expect("counted");
        assert_eq!(equal.interval, [equal.value; 2]);
        assert!(Estimate::of_mean(1, [0.5, 0.25, 0.125]).is_some());
        assert_eq!(Estimate::of_mean(0, [0.0; 3]), None);
    }

    #[test]
    fn a_difference_of_readings_is_what_happened_between() {
        let mut then = Tally {
            predictions: vec![1, 2],
            pairs: 3,
            kl_nats: 0.5,
            class_nats: vec![0.25, 0.25],
            cells: vec![vec![3, 0]],
            ..Tally::default()
        };
        then.calibration.observe(0.9, true);
        let mut now = then.clone();
        now.predictions[1] += 4;
        now.pairs += 2;
        now.kl_nats += 1.0;
        now.class_nats[0] += 1.0;
        now.cells[0][1] += 2;
        now.calibration.observe(0.2, false);
        let between = now.since(&then);
        assert_eq!(between.predictions, [0, 4]);
        assert_eq!((between.pairs, between.kl_nats), (2, 1.0));
        assert_eq!(between.class_nats, [1.0, 0.0]);
        assert_eq!(between.cells, [[0, 2]]);
        assert_eq!(between.calibration.bins()[9].answers, 0);
        assert_eq!(between.calibration.bins()[2].answers, 1);
        // Counters that weren't there yet began at 0.
        assert_eq!(now.since(&Tally::default()), now);
    }
}
