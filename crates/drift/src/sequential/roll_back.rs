//! The test for a roll-back: is the canary worse than its margin allows?

use serde::{Deserialize, Serialize};

use super::{STAKE_FRACTIONS, STAKES, ln_add_exp, ln_mean_exp, margin::Margin};

/// Wealth against "the mean difference, whatever was seen before, is at most the margin".
///
/// Runs begin at a fixed interval of observations and share the initial wealth, the k-th gets 1/(k(k+1)): a canary that becomes
/// worse late is detected by a run that hasn't lost its wealth while the canary was good. All runs make the same bets, so the
/// wealth of the K runs that have begun is one number per stake, and 1/(K+1) is reserved for later runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollBack {
    margin: Margin,
    /// Observations between two runs; none: a single run.
    restart_every: Option<u64>,
    observations: u64,
    runs: u64,
    /// By stake, ln of what the runs own that have begun.
    begun: [f64; STAKES],
}

impl RollBack {
    /// Differences lie in `lowest..=highest`, canary less stable, the larger the worse.
    ///
    /// # Panics
    /// If the margin isn't between the two, or a run shall end before it has begun.
    pub fn new(lowest: f64, highest: f64, margin: f64, restart_every: Option<u64>) -> Self {
        assert_ne!(restart_every, Some(0), "a run has at least one observation");
        let first = match restart_every {
            Some(_) => 0.5_f64.ln(),
            None => 0.0,
        };
        Self {
            margin: Margin::new(lowest, highest, margin),
            restart_every,
            observations: 0,
            runs: 1,
            begun: [first; STAKES],
        }
    }

    /// Adds a difference; it is clamped to the range, and NaN counts as `highest`.
    pub fn observe(&mut self, difference: f64) {
        if let Some(every) = self.restart_every
            && self.observations == self.runs * every
        {
            self.runs += 1;
            let share = self.runs as f64 * (self.runs + 1) as f64;
            for begun in &mut self.begun {
                *begun = ln_add_exp(*begun, -share.ln());
            }
        }
        self.observations += 1;
        let excess = self.margin.excess(difference);
        for (begun, fraction) in self.begun.iter_mut().zip(STAKE_FRACTIONS) {
            *begun += (fraction * excess).ln_1p();
        }
    }

    /// By stake, ln wealth: what each replica shows and a fleet adds up.
    pub fn log_wealth(&self) -> [f64; STAKES] {
        let promised = match self.restart_every {
            Some(_) => -((self.runs + 1) as f64).ln(),
            None => f64::NEG_INFINITY,
        };
        self.begun.map(|begun| ln_add_exp(begun, promised))
    }

    /// ln of the e-value; the null is refuted at α when it is at least ln(1/α).
    pub fn log_e(&self) -> f64 {
        ln_mean_exp(&self.log_wealth())
    }

    /// Number of differences observed.
    pub fn observations(&self) -> u64 {
        self.observations
    }
}
