//! About which pictures the teacher is asked: it is what shadows cost.
//!
//! Without a canary about all. With one, both students run first. Of each picture the teacher is asked either because it is
//! drawn for the uniform part, which is all that the published counters rest on, or with the probability that the two
//! answers are worth ([`Contrast::chance`]). Both draws are independent of what the teacher would say.

use super::{engines::Answers, outcome::Outcome};
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
                false => self.draw(current, index, students, uniform_part),
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

    /// How the canary's answer to picture `index` differs from stable's, in disagreement and in divergence; `beside` is begun
    /// with the teacher's answer, if it was asked.
    pub(super) fn differences(
        &mut self,
        index: usize,
        [stable, canary]: [Outcome; 2],
        measures: [Option<PairMeasure>; 2],
        beside: Option<&Comparison>,
        clip_nats: f64,
    ) -> [f64; 2] {
        let Some(of_canary) = canary.finite() else {
            // What stable doesn't answer either says nothing of the canary.
            return [f64::from(stable.finite().is_some()); 2];
        };
        // Not asked: the same class, and a divergence that the others stand for.
        let Some(beside) = beside else {
            return [0.0; 2];
        };
        let [of_stable, of_canary_beside] = measures;
        let agrees = |measure: Option<PairMeasure>| measure.map(|measure| measure.agrees);
        let nats = |measure: Option<PairMeasure>| measure.map(|measure| measure.kl_nats);
        let divergence = match stable.finite() {
            Some(of_stable) => {
                self.contrast.set(of_stable, of_canary);
                self.contrast.difference(beside, clip_nats) / self.of(index).chance
            }
            None => divergence(None, nats(of_canary_beside), clip_nats),
        };
        let disagreement = disagreement(agrees(of_stable), agrees(of_canary_beside));
        [disagreement, divergence]
    }

    fn draw(
        &mut self,
        current: &Deployment,
        index: usize,
        students: [&Answers; 2],
        uniform_part: f64,
    ) -> Ask {
        let worth = self.worth(current, index, students);
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
    ) -> f64 {
        let Some(seat) = &current.canary else {
            return 1.0;
        };
        let of_stable = Outcome::of(&current.stable.version, stable, index).finite();
        let of_canary = Outcome::of(&seat.version, canary, index).finite();
        let (of_stable, of_canary) = match (of_stable, of_canary) {
            // The worst there is, or no evidence at all, whatever the teacher says.
            (_, None) => return 0.0,
            (None, _) => return 1.0,
            (Some(of_stable), Some(of_canary)) => (of_stable, of_canary),
        };
        self.contrast.set(of_stable, of_canary);
        self.contrast.chance(current.clip_nats())
    }
}
