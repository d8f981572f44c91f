//! Where the mean difference lies, for people to read beside the tests.

use serde::{Deserialize, Serialize};

use super::bounded;

/// The largest bet: larger ones narrow the beginning and widen the rest.
const LARGEST_BET: f64 = 0.5;

/// A confidence sequence: at all times together it holds the mean with the promised confidence, so one may read it as often
/// as one likes. The predictable plug-in empirical Bernstein sequence (Waudby-Smith & Ramdas 2024, theorem 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    lowest: f64,
    highest: f64,
    /// ln(2/α)
    log_odds: f64,
    observations: u64,
    sum: f64,
    /// Σ (x − running mean)², of values scaled to 0..=1, as all below.
    squares: f64,
    bets: f64,
    weighted: f64,
    spent: f64,
}

impl Interval {
    /// For values within `lowest..=highest`; it misses the mean with a chance of at most `alpha`.
    pub fn new(lowest: f64, highest: f64, alpha: f64) -> Self {
        Self {
            lowest,
            highest,
            log_odds: (2.0 / alpha).ln(),
            observations: 0,
            sum: 0.0,
            squares: 0.0,
            bets: 0.0,
            weighted: 0.0,
            spent: 0.0,
        }
    }

    /// One more value; outside its range it is cut, and not a number is the highest.
    pub fn observe(&mut self, value: f64) {
        let value = bounded(value, self.lowest, self.highest);
        let x = (value - self.lowest) / (self.highest - self.lowest);
        let (before, n) = (self.observations as f64, (self.observations + 1) as f64);
        // Half an observation of 1/2 to begin with, so that the first bet has a mean and a variance to go by.
        let mean = (0.5 + self.sum) / (before + 1.0);
        let variance = (0.25 + self.squares) / (before + 1.0);
        let bet = (2.0 * self.log_odds / (variance * n * (n + 1.0).ln())).sqrt();
        let bet = bet.min(LARGEST_BET);
        self.bets += bet;
        self.weighted += bet * x;
        self.spent += (x - mean).powi(2) * (-(-bet).ln_1p() - bet);
        self.observations += 1;
        self.sum += x;
        self.squares += (x - (0.5 + self.sum) / (n + 1.0)).powi(2);
    }

    /// The mean of what was seen; none of nothing.
    pub fn mean(&self) -> Option<f64> {
        let scale = self.highest - self.lowest;
        (self.observations > 0).then(|| self.lowest + scale * self.sum / self.observations as f64)
    }

    /// From where to where; the whole range before the first value.
    pub fn bounds(&self) -> [f64; 2] {
        if self.observations == 0 {
            return [self.lowest, self.highest];
        }
        let centre = self.weighted / self.bets;
        let radius = (self.log_odds + self.spent) / self.bets;
        let scaled = |x: f64| self.lowest + (self.highest - self.lowest) * x.clamp(0.0, 1.0);
        [scaled(centre - radius), scaled(centre + radius)]
    }

    /// Values seen.
    pub fn observations(&self) -> u64 {
        self.observations
    }
}

#[cfg(test)]
mod tests {
    use super::{super::streams::Endings, *};

    /// Looked at after every pair, it leaves the true difference in at most 5 of 100 streams.
    #[test]
    fn it_holds_the_mean_at_all_times() {
        for (agreement, mean) in [(0.98, 0.0), (0.95, 0.03), (0.60, 0.38)] {
            let new = || Interval::new(-1.0, 1.0, 0.05);
            let missed = Endings::of(150, 2000, new, |interval, stream, _| {
                interval.observe(stream.difference(agreement));
                let [low, high] = interval.bounds();
                !(low..=high).contains(&mean)
            });
            println!("{agreement}: missed in {} %", missed.percent());
            assert!(missed.percent() <= 5.0, "{} %", missed.percent());
        }
    }

    #[test]
    fn it_narrows() {
        let mut interval = Interval::new(-1.0, 1.0, 0.05);
        assert_eq!((interval.bounds(), interval.mean()), ([-1.0, 1.0], None));
        for n in 0..10_000 {
            interval.observe(f64::from(n % 50 == 0));
        }
        let [low, high] = interval.bounds();
        assert!((interval.mean().expect("seen") - 0.02).abs() < 1e-9);
        assert!(
            0.008 < low && low < 0.02 && 0.02 < high && high < 0.035,
            "{low} {high}"
        );
    }
}
