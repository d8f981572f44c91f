//! What the live answers look like beside the reference: class counts, their distance, and how much of it is noise.
//!
//! No fixed threshold on a divergence works: with 1000 classes and 1000 answers its mean is .57 nats without any drift, while
//! at 10 classes .3 nats already mean that one class went from 10 % to 39 %. So each distance comes with its own noise.

use serde::{Deserialize, Serialize};

/// The 99.9 % quantile of the standard normal distribution.
const Z_999: f64 = 3.0902;

/// Answers needed for each class before the noise's formula holds.
const ANSWERS_PER_CLASS: u64 = 5;

/// The shares of the classes at validation, none of them 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    shares: Vec<f64>,
    samples: u64,
}

impl Reference {
    /// From a manifest's `class_ratios` and `samples`. They are smoothed when a version is built; where a manifest was edited to 0
    /// all get half a sample more (Jeffreys), for no class is impossible.
    ///
    /// # Panics
    /// If there are fewer than two classes.
    pub fn new(class_ratios: &[f64], samples: u64) -> Self {
        assert!(class_ratios.len() >= 2, "at least two classes");
        let (classes, total) = (class_ratios.len() as f64, samples as f64);
        let smoothed = |share: f64| (share * total + 0.5) / (total + classes / 2.0);
        let has_zero = class_ratios.iter().any(|share| *share <= 0.0);
        let shares = class_ratios.iter().copied();
        Self {
            shares: match has_zero {
                true => shares.map(|share| smoothed(share.max(0.0))).collect(),
                false => shares.collect(),
            },
            samples,
        }
    }

    /// By class.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// Pictures that the shares were counted on.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Live shares with half a pseudo-count a class, spread as the reference is: never towards uniform, which would show
    /// drift wherever there is little traffic.
    fn live<'a>(&'a self, counts: &'a [u64]) -> impl Iterator<Item = (f64, f64)> + 'a {
        assert_eq!(
            counts.len(),
            self.shares.len(),
            "counts of the same classes"
        );
        let pseudo = counts.len() as f64 / 2.0;
        let total = counts.iter().sum::<u64>() as f64 + pseudo;
        let pairs = counts.iter().zip(&self.shares);
        pairs.map(move |(count, q)| ((*count as f64 + pseudo * q) / total, *q))
    }

    /// Live counts beside this reference.
    ///
    /// # Panics
    /// If the counts are of another number of classes.
    pub fn compare(&self, counts: &[u64]) -> Shift {
        let (mut kl, mut psi, mut js) = (0.0, 0.0, 0.0);
        for (p, q) in self.live(counts) {
            let (ratio, middle) = ((p / q).ln(), (p + q) / 2.0);
            kl += p * ratio;
            psi += (p - q) * ratio;
            js += (p * (p / middle).log2() + q * (q / middle).log2()) / 2.0;
        }
        let answers = counts.iter().sum::<u64>();
        let freedom = (self.shares.len() - 1) as f64;
        let scatter = 1.0 / answers as f64 + 1.0 / self.samples as f64;
        Shift {
            answers,
            is_enough: answers >= ANSWERS_PER_CLASS * self.shares.len() as u64,
            // Rounding can leave sums a little below zero.
            kl_nats: kl.max(0.0),
            psi: psi.max(0.0),
            js_bits: js.max(0.0),
            bias_nats: freedom / 2.0 * scatter,
            noise_nats: chi_square_999(freedom) / 2.0 * scatter,
        }
    }

    /// Which classes moved: each one's part `p ln(p/q) − p + q` of the divergence, never negative, with their sum its whole.
    ///
    /// # Panics
    /// If the counts are of another number of classes.
    pub fn contributions_nats<'a>(&'a self, counts: &'a [u64]) -> impl Iterator<Item = f64> + 'a {
        let pairs = self.live(counts);
        pairs.map(|(p, q)| (p * (p / q).ln() - p + q).max(0.0))
    }
}

/// How far live answers are from the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// Live answers counted.
    pub answers: u64,
    /// Five answers a class: with fewer, the noise formulas don't hold.
    pub is_enough: bool,
    /// KL(live‖reference).
    pub kl_nats: f64,
    /// The population stability index: KL both ways, added.
    pub psi: f64,
    /// Jensen and Shannon's divergence, from 0 to 1.
    pub js_bits: f64,
    /// What `kl_nats` is on average without drift.
    pub bias_nats: f64,
    /// What `kl_nats` exceeds once in a thousand times without drift.
    pub noise_nats: f64,
}

/// When a shift raises an alert.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertRule {
    /// Nats above the bias that matter.
    pub effect_nats: f64,
    /// Answers that must be exceeded.
    pub answers: u64,
}

impl Default for AlertRule {
    fn default() -> Self {
        Self {
            effect_nats: 0.05,
            answers: 500,
        }
    }
}

impl AlertRule {
    /// Beyond noise *and* large enough to matter *and* counted often enough.
    pub fn fires(&self, shift: &Shift) -> bool {
        shift.is_enough
            && shift.answers > self.answers
            && shift.kl_nats > shift.noise_nats
            && shift.kl_nats - shift.bias_nats > self.effect_nats
    }
}

/// The 99.9 % quantile of χ² by Wilson and Hilferty (1931).
fn chi_square_999(degrees_of_freedom: f64) -> f64 {
    let ninth = 2.0 / (9.0 * degrees_of_freedom);
    degrees_of_freedom * (1.0 - ninth + Z_999 * ninth.sqrt()).powi(3)
}

#[cfg(test)]
mod tests;
