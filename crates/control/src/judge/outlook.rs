//! How long a decision about a canary will take: seeded simulations with the judge's own tests. Pure.
//!
//! The pictures are drawn: stable disagrees with the teacher as often as it did, a canary makes six tenths of stable's mistakes and
//! some of its own, and divergences have the heavy tails of real networks (lognormal, σ = 2.1, nine tenths of the variance from how
//! hard the picture is). Of two metrics the slower decides; guards by class, live errors and anchor are left out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Criteria;
use stillhouse_drift::{sequential::divergence, simulation::Stream};

/// Pairs after which a simulated canary counts as undecided.
const LONGEST: u64 = 20_000;

/// Between two looks of the simulated judge; the real one looks twice a second.
const LOOK_EVERY: u64 = 10;

/// How often and how far stable is from the teacher.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StableRates {
    /// Part of the answers with another class.
    pub disagreement: f64,
    /// Mean divergence.
    pub divergence_nats: f64,
}

/// How many pairs it takes until a simulated canary ends, by how much worse than stable it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Outlook {
    /// How much worse, in margins: 1 is beyond them.
    pub margins: f64,
    /// Part of the simulations in which it is promoted, waiting times aside.
    pub promoted: f64,
    /// Part in which it is rolled back.
    pub rolled_back: f64,
    /// Pairs until half of the simulations have ended so; none if fewer do.
    pub median_pairs: Option<u64>,
    /// Until nine tenths have.
    pub p90_pairs: Option<u64>,
}

impl Outlook {
    /// Whether it is promoted more often than rolled back.
    pub fn ends_in_promotion(&self) -> bool {
        self.promoted >= self.rolled_back
    }

    /// Simulates `runs` canaries that are `margins` times the margins worse than stable; the same numbers in every call.
    /// `done` is called after each with their number so far.
    pub fn simulate(
        criteria: &Criteria,
        try_number: u32,
        stable: StableRates,
        margins: f64,
        runs: u32,
        mut done: impl FnMut(u32),
    ) -> Self {
        let (mut promoted, mut rolled_back) = (Vec::new(), Vec::new());
        for run in 0..runs {
            let mut pictures = Pictures::new(u64::from(run), stable, margins, criteria);
            match decision(&mut pictures, criteria, try_number) {
                Some((true, pairs)) => promoted.push(pairs),
                Some((false, pairs)) => rolled_back.push(pairs),
                None => {}
            }
            done(run + 1);
        }
        let part = |of: &[u64]| of.len() as f64 / f64::from(runs.max(1));
        let mut outlook = Self {
            margins,
            promoted: part(&promoted),
            rolled_back: part(&rolled_back),
            median_pairs: None,
            p90_pairs: None,
        };
        let mut ended = match outlook.ends_in_promotion() {
            true => promoted,
            false => rolled_back,
        };
        ended.sort_unstable();
        let quantile = |part: f64| {
            let at = (part * f64::from(runs)) as usize;
            ended.get(at).copied()
        };
        outlook.median_pairs = quantile(0.5);
        outlook.p90_pairs = quantile(0.9);
        outlook
    }
}

/// Whether it is promoted, and after how many pairs.
fn decision(pictures: &mut Pictures, criteria: &Criteria, try_number: u32) -> Option<(bool, u64)> {
    let (mut disagreement, mut nats) = (criteria.disagreement(), criteria.divergence());
    let (back, forward) = (
        criteria.roll_back_log_e(),
        criteria.promotion_log_e(try_number),
    );
    for pair in 1..=LONGEST {
        let [one, other] = pictures.pair();
        disagreement.observe(one);
        nats.observe(other);
        if pair % LOOK_EVERY != 0 {
            continue;
        }
        let both = [&disagreement, &nats];
        if both.iter().any(|test| test.roll_back().log_e() >= back) {
            return Some((false, pair));
        }
        let is_proven = both.iter().all(|test| test.promotion().log_e() >= forward);
        if is_proven && pair >= criteria.promotion_pairs {
            return Some((true, pair));
        }
    }
    None
}

/// A stream of pairs.
struct Pictures {
    stream: Stream,
    wrong: [f64; 2],
    means: [f64; 2],
    clip_nats: f64,
}

impl Pictures {
    fn new(seed: u64, stable: StableRates, margins: f64, criteria: &Criteria) -> Self {
        let wrong = stable.disagreement.clamp(0.0, 0.99);
        let nats = stable.divergence_nats.max(1e-6);
        Self {
            stream: Stream::new(seed),
            wrong: [wrong, wrong + margins * criteria.disagreement_margin],
            means: [nats, nats + margins * criteria.divergence_margin_nats],
            clip_nats: criteria.divergence_clip_nats,
        }
    }

    /// Differences in disagreement and in divergence.
    fn pair(&mut self) -> [f64; 2] {
        let ([stable, canary], [stable_nats, canary_nats]) = (self.wrong, self.means);
        let disagreement = self.stream.disagreements(stable, canary);
        let (stable_nats, canary_nats) = self.stream.divergences(stable_nats, canary_nats);
        [
            disagreement,
            divergence(Some(stable_nats), Some(canary_nats), self.clip_nats),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STABLE: StableRates = StableRates {
        disagreement: 0.02,
        divergence_nats: 0.02,
    };

    fn simulate(try_number: u32, margins: f64) -> Outlook {
        let criteria = Criteria::default();
        Outlook::simulate(&criteria, try_number, STABLE, margins, 30, |_| ())
    }

    #[test]
    fn equals_are_promoted_and_the_bad_rolled_back() {
        let equal = simulate(1, 0.0);
        assert!(
            equal.ends_in_promotion() && equal.promoted > 0.9,
            "{equal:?}"
        );
        let median = equal.median_pairs.expect("most are promoted");
        assert!((500..5000).contains(&median), "{equal:?}");
        assert!(equal.p90_pairs > equal.median_pairs, "{equal:?}");
        assert_eq!(equal, simulate(1, 0.0), "the same in every call");
        let bad = simulate(1, 8.0);
        assert_eq!((bad.rolled_back, bad.promoted), (1.0, 0.0));
        assert!(bad.median_pairs < Some(500), "{bad:?}");
        // Each try needs stronger evidence.
        assert!(simulate(9, 0.0).median_pairs > equal.median_pairs);
    }
}
