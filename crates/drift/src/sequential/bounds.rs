//! Between which bounds the mean difference lies: the margins that the tests' own bets would refute.

use serde::{Deserialize, Serialize};

use super::{STAKE_FRACTIONS, bounded, ln_mean_exp};

/// Differences are kept as weights on −1 … 0 … 1, three nodes an octave down to a thousandth.
const NODES_A_SIDE: usize = 31;
const NODES: usize = 2 * NODES_A_SIDE + 1;
const ZERO: usize = NODES_A_SIDE;
const NODES_AN_OCTAVE: f64 = 3.0;

/// A bound is found to a millionth of the range.
const HALVINGS: u32 = 21;

/// All differences of a metric, in what the tests at *every* margin need of them.
///
/// A difference is shared by the two nodes beside it so that its value stays their mean. As the logarithm is concave, that
/// understates what a bet has won or overstates what it has lost, by little: the bounds are never narrower than those of the
/// differences themselves, and the same where these are −1, 0 or 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Weighted", into = "Weighted")]
pub struct Bounds {
    weights: [f64; NODES],
    observations: u64,
    /// Differences that were lost and count as 1, against an upper bound only.
    presumed_lost: u64,
}

/// The nodes that have a weight.
#[derive(Serialize, Deserialize)]
struct Weighted {
    observations: u64,
    presumed_lost: u64,
    weights: Vec<(usize, f64)>,
}

impl From<Weighted> for Bounds {
    fn from(from: Weighted) -> Self {
        let mut weights = [0.0; NODES];
        for (node, weight) in from.weights {
            if let Some(place) = weights.get_mut(node) {
                *place = weight;
            }
        }
        Self {
            weights,
            observations: from.observations,
            presumed_lost: from.presumed_lost,
        }
    }
}

impl From<Bounds> for Weighted {
    fn from(bounds: Bounds) -> Self {
        let all = bounds.weights.into_iter().enumerate();
        Self {
            observations: bounds.observations,
            presumed_lost: bounds.presumed_lost,
            weights: all.filter(|(_, weight)| *weight > 0.0).collect(),
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            weights: [0.0; NODES],
            observations: 0,
            presumed_lost: 0,
        }
    }
}

impl Bounds {
    /// Adds a difference; it is clamped to −1..=1, and NaN counts as 1.
    pub fn observe(&mut self, difference: f64) {
        let difference = bounded(difference, -1.0, 1.0);
        let size = difference.abs();
        // As a float, since 0 lies infinitely many octaves down.
        let below = (-NODES_AN_OCTAVE * size.log2()).floor();
        let below = below.clamp(0.0, (NODES_A_SIDE - 1) as f64) as usize;
        let (larger, smaller) = (size_of(below), size_of(below + 1));
        let part = ((size - smaller) / (larger - smaller)).clamp(0.0, 1.0);
        let place = |below: usize| match difference > 0.0 {
            true => NODES - 1 - below,
            false => below,
        };
        self.weights[place(below)] += part;
        self.weights[place(below + 1)] += 1.0 - part;
        self.observations += 1;
    }

    /// Counts differences that nobody knows as 1, against the upper bound.
    pub fn presume_lost(&mut self, differences: u64) {
        self.presumed_lost += differences;
    }

    /// Number of differences observed.
    pub fn observations(&self) -> u64 {
        self.observations
    }

    /// The mean of the differences; `None` before the first.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.seen().map(|(value, weight)| value * weight).sum();
        (self.observations > 0).then(|| sum / self.observations as f64)
    }

    /// The least margin that a [`super::Promotion`] of these differences shows not to be reached, with an e-value of
    /// `exp(log_e)`; 1 if there is none.
    pub fn upper(&self, log_e: f64) -> f64 {
        let wealth = |margin: f64| {
            let lost = self.presumed_lost as f64;
            ln_mean_exp(&STAKE_FRACTIONS.map(|fraction| {
                let won = |value: f64| (fraction * (margin - value) / (1.0 - margin)).ln_1p();
                let seen: f64 = self.seen().map(|(value, weight)| weight * won(value)).sum();
                seen + lost * won(1.0)
            }))
        };
        // The wealth grows with the margin.
        bisect(-1.0, 1.0, |margin| wealth(margin) >= log_e)
    }

    /// The largest margin that a [`super::RollBack`] of these differences shows to be exceeded, with an e-value of
    /// `exp(log_e)`; −1 if there is none. Of a test that begins again only its first run counts, which has half of the
    /// wealth.
    pub fn lower(&self, log_e: f64, begins_again: bool) -> f64 {
        let needed = log_e + if begins_again { 2_f64.ln() } else { 0.0 };
        let wealth = |margin: f64| {
            ln_mean_exp(&STAKE_FRACTIONS.map(|fraction| {
                let won = |value: f64| (fraction * (value - margin) / (margin + 1.0)).ln_1p();
                self.seen().map(|(value, weight)| weight * won(value)).sum()
            }))
        };
        bisect(1.0, -1.0, |margin| wealth(margin) >= needed)
    }

    fn seen(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let all = self.weights.iter().enumerate();
        let seen = all.filter(|(_, weight)| **weight > 0.0);
        seen.map(|(node, weight)| (value_of(node), *weight))
    }
}

