use proptest::prelude::*;

use super::{
    super::{
        divergence::{kl_nats, log_softmax},
        independent::Independent,
    },
    *,
};

const CLIP_NATS: f64 = 2.0;

fn logits(classes: usize, reach: f32) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-reach..reach, classes)
}

fn with(stable: Scores, canary: Scores) -> Contrast {
    let mut contrast = Contrast::default();
    contrast.set(stable, canary);
    contrast
}

fn difference(contrast: &Contrast, teacher: Scores) -> f64 {
    let mut comparison = Comparison::default();
    comparison.begin(teacher);
    contrast.difference(&comparison, CLIP_NATS)
}

proptest! {
    /// Where no probability is floored and nothing clipped, it is the difference of the divergences.
    #[test]
    fn it_is_the_difference_of_the_divergences(
        teacher in logits(5, 0.4), stable in logits(5, 0.4), canary in logits(5, 0.4),
    ) {
        let contrast = with(Scores::Logits(&stable), Scores::Logits(&canary));
        let kl = |student: &[f32]| kl_nats(&log_softmax(&teacher, 1.0), &log_softmax(student, 1.0));
        let expected = (kl(&canary) - kl(&stable)) / CLIP_NATS;
        let found = difference(&contrast, Scores::Logits(&teacher));
        prop_assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    /// Whatever the teacher says, the difference divided by the probability of asking stays within −1..1, which the tests
    /// need; and where the same class is named, the disagreements don't differ.
    #[test]
    fn no_teacher_can_say_more_than_the_bound(
        teacher in logits(6, 30.0), stable in logits(6, 9.0), canary in logits(6, 9.0), near in 0.0..1.0_f32,
    ) {
        // From the same answer to any other.
        let canary: Vec<f32> = stable.iter().zip(&canary).map(|(s, c)| s + near * near * (c - s)).collect();
        let contrast = with(Scores::Logits(&stable), Scores::Logits(&canary));
        let chance = contrast.chance(CLIP_NATS);
        prop_assert!((LEAST_CHANCE..=1.0).contains(&chance));
        let weighted = difference(&contrast, Scores::Logits(&teacher)) / chance;
        prop_assert!(weighted.abs() <= 1.0 + 1e-9, "{weighted} at a chance of {chance}");
        if contrast.names_different_classes() {
            prop_assert_eq!(chance, 1.0);
        }
    }

    #[test]
    fn nor_of_independent_scores(
        teacher in logits(6, 30.0), stable in logits(6, 9.0), canary in logits(6, 9.0),
    ) {
        let thresholds = [0.5; 6];
        let scores = |outputs| Scores::Independent(Independent { outputs, are_logits: true, thresholds: &thresholds });
        let contrast = with(scores(&stable), scores(&canary));
        let chance = contrast.chance(CLIP_NATS);
        let weighted = difference(&contrast, scores(&teacher)) / chance;
        prop_assert!(weighted.abs() <= 1.0 + 1e-9, "{weighted} at a chance of {chance}");
        let labels = |outputs: &[f32]| outputs.iter().map(|z| *z >= 0.0).collect::<Vec<_>>();
        prop_assert_eq!(contrast.names_different_classes(), labels(&stable) != labels(&canary));
    }
}

#[test]
fn known_answers() {
    let (stable, canary) = ([0.5_f32, 0.25, 0.25], [0.5_f32, 0.4, 0.1]);
    let mut contrast = with(
        Scores::Probabilities(&stable),
        Scores::Probabilities(&canary),
    );
    assert!(!contrast.names_different_classes());
    let most = 2.5_f64.ln();
    assert!((contrast.chance(CLIP_NATS) - most / CLIP_NATS).abs() < 1e-6);
    // The teacher for whom it is the worst, and one that sees no difference.
    let worst = difference(&contrast, Scores::Probabilities(&[0.0, 0.0, 1.0]));
    assert!((worst - most / CLIP_NATS).abs() < 1e-6, "{worst}");
    let alike = difference(&contrast, Scores::Probabilities(&[1.0, 0.0, 0.0]));
    assert!(alike.abs() < 1e-6, "{alike}");
    // The same answer twice: asked seldom, for nothing can come of it.
    contrast.set(
        Scores::Probabilities(&stable),
        Scores::Probabilities(&stable),
    );
    assert_eq!(contrast.chance(CLIP_NATS), LEAST_CHANCE);
    // Two that name different classes.
    contrast.set(Scores::Logits(&[0.0, 0.01]), Scores::Logits(&[0.01, 0.0]));
    assert!(contrast.names_different_classes());
    assert_eq!(contrast.chance(CLIP_NATS), 1.0);
}

/// A student that is certain: what lies below a thousandth makes no difference, and nothing overflows.
#[test]
fn tiny_probabilities_count_as_a_thousandth() {
    let contrast = with(
        Scores::Logits(&[0.0, 3e38, -3e38]),
        Scores::Logits(&[0.0, 3e38, 0.0]),
    );
    assert_eq!(contrast.chance(CLIP_NATS), LEAST_CHANCE);
    let opposite = with(Scores::Logits(&[0.0, 3e38]), Scores::Logits(&[3e38, 0.0]));
    let found = difference(&opposite, Scores::Logits(&[0.0, 3e38]));
    assert_eq!(found, 1.0, "clipped");
}
