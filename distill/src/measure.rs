//! Measures over logits, in f64: errors, negative log likelihood, calibration, agreement and divergence.

use serde::{Deserialize, Serialize};
use stillhouse_drift::divergence::{self, CLIP_NATS};

/// Confidence bins of the calibration error.
const BINS: usize = 15;

/// `softmax(z/T)`.
pub fn softmax(logits: &[f32], temperature: f64) -> impl Iterator<Item = f64> {
    log_softmax(logits, temperature).map(f64::exp)
}

/// `log softmax(z/T)`, as the server computes it.
fn log_softmax(logits: &[f32], temperature: f64) -> impl Iterator<Item = f64> {
    divergence::log_softmax(logits, temperature).into_iter()
}

/// The index of the largest number; the first one if several are equal.
pub fn top1(logits: &[f32]) -> usize {
    let mut best = 0;
    for (i, &z) in logits.iter().enumerate() {
        if z > logits[best] {
            best = i;
        }
    }
    best
}

/// `KL(teacher ‖ student)` of two rows of logits at T = 1, in nats; +∞ where the student isn't finite.
pub fn divergence(teacher: &[f32], student: &[f32]) -> f64 {
    if student.iter().any(|z| !z.is_finite()) {
        return f64::INFINITY;
    }
    let pairs = log_softmax(teacher, 1.0).zip(log_softmax(student, 1.0));
    pairs.map(|(p, q)| p.exp() * (p - q)).sum::<f64>().max(0.0)
}

/// Scores of a network on labelled pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Pictures.
    pub samples: usize,
    /// Wrong answers.
    pub errors: usize,
    /// Mean −ln of the right class's probability.
    pub nll_nats: f64,
    /// Expected calibration error over 15 equal bins of confidence.
    pub ece: f64,
    /// Wrong answers among the pictures of each class.
    pub errors_per_class: Vec<usize>,
    /// Pictures of each class.
    pub samples_per_class: Vec<usize>,
}

/// Comparison of a student with its teacher.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TeacherComparison {
    /// Share of pictures with the same top class.
    pub agreement: f64,
    /// Mean KL(teacher ‖ student) at T = 1.
    pub kl_mean_nats: f64,
    /// The same, each value clipped to 2 nats first.
    pub kl_clipped_mean_nats: f64,
}

/// Scores rows of logits against labels.
pub fn score(logits: &[f32], classes: usize, labels: &[u8]) -> Score {
    let mut score = Score {
        samples: labels.len(),
        errors_per_class: vec![0; classes],
        samples_per_class: vec![0; classes],
        ..Score::default()
    };
    let mut bins = [(0_usize, 0.0, 0.0); BINS];
    for (row, &label) in logits.chunks_exact(classes).zip(labels) {
        let label = usize::from(label);
        let top = top1(row);
        let right = top == label;
        score.samples_per_class[label] += 1;
        score.errors_per_class[label] += usize::from(!right);
        score.errors += usize::from(!right);
        score.nll_nats -= log_softmax(row, 1.0).nth(label).unwrap_or(f64::NAN);
        let confidence = softmax(row, 1.0).nth(top).unwrap_or(f64::NAN);
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        *bin = (
            bin.0 + 1,
            bin.1 + confidence,
            bin.2 + f64::from(u8::from(right)),
        );
    }
    let samples = labels.len().max(1) as f64;
    score.nll_nats /= samples;
    score.ece = bins
        .iter()
        .map(|(_, confidence, right)| (confidence - right).abs())
        .sum::<f64>()
        / samples;
    score
}

/// Compares rows of a student's logits with its teacher's.
pub fn compare_with_teacher(teacher: &[f32], student: &[f32], classes: usize) -> TeacherComparison {
    let mut likeness = TeacherComparison::default();
    let rows = teacher.len() / classes;
    for (t, s) in teacher
        .chunks_exact(classes)
        .zip(student.chunks_exact(classes))
    {
        let kl = divergence(t, s);
        let finite = s.iter().all(|z| z.is_finite());
        likeness.agreement += f64::from(u8::from(finite && top1(t) == top1(s)));
        likeness.kl_mean_nats += kl;
        likeness.kl_clipped_mean_nats += kl.min(CLIP_NATS);
    }
    let rows = rows.max(1) as f64;
    likeness.agreement /= rows;
    likeness.kl_mean_nats /= rows;
    likeness.kl_clipped_mean_nats /= rows;
    likeness
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_table_worked_by_hand() {
        // Three pictures, two classes: right at 0.8808, wrong at 0.7311, right at 0.5.
        let logits = [2.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        let score = score(&logits, 2, &[0, 1, 0]);
        assert_eq!(
            (
                score.errors,
                &score.errors_per_class,
                &score.samples_per_class
            ),
            (1, &vec![0, 1], &vec![2, 1])
        );
        let nll = (0.126_928 + 1.313_262 + 2.0_f64.ln()) / 3.0;
        assert!((score.nll_nats - nll).abs() < 1e-5, "{}", score.nll_nats);
        let ece = ((0.880_797_f64 - 1.0).abs() + 0.731_059 + 0.5) / 3.0;
        assert!((score.ece - ece).abs() < 1e-5, "{}", score.ece);
    }

    #[test]
    fn a_student_is_like_itself_and_unlike_a_nan() {
        let z = [1.0, -3.0, 2.0, 0.0, 5.0, 1.0];
        let same = compare_with_teacher(&z, &z, 3);
        assert_eq!((same.agreement, same.kl_mean_nats), (1.0, 0.0));
        let broken = compare_with_teacher(&z, &[1.0, -3.0, 2.0, f32::NAN, 5.0, 1.0], 3);
        assert_eq!((broken.agreement, broken.kl_clipped_mean_nats), (0.5, 1.0));
        assert_eq!(broken.kl_mean_nats, f64::INFINITY);
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let p: Vec<f64> = softmax(&[10_000.0, 0.0], 1.0).collect();
        assert_eq!(p, [1.0, 0.0]);
    }
}
