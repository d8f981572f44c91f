//! What a network's logits say of its own certainty; needs no teacher.

/// How sure one answer is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    /// The class with the largest logit; the first of equals.
    pub top1: usize,
    /// Its softmax probability.
    pub top1_probability: f64,
    /// The largest logit less the second largest, which is `ln p1 − ln p2`, in nats.
    pub margin: f64,
    /// `ln Σ exp z`; without meaning where the logits were made from probabilities (it is 0 then).
    pub log_sum_exp: f64,
}

impl Confidence {
    /// Reads finite logits.
    ///
    /// # Panics
    /// If there are fewer than two.
    pub fn of(logits: &[f32]) -> Self {
        assert!(logits.len() >= 2, "a classifier has at least two classes");
        let (mut top1, mut second) = (0, f64::NEG_INFINITY);
        for (class, z) in logits.iter().enumerate().skip(1) {
            if *z > logits[top1] {
                second = f64::from(logits[top1]);
                top1 = class;
            } else {
                second = second.max(f64::from(*z));
            }
        }
        let largest = f64::from(logits[top1]);
        let sum: f64 = logits.iter().map(|z| (f64::from(*z) - largest).exp()).sum();
        Self {
            top1,
            top1_probability: 1.0 / sum,
            margin: largest - second,
            log_sum_exp: largest + sum.ln(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_logits() {
        let sure = Confidence::of(&[0.0, 2.0, -1.0, 1.5]);
        assert_eq!((sure.top1, sure.margin), (1, 0.5));
        let tie = Confidence::of(&[3.0, 3.0]);
        assert_eq!((tie.top1, tie.top1_probability, tie.margin), (0, 0.5, 0.0));
        assert!((tie.log_sum_exp - (3.0 + 2_f64.ln())).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn agrees_with_sorting(z in prop::collection::vec(-30.0..30.0_f32, 2..20)) {
            let found = Confidence::of(&z);
            let mut sorted = z.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(z[found.top1], sorted[0]);
            prop_assert_eq!(z.iter().position(|x| *x == sorted[0]), Some(found.top1));
            prop_assert_eq!(found.margin, f64::from(sorted[0]) - f64::from(sorted[1]));
            let log_p = crate::divergence::log_softmax(&z, 1.0);
            prop_assert!((log_p[found.top1].exp() - found.top1_probability).abs() < 1e-12);
            prop_assert!((f64::from(z[0]) - log_p[0] - found.log_sum_exp).abs() < 1e-9);
        }
    }
}
