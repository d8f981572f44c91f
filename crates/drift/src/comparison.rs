//! A teacher's answer and a student's, on the same picture: everything that one pair says.

use super::{
    answer::Answer,
    confidence::Confidence,
    divergence::{clip, is_within_top},
};

pub use super::answer::Scores;

/// How many of the student's classes may hold the teacher's.
const TOP: usize = 5;

/// The most nats that one pair may add to a sum that is only looked at: finite logits can be 10³⁸ apart.
const RECORDED_NATS: f64 = 100.0;

/// Up to so many classes each has its own contribution; beyond, all goes to the class that the teacher named, so that a
/// pair costs as much with 1000 classes as with ten.
pub const SPREAD_CLASSES: usize = 100;

/// What one pair says of one student.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairMeasure {
    /// KL(teacher‖student) at T = 1, at most 100 nats; of independent scores the sum over the classes.
    pub kl_nats: f64,
    /// T²·KL at the student's training temperature, at most 100 nats.
    pub at_temperature_nats: f64,
    /// The student's top class.
    pub top1: usize,
    /// Whether it is the teacher's, too; of independent scores, whether the same labels apply.
    pub agrees: bool,
    /// How probable the student's own answer is to it: of its top class, or of exactly the labels that apply.
    pub certainty: f64,
    /// Whether the teacher's is among the student's first five.
    pub within_top5: bool,
    /// How sure the student is.
    pub confidence: Confidence,
}

/// Room for one pair; kept from pair to pair, so that nothing is allocated.
#[derive(Debug, Default)]
pub struct Comparison {
    teacher: Answer,
    teacher_softened: Answer,
    /// At which the above was made for the present picture; 0: not yet.
    softened_at: f64,
    student: Answer,
    student_softened: Answer,
    are_independent: bool,
    classes: usize,
    top1: usize,
}

impl Comparison {
    /// Begins a pair. Scores must be finite.
    pub fn begin(&mut self, teacher: Scores) {
        self.teacher.set(teacher, 1.0);
        self.are_independent = matches!(teacher, Scores::Independent(_));
        self.classes = teacher.values().len();
        self.top1 = teacher.top1();
        self.softened_at = 0.0;
    }

    /// The teacher's answer at T = 1.
    pub(super) fn teacher(&self) -> &Answer {
        &self.teacher
    }

    /// The teacher's class.
    pub fn teacher_top1(&self) -> usize {
        self.top1
    }

    /// Measures a student beside the teacher that the pair was begun with, whose scores are given once more. Both must be
    /// finite, of as many classes, and both exclusive or both independent.
    pub fn student(&mut self, teacher: Scores, student: Scores, temperature: f64) -> PairMeasure {
        self.student.set(student, 1.0);
        let kl_nats = self.teacher.kl_nats(&self.student, self.are_independent);
        let at_temperature_nats = if temperature == 1.0 {
            kl_nats
        } else {
            if self.softened_at != temperature {
                self.teacher_softened.set(teacher, temperature);
                self.softened_at = temperature;
            }
            self.student_softened.set(student, temperature);
            let softened = &self.student_softened;
            let kl = self
                .teacher_softened
                .kl_nats(softened, self.are_independent);
            temperature * temperature * kl
        };
        let confidence = self.confidence(student);
        let (agrees, certainty) = match (teacher, student) {
            (Scores::Independent(teacher), Scores::Independent(student)) => (
                teacher.labels().eq(student.labels()),
                self.student.independent.certainty(student.labels()),
            ),
            _ => (confidence.top1 == self.top1, confidence.top1_probability),
        };
        PairMeasure {
            kl_nats: clip(kl_nats, RECORDED_NATS).nats,
            at_temperature_nats: clip(at_temperature_nats, RECORDED_NATS).nats,
            top1: confidence.top1,
            agrees,
            certainty,
            within_top5: is_within_top(student.values(), self.top1, TOP),
            confidence,
        }
    }

    /// By class, what the last student's divergence comes from: with the sum of all as `kl_nats`.
    pub fn contributions_nats(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let (teacher, student) = (&self.teacher, &self.student);
        let spread = self.classes <= SPREAD_CLASSES;
        let exclusive = (spread && !self.are_independent)
            .then(|| teacher.exclusive.contributions_nats(&student.exclusive));
        let independent = (spread && self.are_independent)
            .then(|| teacher.independent.contributions_nats(&student.independent));
        let whole = (!spread).then(|| {
            let kl_nats = teacher.kl_nats(student, self.are_independent);
            (self.top1, kl_nats.min(RECORDED_NATS))
        });
        let each = exclusive
            .into_iter()
            .flatten()
            .chain(independent.into_iter().flatten());
        each.enumerate().chain(whole)
    }

