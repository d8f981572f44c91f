//! Reference statistics from validation, with which drift and divergence are compared.

use std::collections::BTreeMap;

use super::{ImportError, outputs::Outputs};
use stillhouse_drift::{
    comparison::{Comparison, PairMeasure, Scores},
    confidence::Confidence,
    divergence::CLIP_NATS,
    independent::Independent,
    quantile_buckets::QuantileBuckets,
};
use stillhouse_golden::kind::{independent_kind_of, kind_of};
use stillhouse_image::Statistics;
use stillhouse_store::manifest::{OutputKind, Reference};

/// Statistics of a student's validation outputs and, where there are a teacher's for the same pictures, of their
/// distance, measured as a server measures them. Each side may be logits or probabilities, which is detected from the
/// numbers; `thresholds` are those of independent scores, `None` where classes exclude each other. Divergences are
/// KL(teacher‖student) at T = 1 in nats; `top1_probability`, `margin` and, for exclusive logits, `log_sum_exp` get their
/// 20-quantiles.
///
/// # Errors
/// Matrices of different shapes.
pub fn measure(
    student: &Outputs,
    teacher: Option<&Outputs>,
    thresholds: Option<&[f32]>,
) -> Result<Reference, ImportError> {
    let shape = |outputs: &Outputs| (outputs.rows().len(), outputs.classes());
    let width = thresholds.map_or(student.classes(), <[f32]>::len);
    if width != student.classes() {
        return Err(ImportError::Frame(format!(
            "the outputs have {} numbers a picture, the network answers {width}",
            student.classes()
        )));
    }
    let truth = teacher.unwrap_or(student);
    if shape(truth) != shape(student) {
        return Err(ImportError::Frame(format!(
            "the teacher's outputs are {:?}, the student's {:?}: the same pictures and classes belong in both",
            shape(truth),
            shape(student)
        )));
    }
    let samples = student.rows().len();
    let (of_teacher, of_student) = (Side::of(truth, thresholds), Side::of(student, thresholds));
    let mut comparison = Comparison::default();
    let pairs: Vec<PairMeasure> = truth
        .rows()
        .zip(student.rows())
        .map(|(truth, row)| {
            comparison.begin(of_teacher.scores(truth));
            comparison.student(of_teacher.scores(truth), of_student.scores(row), 1.0)
        })
        .collect();

    let classes = student.classes();
    let mut counts = vec![0.5; classes];
    pairs.iter().for_each(|pair| counts[pair.top1] += 1.0);
    let total = samples as f64 + classes as f64 / 2.0;
    let mut reference = Reference {
        samples: samples as u64,
        class_ratios: counts.into_iter().map(|count| count / total).collect(),
        ..Reference::default()
    };

    if of_student.kind.is_independent() {
        let mut counts = vec![0.5; classes];
        for row in student.rows() {
            let labels = of_student.independent(row);
            counts
                .iter_mut()
                .zip(labels.labels())
                .for_each(|(count, label)| *count += f64::from(label));
        }
        let smoothed = counts
            .into_iter()
            .map(|count| count / (samples as f64 + 1.0));
        reference.label_ratios = smoothed.collect();
    }

    let mut keep = |name: &str, of: fn(&Confidence) -> f64| {
        let values = pairs.iter().map(|pair| of(&pair.confidence)).collect();
        watch(&mut reference, name, values);
    };
    keep("top1_probability", |confidence| confidence.top1_probability);
    keep("margin", |confidence| confidence.margin);
    if of_student.kind == OutputKind::Logits {
        keep("log_sum_exp", |confidence| confidence.log_sum_exp);
    }

    if teacher.is_some() {
        let mean = |of: fn(&PairMeasure) -> f64| pairs.iter().map(of).sum::<f64>() / samples as f64;
        reference.agreement = Some(mean(|pair| f64::from(pair.agrees)));
        reference.kl_mean_nats = Some(mean(|pair| pair.kl_nats));
        reference.kl_clipped_mean_nats = Some(mean(|pair| pair.kl_nats.min(CLIP_NATS)));
    }
    Ok(reference)
}

/// How one side's numbers are read.
struct Side<'a> {
    kind: OutputKind,
    thresholds: &'a [f32],
}

impl<'a> Side<'a> {
    fn of(outputs: &Outputs, thresholds: Option<&'a [f32]>) -> Self {
        let rows: Vec<&[f32]> = outputs.rows().collect();
        Self {
            kind: match thresholds {
                Some(_) => independent_kind_of(&rows),
                None => kind_of(&rows),
            },
            thresholds: thresholds.unwrap_or_default(),
        }
    }

