//! What a network answered, as it gave it and as probabilities.

use super::{
    distribution::Distribution,
    independent::{Bernoullis, Independent},
};

/// A network's outputs, `[classes]`.
#[derive(Clone, Copy, Debug)]
pub enum Scores<'a> {
    /// Before a softmax.
    Logits(&'a [f32]),
    /// Behind it.
    Probabilities(&'a [f32]),
    /// Of classes that don't exclude each other.
    Independent(Independent<'a>),
}

impl<'a> Scores<'a> {
    /// The numbers.
    pub fn values(self) -> &'a [f32] {
        match self {
            Self::Logits(values) | Self::Probabilities(values) => values,
            Self::Independent(scores) => scores.outputs,
        }
    }

    /// Whether every output is a number.
    pub fn are_finite(self) -> bool {
        self.values().iter().all(|value| value.is_finite())
    }

    /// The largest output's class; the first of equals.
    pub fn top1(self) -> usize {
        let mut top = 0;
        for (class, value) in self.values().iter().enumerate() {
            if *value > self.values()[top] {
                top = class;
            }
        }
        top
    }
}

/// One answer, exclusive classes or independent ones; both buffers are kept.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) exclusive: Distribution,
    pub(super) independent: Bernoullis,
}

impl Answer {
    pub(super) fn set(&mut self, scores: Scores, temperature: f64) {
        match scores {
            Scores::Logits(values) => self.exclusive.set_logits(values, temperature),
            Scores::Probabilities(values) => self.exclusive.set_probabilities(values, temperature),
            Scores::Independent(scores) => self.independent.set(&scores, temperature),
        }
    }

    pub(super) fn kl_nats(&self, other: &Self, are_independent: bool) -> f64 {
        match are_independent {
            true => self.independent.kl_nats(&other.independent),
            false => self.exclusive.kl_nats(&other.exclusive),
        }
    }
}