/// Where `is_refuted` begins, from the side where it holds; `refuted` itself if it holds nowhere within.
fn bisect(open: f64, refuted: f64, is_refuted: impl Fn(f64) -> bool) -> f64 {
    let (mut open, mut refuted) = (open, refuted);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(open, refuted);
        match is_refuted(middle) {
            true => refuted = middle,
            false => open = middle,
        }
    }
    refuted
}

fn size_of(below: usize) -> f64 {
    match below < NODES_A_SIDE {
        true => (-(below as f64) / NODES_AN_OCTAVE).exp2(),
        false => 0.0,
    }
}

fn value_of(node: usize) -> f64 {
    match node < ZERO {
        true => -size_of(node),
        false => size_of(NODES - 1 - node),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{Promotion, RollBack, streams::Endings},
        *,
    };

    const PROMOTION: f64 = 2.995_732_274;
    const ROLL_BACK: f64 = 5.991_464_547;

    /// Looked at after every pair, they leave the true difference in at most 5 of 100 streams.
    #[test]
    fn they_hold_the_mean_at_all_times() {
        for (agreement, mean) in [(0.98, 0.0), (0.95, 0.03), (0.60, 0.38)] {
            let missed = Endings::of(200, 1000, Bounds::default, |bounds, stream, n| {
                bounds.observe(stream.difference(agreement));
                // They change little from pair to pair.
                n % 5 == 0
                    && !(bounds.lower(ROLL_BACK, true)..=bounds.upper(PROMOTION)).contains(&mean)
            });
            println!("{agreement}: missed in {} %", missed.percent());
            assert!(missed.percent() <= 5.0, "{} %", missed.percent());
        }
    }

    #[test]
    fn they_are_narrower_than_a_bernstein_bound() {
        let mut bounds = Bounds::default();
        assert_eq!((bounds.upper(3.0), bounds.lower(3.0, false)), (1.0, -1.0));
        (0..500).for_each(|_| bounds.observe(0.0));
        let (low, high) = (bounds.lower(ROLL_BACK, true), bounds.upper(PROMOTION));
        println!("500 equal pairs: {low:+.4} to {high:+.4}");
        assert!((high - low) / 2.0 < 0.0155, "{low} to {high}");
    }

    fn differences() -> impl Strategy<Value = Vec<f64>> {
        let whole = prop::sample::select(vec![-1.0, 0.0, 0.0, 0.0, 1.0]);
        let small = (-3.0..0.0_f64, any::<bool>()).prop_map(|(log, is_worse)| {
            let size = 10_f64.powf(log);
            if is_worse { size } else { -size }
        });
        prop_oneof![
            prop::collection::vec(whole, 1..400),
            prop::collection::vec(small, 1..400)
        ]
    }

    proptest! {
        /// Whatever the margin, the test at it says what the bound says, up to the sharing between nodes.
        #[test]
        fn they_are_the_tests_own(seen in differences(), margin in -0.5..0.5_f64) {
            let mut bounds = Bounds::default();
            let mut promotion = Promotion::new(-1.0, 1.0, margin);
            let mut roll_back = RollBack::new(-1.0, 1.0, margin, None);
            for difference in &seen {
                bounds.observe(*difference);
                promotion.observe(*difference);
                roll_back.observe(*difference);
            }
            let mean = seen.iter().sum::<f64>() / seen.len() as f64;
            prop_assert!((bounds.mean().expect("seen") - mean).abs() < 1e-12);
            if bounds.upper(PROMOTION) <= margin {
                prop_assert!(promotion.log_e() >= PROMOTION - 1e-3);
            }
            if bounds.upper(PROMOTION) > margin + 0.003 {
                prop_assert!(promotion.log_e() < PROMOTION);
            }
            if bounds.lower(ROLL_BACK, false) >= margin {
                prop_assert!(roll_back.log_e() >= ROLL_BACK - 1e-3);
            }
            if bounds.lower(ROLL_BACK, false) < margin - 0.003 {
                prop_assert!(roll_back.log_e() < ROLL_BACK);
            }
        }

        #[test]
        fn written_and_read_they_are_the_same(seen in differences()) {
            let mut bounds = Bounds::default();
            seen.iter().for_each(|difference| bounds.observe(*difference));
            let text = serde_json::to_string(&bounds).expect("written");
            prop_assert!(text.len() < 2500, "{} bytes", text.len());
            let read: Bounds = serde_json::from_str(&text).expect("read");
            prop_assert!((read.upper(PROMOTION) - bounds.upper(PROMOTION)).abs() < 1e-9);
            prop_assert_eq!(read.observations(), bounds.observations());
        }
    }
}
