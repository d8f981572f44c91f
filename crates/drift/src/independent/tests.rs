use proptest::prelude::*;

use super::*;
use crate::divergence::{kl_nats, log_softmax};

fn near(a: f64, b: f64, allowed: f64) {
    assert!((a - b).abs() <= allowed, "{a} is not {b}");
}

fn scores(outputs: &[f32], are_logits: bool) -> Independent<'_> {
    Independent {
        outputs,
        are_logits,
        thresholds: &[0.5; 16][..outputs.len()],
    }
}

fn of(outputs: &[f32], are_logits: bool, temperature: f64) -> Bernoullis {
    let mut bernoullis = Bernoullis::default();
    bernoullis.set(&scores(outputs, are_logits), temperature);
    bernoullis
}

#[test]
fn b1_divergence_of_known_probabilities() {
    let (p, q) = (of(&[0.5, 0.9], false, 1.0), of(&[0.25, 0.9], false, 1.0));
    // 0.5 ln(0.5/0.25) + 0.5 ln(0.5/0.75)
    let first = 0.5 * 2_f64.ln() + 0.5 * (2.0_f64 / 3.0).ln();
    let parts: Vec<f64> = p.contributions_nats(&q).collect();
    near(parts[0], first, 1e-12);
    near(parts[1], 0.0, 1e-12);
    near(p.kl_nats(&q), first, 1e-12);
    // Certain answers of f32 stay finite, and the wrong one is far.
    let (yes, no) = (of(&[1.0], false, 1.0), of(&[0.0], false, 1.0));
    assert!(yes.kl_nats(&no) > 80.0 && yes.kl_nats(&no).is_finite());
    near(yes.kl_nats(&yes), 0.0, 0.0);
    near(of(&[1.0], false, 1.0).p().next().unwrap(), 1.0, 1e-7);
}

#[test]
fn labels_are_what_reaches_its_threshold() {
    let thresholds = [0.5, 0.9, 0.2];
    let scores = Independent {
        outputs: &[0.5, 0.89, 0.3],
        are_logits: false,
        thresholds: &thresholds,
    };
    assert_eq!(scores.labels().collect::<Vec<_>>(), [true, false, true]);
    // The first stands exactly on its threshold.
    near(scores.margin(), 0.0, 1e-12);
    let logits = Independent {
        outputs: &[0.1, -3.0, -1.0],
        are_logits: true,
        ..scores
    };
    assert_eq!(logits.labels().collect::<Vec<_>>(), [true, false, true]);
    near(logits.margin(), 0.1, 1e-7);
    let extreme = Independent {
        thresholds: &[0.0, 1.0, 0.5],
        ..scores
    };
    assert!(extreme.margin().is_finite());
}

fn logits(classes: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-12.0..12.0_f32, classes)
}

/// The distribution over all sets of labels, by its logarithms.
fn product(z: &[f32]) -> Vec<f64> {
    let ln = |z: f32, yes: bool| -softplus(f64::from(if yes { -z } else { z }));
    (0..1_usize << z.len())
        .map(|set| {
            z.iter()
                .enumerate()
                .map(|(k, z)| ln(*z, set >> k & 1 == 1))
                .sum()
        })
        .collect()
}

proptest! {
    /// The sum over the classes is the divergence of the distributions over all sets of labels.
    #[test]
    fn b1_the_sum_is_the_divergence_of_the_products(teacher in logits(5), student in logits(5)) {
        let found = of(&teacher, true, 1.0).kl_nats(&of(&student, true, 1.0));
        near(found, kl_nats(&product(&teacher), &product(&student)), 1e-9);
    }

    /// One class is two exclusive ones, at every temperature.
    #[test]
    fn b1_one_class_is_a_softmax_over_two(a in -20.0..20.0_f32, b in -20.0..20.0_f32, t in 0.5..20.0_f64) {
        let found = of(&[a], true, t).kl_nats(&of(&[b], true, t));
        near(found, kl_nats(&log_softmax(&[0.0, a], t), &log_softmax(&[0.0, b], t)), 1e-9);
    }

    #[test]
    fn b1_divergence_is_never_negative_and_zero_for_the_same(teacher in logits(7), student in logits(7)) {
        let (p, q) = (of(&teacher, true, 1.0), of(&student, true, 1.0));
        prop_assert!(p.contributions_nats(&q).all(|nats| nats >= 0.0 && nats.is_finite()));
        near(p.kl_nats(&p), 0.0, 1e-15);
        prop_assert!(teacher == student || p.kl_nats(&q) > 0.0);
    }

    /// Probabilities and the logits that they come from measure alike, as far as f32 keeps them.
    #[test]
    fn b1_a_sigmoid_inside_makes_no_difference(teacher in logits(4), student in logits(4), t in 1.0..9.0_f64) {
        let probabilities = |z: &[f32]| z.iter().map(|z| sigmoid(*z)).collect::<Vec<f32>>();
        let (p, q) = (probabilities(&teacher), probabilities(&student));
        let inside = of(&p, false, t).kl_nats(&of(&q, false, t));
        let outside = of(&teacher, true, t).kl_nats(&of(&student, true, t));
        near(inside, outside, 1e-2 * (1.0 + outside));
    }

    /// For large T, T²·KL_T tends to Σ(Δz)²/8: the variance of a fair coin is a quarter.
    #[test]
    fn b1_high_temperature_matches_logits(teacher in logits(3), student in logits(3)) {
        let t = 1e4;
        let found = t * t * of(&teacher, true, t).kl_nats(&of(&student, true, t));
        let squares = teacher.iter().zip(&student).map(|(a, b)| f64::from(a - b).powi(2));
        near(found, squares.sum::<f64>() / 8.0, 1e-2);
    }

    /// The certainties of all sets of labels are a distribution.
    #[test]
    fn certainties_sum_to_one(z in logits(4)) {
        let answer = of(&z, true, 1.0);
        let sets = (0..16).map(|set: usize| answer.certainty((0..4).map(move |k| set >> k & 1 == 1)));
        near(sets.sum(), 1.0, 1e-12);
    }
}
