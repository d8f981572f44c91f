//! Two students on one picture, before the teacher has answered: how far its answer could set them apart.
//!
//! The difference of two students' divergences from a teacher is linear in the teacher's probabilities t:
//! `KL(t‖c) − KL(t‖s) = Σ_k t_k (ln s_k − ln c_k)`. So `max_k |ln s_k − ln c_k|` bounds it whatever the teacher says, and where
//! both students name the same class, their disagreements with the teacher don't differ at all. Where little can come of it,
//! the teacher is asked with a probability π only, and the difference divided by π: its mean stays what it is
//! (Horvitz & Thompson 1952), and with π of at least the bound it stays within −1..1, as the tests need.

use super::{
    answer::{Answer, Scores},
    comparison::Comparison,
};

/// Smaller probabilities of a student count as this one, so that one class can't make the bound useless: at most 6.9 nats.
const FLOOR: f64 = 1e-3;

/// The teacher is asked at least this often, however alike the students are.
const LEAST_CHANCE: f64 = 0.002;

/// Both students' answers to one picture; the buffers are kept from picture to picture.
#[derive(Debug, Default)]
pub struct Contrast {
    stable: Answer,
    canary: Answer,
    are_independent: bool,
    name_different_classes: bool,
    most_nats: f64,
}

impl Contrast {
    /// Takes both answers, which must be finite, of as many classes, and both exclusive or both independent.
    pub fn set(&mut self, stable: Scores, canary: Scores) {
        self.stable.set(stable, 1.0);
        self.canary.set(canary, 1.0);
        (self.are_independent, self.name_different_classes) = match (stable, canary) {
            (Scores::Independent(stable), Scores::Independent(canary)) => {
                (true, !stable.labels().eq(canary.labels()))
            }
            _ => (false, stable.top1() != canary.top1()),
        };
        self.most_nats = self.bound_nats();
    }

    /// Whether they name different classes; of independent scores, different labels.
    pub fn names_different_classes(&self) -> bool {
        self.name_different_classes
    }

    /// The probability with which the teacher is to be asked: 1 where the classes differ, else the most that the divergences
    /// can differ by, as a part of `clip_nats`, and never less than 0.002.
    pub fn chance(&self, clip_nats: f64) -> f64 {
        match self.name_different_classes {
            true => 1.0,
            false => (self.most_nats / clip_nats).clamp(LEAST_CHANCE, 1.0),
        }
    }

    /// How much further the canary is from the teacher than stable, with which `comparison` was begun: as a part of
    /// `clip_nats`, from −1 to 1. Probabilities below 0.001 count as that.
    ///
    /// # Panics
    /// If the teacher has another number of classes.
    pub fn difference(&self, comparison: &Comparison, clip_nats: f64) -> f64 {
        let nats = match self.are_independent {
            true => self.independent_nats(comparison.teacher()),
            false => self.exclusive_nats(comparison.teacher()),
        };
        (nats / clip_nats).clamp(-1.0, 1.0)
    }

    fn exclusive_nats(&self, teacher: &Answer) -> f64 {
        let t = teacher.exclusive.p();
        assert_eq!(
            t.len(),
            self.stable.exclusive.p().len(),
            "three answers over the same classes"
        );
        t.iter()
            .zip(self.ratios())
            .map(|(t, ratio)| t * ratio)
            .sum()
    }

    fn independent_nats(&self, teacher: &Answer) -> f64 {
        let ratios = self.label_ratios();
        let terms = teacher.independent.log_p().zip(ratios);
        terms
            .map(|([yes, no], [of_yes, of_no])| yes.exp() * of_yes + no.exp() * of_no)
            .sum()
    }

    /// The largest difference that any teacher could make: for exclusive classes one that is certain of the class about
    /// which the students differ most; for independent ones each class has its own.
    fn bound_nats(&self) -> f64 {
        match self.are_independent {
            true => {
                let each = self.label_ratios().map(|[yes, no]| yes.abs().max(no.abs()));
                each.sum()
            }
            false => self.ratios().map(f64::abs).fold(0.0, f64::max),
        }
    }

    /// By class, `ln s − ln c`.
    fn ratios(&self) -> impl Iterator<Item = f64> + '_ {
        let stable = self.stable.exclusive.log_p().iter();
        let both = stable.zip(self.canary.exclusive.log_p());
        both.map(|(s, c)| floored(*s) - floored(*c))
    }

    /// By class, the same of "applies" and of "doesn't apply".
    fn label_ratios(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let both = self
            .stable
            .independent
            .log_p()
            .zip(self.canary.independent.log_p());
        both.map(|(s, c)| [floored(s[0]) - floored(c[0]), floored(s[1]) - floored(c[1])])
    }
}

fn floored(log_p: f64) -> f64 {
    log_p.max(FLOOR.ln())
}

#[cfg(test)]
mod tests;
