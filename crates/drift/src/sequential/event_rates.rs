//! The test on errors and late answers of live requests, which pairs don't cover: are they more frequent on the canary?

use serde::{Deserialize, Serialize};

use super::{RollBack, STAKES};

/// Beyond this share of a second's requests, more events are no more evidence.
const SHARE_CAP: f64 = 0.2;

/// Stable must have at least this part of the canary's requests: the cap cuts off the peaks of the smaller sample, which
/// would make stable look better than it is.
const LEAST_STABLE_RATIO: f64 = 0.5;

/// Events among the requests of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Errors, or late answers.
    pub events: u64,
    /// All requests, events included.
    pub requests: u64,
}

impl Rate {
    /// The share of the requests that were events, capped and scaled to 0..=1.
    fn scaled(self) -> f64 {
        let share = self.events as f64 / self.requests as f64;
        share.min(SHARE_CAP) / SHARE_CAP
    }

    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.requests += other.requests;
    }
}

/// Wealth against "in no second is the canary's share of events expected to be above `margin_ratio` times stable's".
///
/// The observation is a second, not an event: late answers and errors come in clusters (a batch, a stall, a form with many
/// pictures), and a test that counts them one by one takes three of one cluster for three independent witnesses. Each
/// second gives `c − margin_ratio · s` with both shares capped at a fifth, so that no second weighs more than another. An
/// outage of both is no evidence, and neither are rates that change over the day.
///
/// The bets are those of [`RollBack`], with margin 0 on the range `-margin_ratio..=1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRates {
    margin_ratio: f64,
    canary: Rate,
    stable: Rate,
    test: RollBack,
}

impl EventRates {
    /// A canary's rate of up to `margin_ratio` times stable's is allowed; `restart_every` in seconds observed.
    ///
    /// # Panics
    /// If the ratio isn't above 0, or a run shall end before it has begun.
    pub fn new(margin_ratio: f64, restart_every: Option<u64>) -> Self {
        assert!(
            margin_ratio > 0.0 && margin_ratio.is_finite(),
            "a margin ratio of {margin_ratio} must be above 0"
        );
        Self {
            margin_ratio,
            canary: Rate::default(),
            stable: Rate::default(),
            test: RollBack::new(-margin_ratio, 1.0, 0.0, restart_every),
        }
    }

    /// One second's requests. Where one of the two has none, or stable has much fewer than the canary, the second is counted
    /// but no evidence.
    pub fn observe(&mut self, canary: Rate, stable: Rate) {
        self.canary.add(canary);
        self.stable.add(stable);
        let least = LEAST_STABLE_RATIO * canary.requests as f64;
        if canary.requests > 0 && stable.requests > 0 && stable.requests as f64 >= least {
            let excess = canary.scaled() - self.margin_ratio * stable.scaled();
            self.test.observe(excess);
        }
    }

    /// By stake, ln wealth: what each replica shows and a fleet adds up.
    pub fn log_wealth(&self) -> [f64; STAKES] {
        self.test.log_wealth()
    }

    /// ln of the e-value; the null is refuted at α when it is at least ln(1/α).
    pub fn log_e(&self) -> f64 {
        self.test.log_e()
    }

    /// All requests and events of the canary and of stable.
    pub fn totals(&self) -> (Rate, Rate) {
        (self.canary, self.stable)
    }

    /// Number of seconds that were evidence.
    pub fn observations(&self) -> u64 {
        self.test.observations()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_without_requests_of_both_says_nothing() {
        let mut test = EventRates::new(1.5, None);
        let rate = |events, requests| Rate { events, requests };
        test.observe(rate(9, 9), rate(0, 0));
        test.observe(rate(0, 0), rate(9, 9));
        test.observe(rate(100, 100), rate(0, 49));
        assert_eq!((test.log_e(), test.observations()), (0.0, 0));
        assert_eq!(test.totals(), (rate(109, 109), rate(9, 58)));
        test.observe(rate(1, 100), rate(0, 50));
        assert_eq!(test.observations(), 1);
        assert!(test.log_e() > 0.0);
    }

    /// A second in which everything is late is one observation, and beyond a fifth more is not worse.
    #[test]
    fn no_second_weighs_more_than_another() {
        let after = |events| {
            let mut test = EventRates::new(1.5, None);
            test.observe(
                Rate {
                    events,
                    requests: 100,
                },
                Rate {
                    events: 0,
                    requests: 100,
                },
            );
            test.log_e()
        };
        assert_eq!(after(20), after(100));
        assert!(after(10) < after(20));
    }
}
