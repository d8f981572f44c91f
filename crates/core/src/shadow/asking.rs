//! About which pictures the teacher is asked: it is what shadows cost.
//!
//! Without a canary about all. With one, both students run first. Of each picture the teacher is asked either because it is
//! drawn for the uniform part, which is all that the published counters rest on, or with the probability that the two
//! answers are worth ([`Contrast::chance`]); where the canary is compared with the anchor, too, with the larger of both
//! probabilities, so that both differences stay within −1..1. The draws are independent of what the teacher would say.

use super::{
    engines::Answers,
    outcome::{self, Outcome},
};
use crate::rollout::Deployment;
use stillhouse_drift::{
    comparison::{Comparison, PairMeasure},
    contrast::Contrast,
    sequential::{disagreement, divergence},
};

/// What was decided about one picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ask {
    /// Whether the teacher's answer is wanted.
    pub(super) is_asked: bool,
    /// The probability with which it was going to be.
    pub(super) chance: f64,
    /// Whether it is of the uniform part.
    pub(super) is_uniform: bool,
}

/// The decisions of one batch.
#[derive(Default)]
pub(super) struct Asking {
    contrast: Contrast,
    asks: Vec<Ask>,
}

impl Asking {
    /// Decides about each of `count` pictures of a batch; the teacher has answered those live that `is_answered` says, which
    /// costs nothing. `uniform_part` is the part of the others about which it is asked whatever the students say.
    pub(super) fn decide(
        &mut self,
        current: &Deployment,
        count: usize,
        students: [&Answers; 2],
        of_anchor: &Answers,
        is_answered: impl Fn(usize) -> bool,
        uniform_part: f64,
    ) {
        self.asks.clear();
        for index in 0..count {
            let ask = match current.canary.is_none() || is_answered(index) {
                true => Ask {
                    is_asked: true,
                    chance: 1.0,
                    is_uniform: true,
                },
                false => self.draw(current, index, (students, of_anchor), uniform_part),
            };
            self.asks.push(ask);
        }
    }

    pub(super) fn of(&self, index: usize) -> Ask {
        self.asks[index]
    }

    /// How many runs of the teacher are spared.
    pub(super) fn spared(&self) -> usize {
        self.asks.iter().filter(|ask| !ask.is_asked).count()
    }

    /// How the canary's answer to picture `index` differs from another version's, stable's or the anchor's, in disagreement and
    /// in divergence; `beside` is begun with the teacher's answer, if it was asked.
    pub(super) fn differences(
        &mut self,
        index: usize,
        [other, canary]: [Outcome; 2],
        measures: [Option<PairMeasure>; 2],
        beside: Option<&Comparison>,
        clip_nats: f64,
    ) -> [f64; 2] {
        let Some(of_canary) = canary.finite() else {
            // What neither can answer is its sender's fault.
            return [f64::from(other.finite().is_some()); 2];
        };
        // Not asked: the same class, and a divergence that the others stand for.
        let Some(beside) = beside else {
            return [0.0; 2];
        };
        let [of_other, of_canary_beside] = measures;
        let agrees = |measure: Option<PairMeasure>| measure.map(|measure| measure.agrees);
        let nats = |measure: Option<PairMeasure>| measure.map(|measure| measure.kl_nats);
        let divergence = match other.finite() {
            Some(other) => {
                self.contrast.set(other, of_canary);
                self.contrast.difference(beside, clip_nats) / self.of(index).chance
            }
            None => divergence(None, nats(of_canary_beside), clip_nats),
        };
        let disagreement = disagreement(agrees(of_other), agrees(of_canary_beside));
        [disagreement, divergence]
    }

    fn draw(
        &mut self,
        current: &Deployment,
        index: usize,
        (students, of_anchor): ([&Answers; 2], &Answers),
        uniform_part: f64,
    ) -> Ask {
        let worth = self.worth(current, index, students, of_anchor);
        let is_uniform = fastrand::f64() < uniform_part;
        Ask {
            is_asked: is_uniform || fastrand::f64() < worth,
            chance: uniform_part + (1.0 - uniform_part) * worth,
            is_uniform,
        }
    }

    /// With which probability the two answers are worth the teacher's.
    fn worth(
        &mut self,
        current: &Deployment,
        index: usize,
        [stable, canary]: [&Answers; 2],
        of_anchor: &Answers,
    ) -> f64 {
        let Some(seat) = &current.canary else {
            return 1.0;
        };
        let Some(of_canary) = Outcome::of(&seat.version, canary, index).finite() else {
            // The same difference, whatever the teacher says.
            return 0.0;
        };
        let stable = Outcome::of(&current.stable.version, stable, index);
        let anchor = outcome::of_anchor(current, of_anchor, index);
        let mut chance = |other: Outcome| {
            let Some(other) = other.finite() else {
                return 1.0;
            };
            self.contrast.set(other, of_canary);
            self.contrast.chance(current.clip_nats())
        };
        let beside_stable = chance(stable);
        beside_stable.max(anchor.map_or(0.0, |(_, anchor)| chance(anchor)))
    }
}