    /// From the distribution at T = 1 that is there already; only log-sum-exp needs the logits themselves.
    fn confidence(&self, student: Scores) -> Confidence {
        let top1 = student.top1();
        if let Scores::Independent(scores) = student {
            let p = self.student.independent.p().nth(top1);
            return Confidence {
                top1,
                top1_probability: p.unwrap_or_default(),
                margin: scores.margin(),
                log_sum_exp: 0.0,
            };
        }
        let p = self.student.exclusive.p();
        let values = student.values();
        let second = values
            .iter()
            .enumerate()
            .filter(|(class, _)| *class != top1);
        let second = second
            .map(|(_, value)| *value)
            .fold(f32::NEG_INFINITY, f32::max);
        let largest = f64::from(values[top1]);
        let (margin, log_sum_exp) = match student {
            Scores::Logits(_) => (largest - f64::from(second), largest - p[top1].ln()),
            Scores::Probabilities(_) | Scores::Independent(_) => {
                let log = |p: f32| f64::from(p.max(f32::MIN_POSITIVE)).ln();
                (log(values[top1]) - log(second), 0.0)
            }
        };
        Confidence {
            top1,
            top1_probability: p[top1],
            margin,
            log_sum_exp,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{
            divergence::{kl_nats, log_softmax, logits_of},
            independent::Independent,
        },
        *,
    };

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-9 * (1.0 + b.abs()), "{a} is not {b}");
    }

    fn logits(classes: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-20.0..20.0_f32, classes)
    }

    proptest! {
        /// Reused room says what the plain functions say, for two students of different temperatures.
        #[test]
        fn agrees_with_the_plain_functions(
            teacher in logits(7), students in [logits(7), logits(7)], temperatures in [1.0..9.0_f64, 1.0..9.0],
        ) {
            let mut comparison = Comparison::default();
            let of_teacher = Scores::Logits(&teacher);
            for _ in 0..2 {
                comparison.begin(of_teacher);
                for (student, temperature) in students.iter().zip(temperatures) {
                    let measure = comparison.student(of_teacher, Scores::Logits(student), temperature);
                    let kl = |t| kl_nats(&log_softmax(&teacher, t), &log_softmax(student, t));
                    near(measure.kl_nats, kl(1.0));
                    near(measure.at_temperature_nats, (temperature * temperature * kl(temperature)).min(RECORDED_NATS));
                    prop_assert_eq!(measure.confidence.top1, Confidence::of(student).top1);
                    near(measure.confidence.margin, Confidence::of(student).margin);
                    near(measure.confidence.log_sum_exp, Confidence::of(student).log_sum_exp);
                    near(measure.confidence.top1_probability, Confidence::of(student).top1_probability);
                    near(comparison.contributions_nats().map(|(_, nats)| nats).sum(), measure.kl_nats);
                }
            }
        }
    }

    #[test]
    fn a_softmax_inside_makes_no_difference() {
        let (teacher, student) = ([2.0_f32, 0.5, -1.0], [0.0_f32, 1.0, 0.0]);
        let probabilities = |logits: &[f32]| -> Vec<f32> {
            let logs = log_softmax(logits, 1.0);
            logs.iter().map(|log| log.exp() as f32).collect()
        };
        let mut comparison = Comparison::default();
        let plain = Scores::Logits(&teacher);
        comparison.begin(plain);
        let measure = comparison.student(plain, Scores::Logits(&student), 3.0);
        let (p, q) = (probabilities(&teacher), probabilities(&student));
        let soft = Scores::Probabilities(&p);
        comparison.begin(soft);
        let same = comparison.student(soft, Scores::Probabilities(&q), 3.0);
        assert!((measure.kl_nats - same.kl_nats).abs() < 1e-6);
        assert!((measure.at_temperature_nats - same.at_temperature_nats).abs() < 1e-6);
        assert!((measure.confidence.margin - same.confidence.margin).abs() < 1e-6);
        assert!(!measure.agrees && measure.within_top5);
        assert_eq!(logits_of(&q).len(), 3);
    }

    #[test]
    fn b1_independent_scores_agree_by_their_labels() {
        let thresholds = [0.5, 0.5, 0.5];
        let scores = |outputs| {
            Scores::Independent(Independent {
                outputs,
                are_logits: false,
                thresholds: &thresholds,
            })
        };
        let mut comparison = Comparison::default();
        let teacher = scores(&[0.9, 0.8, 0.1]);
        comparison.begin(teacher);
        // The likeliest class is another, but the same two labels apply.
        let same = comparison.student(teacher, scores(&[0.7, 0.9, 0.2]), 1.0);
        assert!(same.agrees && same.top1 == 1 && comparison.teacher_top1() == 0);
        near(
            same.certainty,
            f64::from(0.7_f32) * f64::from(0.9_f32) * (1.0 - f64::from(0.2_f32)),
        );
        let parts: Vec<(usize, f64)> = comparison.contributions_nats().collect();
        assert_eq!(
            parts.iter().map(|(class, _)| *class).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        near(parts.iter().map(|(_, nats)| nats).sum(), same.kl_nats);
        // A third label more.
        let more = comparison.student(teacher, scores(&[0.9, 0.8, 0.6]), 2.0);
        assert!(!more.agrees && more.top1 == 0 && more.at_temperature_nats > 0.0);
    }

    #[test]
    fn many_classes_charge_the_teachers() {
        let mut teacher = vec![0.0_f32; 1000];
        teacher[17] = 9.0;
        let student = vec![0.0_f32; 1000];
        let mut comparison = Comparison::default();
        comparison.begin(Scores::Logits(&teacher));
        let measure = comparison.student(Scores::Logits(&teacher), Scores::Logits(&student), 1.0);
        let charged: Vec<(usize, f64)> = comparison.contributions_nats().collect();
        assert_eq!(charged, [(17, measure.kl_nats)]);
    }

    #[test]
    fn what_is_recorded_stays_within_reason() {
        let mut comparison = Comparison::default();
        let (teacher, student) = ([1e30_f32, -1e30], [-1e30_f32, 1e30]);
        comparison.begin(Scores::Logits(&teacher));
        let measure = comparison.student(Scores::Logits(&teacher), Scores::Logits(&student), 4.0);
        assert_eq!(
            (measure.kl_nats, measure.at_temperature_nats),
            (100.0, 100.0)
        );
        assert!(Scores::Logits(&teacher).are_finite());
        assert!(!Scores::Probabilities(&[0.5, f32::NAN]).are_finite());
    }
}