    fn scores<'b>(&'b self, outputs: &'b [f32]) -> Scores<'b> {
        match self.kind {
            OutputKind::Logits => Scores::Logits(outputs),
            OutputKind::Probabilities => Scores::Probabilities(outputs),
            OutputKind::Independent | OutputKind::IndependentLogits => {
                Scores::Independent(self.independent(outputs))
            }
        }
    }

    fn independent<'b>(&'b self, outputs: &'b [f32]) -> Independent<'b> {
        Independent {
            outputs,
            are_logits: self.kind == OutputKind::IndependentLogits,
            thresholds: self.thresholds,
        }
    }
}

/// Adds the quantiles of one watched number, and how much of it lies far beyond them.
///
/// # Panics
/// If there are no values.
pub fn watch(reference: &mut Reference, name: &str, values: Vec<f64>) {
    let ventiles = ventiles(values.clone());
    if let Some([low, high]) = QuantileBuckets::guards(&ventiles) {
        let share = |count: usize| (count as f64 + 0.5) / (values.len() as f64 + 1.0);
        let below = values.iter().filter(|value| **value <= low).count();
        let above = values.iter().filter(|value| **value > high).count();
        let tails = [share(below), share(above)];
        reference.tail_ratios.insert(name.to_owned(), tails);
    }
    reference.ventiles.insert(name.to_owned(), ventiles);
}

/// Adds the pictures' statistics, by name; nothing without pictures.
pub fn watch_inputs(reference: &mut Reference, pictures: &[Statistics]) {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, value) in pictures.iter().flat_map(Statistics::named) {
        values.entry(name).or_default().push(value);
    }
    for (name, values) in values {
        watch(reference, name, values);
    }
}

