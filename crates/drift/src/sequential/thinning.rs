//! Errors and late answers of live requests, which no pair compares: whose are they?

use serde::{Deserialize, Serialize};

use super::{STAKES, ln_mean_exp};

/// How many times the margin's rate the canary may have, one stake each.
const RATE_FACTORS: [f64; STAKES] = [1.15, 1.35, 1.7, 2.3, 3.5, 6.0, 12.0, 40.0];

/// Wealth against "a canary's request is at most `margin_ratio` times as likely to be an event as one of stable's".
///
/// Only events are counted, an error or an answer that is later than a fixed bound, and for each only who answered. An
/// outage that both share therefore says nothing, and neither do rates that change with the hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thinning {
    margin_ratio: f64,
    canary_events: u64,
    stable_events: u64,
    log_wealth: [f64; STAKES],
}

impl Thinning {
    /// A canary's rate of up to `margin_ratio` times stable's is allowed.
    ///
    /// # Panics
    /// If the ratio isn't above 0.
    pub fn new(margin_ratio: f64) -> Self {
        assert!(
            margin_ratio > 0.0 && margin_ratio.is_finite(),
            "a margin ratio of {margin_ratio} must be above 0"
        );
        Self {
            margin_ratio,
            canary_events: 0,
            stable_events: 0,
            log_wealth: [0.0; STAKES],
        }
    }

    /// One more event while the canary answers `canary_share` of the requests that canary or stable answer.
    ///
    /// An error of the canary's is its own, also where stable answered instead. Where only one of the two answers, an event
    /// says nothing about the other and the wealth stays.
    pub fn observe(&mut self, is_canarys: bool, canary_share: f64) {
        match is_canarys {
            true => self.observe_many(1, 0, canary_share),
            false => self.observe_many(0, 1, canary_share),
        }
    }

    /// Several events, all with the same share: their order says nothing.
    pub fn observe_many(&mut self, canarys: u64, stables: u64, canary_share: f64) {
        self.canary_events += canarys;
        self.stable_events += stables;
        if canarys + stables == 0 {
            return;
        }
        if !(canary_share > 0.0 && canary_share < 1.0) {
            return;
        }
        // The odds that an event is the canary's if its rate is `ratio` times stable's; the sum is what they are out of.
        let odds = |ratio: f64| {
            (
                canary_share * ratio,
                canary_share * ratio + 1.0 - canary_share,
            )
        };
        let (allowed, allowed_of) = odds(self.margin_ratio);
        for (wealth, factor) in self.log_wealth.iter_mut().zip(RATE_FACTORS) {
            let (bet, bet_of) = odds(self.margin_ratio * factor);
            // ln((1−q_j)/(1−q_0)) for stable's: its share is the same under both, only what it is out of differs.
            let events = (canarys + stables) as f64;
            *wealth += events * (allowed_of / bet_of).ln() + canarys as f64 * (bet / allowed).ln();
        }
    }

    /// By rate, ln wealth: what each replica shows and a fleet adds up.
    pub fn log_wealth(&self) -> [f64; STAKES] {
        self.log_wealth
    }

    /// ln of the e-value; the null is refuted at α when it is at least ln(1/α).
    pub fn log_e(&self) -> f64 {
        ln_mean_exp(&self.log_wealth)
    }

    /// Events of the canary and of stable.
    pub fn events(&self) -> (u64, u64) {
        (self.canary_events, self.stable_events)
    }
}