/// The 5 %, 10 % ... 95 % quantiles, linear between order statistics (Hyndman & Fan 1996, type 7, NumPy's default).
///
/// # Panics
/// If there are no values.
pub fn ventiles(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    (1..20)
        .map(|twentieth| {
            let at = last as f64 * f64::from(twentieth) / 20.0;
            let (below, above) = (values[at.floor() as usize], values[at.ceil() as usize]);
            below + (above - below) * at.fract()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stillhouse_drift::divergence::logits_of;

    fn outputs(rows: &[[f32; 3]]) -> Outputs {
        Outputs::new(rows.iter().map(|row| row.to_vec()).collect()).unwrap()
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }

    #[test]
    fn counted_by_hand() {
        let ln = |row: [f32; 3]| row.map(f32::ln);
        let student = outputs(&[
            ln([0.5, 0.25, 0.25]),
            ln([0.25, 0.5, 0.25]),
            ln([0.1, 0.8, 0.1]),
            ln([0.2, 0.3, 0.5]),
        ]);
        let teacher = outputs(&[
            ln([0.5, 0.25, 0.25]),
            ln([0.5, 0.25, 0.25]),
            ln([0.1, 0.8, 0.1]),
            ln([0.2, 0.3, 0.5]),
        ]);
        let found = measure(&student, Some(&teacher), None).unwrap();
        assert_eq!(found.samples, 4);
        // (1 + 1/2) / (4 + 3/2), (2 + 1/2) / ..., (1 + 1/2) / ...
        found
            .class_ratios
            .iter()
            .zip([1.5, 2.5, 1.5])
            .for_each(|(ratio, count)| near(*ratio, count / 5.5));
        near(found.agreement.unwrap(), 0.75);
        // Only the second differs: 0.5 ln(0.5/0.25) + 0.25 ln(0.25/0.5) = 0.25 ln 2.
        near(found.kl_mean_nats.unwrap(), 0.25 * 2_f64.ln() / 4.0);
        assert_eq!(found.kl_clipped_mean_nats, found.kl_mean_nats);
        near(found.ventiles["top1_probability"][9], 0.5);
        near(found.ventiles["log_sum_exp"][9], 0.0);
        assert_eq!(found.accuracy, None);
    }

    #[test]
    fn heavy_tails_are_clipped_in_one_mean_only() {
        let found = measure(
            &outputs(&[[0.0, 100.0, 0.0]]),
            Some(&outputs(&[[100.0, 0.0, 0.0]])),
            None,
        )
        .unwrap();
        near(found.kl_mean_nats.unwrap(), 100.0);
        near(found.kl_clipped_mean_nats.unwrap(), 2.0);
        near(found.agreement.unwrap(), 0.0);
    }

    #[test]
    fn probabilities_and_their_logits_measure_alike() {
        let probabilities = outputs(&[[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [1.0, 0.0, 0.0]]);
        let logits = Outputs::new(probabilities.rows().map(logits_of).collect()).unwrap();
        let mut expected = measure(&logits, Some(&probabilities), None).unwrap();
        assert!(
            expected.ventiles.remove("log_sum_exp").is_some(),
            "logits have one"
        );
        let found = measure(&probabilities, Some(&logits), None).unwrap();
        assert_eq!(
            (found.class_ratios, found.agreement),
            (expected.class_ratios, expected.agreement)
        );
        assert_eq!(
            found.ventiles.keys().collect::<Vec<_>>(),
            expected.ventiles.keys().collect::<Vec<_>>()
        );
        for (name, ventiles) in &expected.ventiles {
            // f32 keeps seven digits of a logit.
            let pairs = found.ventiles[name].iter().zip(ventiles);
            pairs.for_each(|(found, expected)| near(found / 100.0, expected / 100.0));
        }
        near(found.kl_mean_nats.unwrap(), 0.0);
        near(expected.kl_mean_nats.unwrap(), 0.0);
    }

    #[test]
    fn b1_independent_scores_are_measured_by_their_labels() {
        let teacher = outputs(&[[0.9, 0.8, 0.1], [0.2, 0.1, 0.1]]);
        let student = outputs(&[[0.7, 0.9, 0.2], [0.2, 0.6, 0.1]]);
        let found = measure(&student, Some(&teacher), Some(&[0.5; 3])).unwrap();
        // The same two labels in the first, one too many in the second.
        near(found.agreement.unwrap(), 0.5);
        let term = |p: f64, q: f64| p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln();
        let sum = term(0.9, 0.7) + term(0.8, 0.9) + term(0.1, 0.2) + term(0.1, 0.6);
        near(found.kl_mean_nats.unwrap(), sum / 2.0);
        near(found.ventiles["top1_probability"][9], 0.75);
        assert!(!found.ventiles.contains_key("log_sum_exp"));
        // (1 + 1/2) / (2 + 1), (2 + 1/2) / 3, (0 + 1/2) / 3
        let ratios = [1.5, 2.5, 0.5].map(|count| count / 3.0);
        found
            .label_ratios
            .iter()
            .zip(ratios)
            .for_each(|(ratio, right)| near(*ratio, right));
        let logits = |rows: &Outputs| {
            let rows = rows
                .rows()
                .map(|row| row.iter().map(|p| (p / (1.0 - p)).ln()).collect());
            Outputs::new(rows.collect()).unwrap()
        };
        let same = measure(&logits(&student), Some(&logits(&teacher)), Some(&[0.5; 3])).unwrap();
        near(same.kl_mean_nats.unwrap(), sum / 2.0);
        assert_eq!(same.agreement, found.agreement);
        let error = measure(&student, None, Some(&[0.5; 4]))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the outputs have 3 numbers a picture, the network answers 4"
        );
    }

    #[test]
    fn other_shapes_are_refused() {
        let (one, two) = (
            outputs(&[[1.0, 2.0, 3.0]]),
            outputs(&[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]),
        );
        let error = measure(&one, Some(&two), None).unwrap_err().to_string();
        assert_eq!(
            error,
            "the teacher's outputs are (2, 3), the student's (1, 3): the same pictures and classes belong in both"
        );
    }

    #[test]
    fn ventiles_are_numpys() {
        // np.quantile([0, 1, ..., 20], np.arange(1, 20) / 20)
        assert_eq!(
            ventiles((0..21).rev().map(f64::from).collect()),
            (1..20).map(f64::from).collect::<Vec<_>>()
        );
        // np.quantile([1, 2, 4], [0.05, 0.5, 0.95])
        let found = ventiles(vec![4.0, 1.0, 2.0]);
        near(found[0], 1.1);
        near(found[9], 2.0);
        near(found[18], 3.8);
        assert_eq!(ventiles(vec![7.0]), [7.0; 19]);
    }

    proptest! {
        /// Whatever is measured passes the manifest's own checks.
        #[test]
        fn references_are_valid(rows in prop::collection::vec(prop::array::uniform3(-30.0..30.0_f32), 1..40), seed in -5.0..5.0_f32) {
            let teacher: Vec<[f32; 3]> = rows.iter().map(|[a, b, c]| [a + seed, b - seed, *c]).collect();
            let found = measure(&outputs(&rows), Some(&outputs(&teacher)), None).unwrap();
            near(found.class_ratios.iter().sum(), 1.0);
            prop_assert!(found.class_ratios.iter().all(|ratio| *ratio > 0.0));
            prop_assert!(found.kl_mean_nats >= found.kl_clipped_mean_nats && found.kl_clipped_mean_nats >= Some(0.0));
            prop_assert!(found.ventiles.values().all(|ventiles| ventiles.len() == 19 && ventiles.is_sorted()));
            prop_assert!(found.tail_ratios.keys().eq(found.ventiles.keys()));
            prop_assert!(found.tail_ratios.values().flatten().all(|share| *share > 0.0 && *share < 1.0));
        }
    }
}
