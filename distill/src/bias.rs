//! Corrects the bias of a class that the transfer set lacked, so that its mean probability becomes its prior.
//!
//! Hinton, Vinyals and Dean (2015) chose the amount on the test pictures; this needs only unlabelled pictures and the prior.

use crate::measure::softmax;

/// The amount to add to the logit of `class` so that its mean probability over all rows is `prior`; `logits` are row-major
/// `[pictures, classes]`.
pub fn correction(logits: &[f32], classes: usize, class: usize, prior: f64) -> f64 {
    let rows = (logits.len() / classes).max(1) as f64;
    // With p the class's probability, raising its logit by d makes it p e^d / (1 − p + p e^d).
    let odds: Vec<f64> = logits
        .chunks_exact(classes)
        .map(|row| softmax(row, 1.0).nth(class).unwrap_or(f64::NAN))
        .map(|p| (p / (1.0 - p)).ln())
        .collect();
    let mean = |raise: f64| {
        odds.iter()
            .map(|odds| 1.0 / (1.0 + (-(odds + raise)).exp()))
            .sum::<f64>()
            / rows
    };
    let (mut low, mut high) = (-50.0, 50.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if mean(middle) < prior {
            low = middle
        } else {
            high = middle
        }
    }
    0.5 * (low + high)
}

/// Adds `raise` to the logit of `class` in every row.
pub fn raise(logits: &mut [f32], classes: usize, class: usize, raise: f64) {
    logits
        .chunks_exact_mut(classes)
        .for_each(|row| row[class] += raise as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_probability_becomes_the_prior() {
        let mut logits = vec![4.0, 0.0, -6.0, 0.0, 3.0, -2.0, 1.0, 1.0, -1.0];
        let amount = correction(&logits, 3, 2, 0.25);
        raise(&mut logits, 3, 2, amount);
        let mean = logits
            .chunks(3)
            .map(|row| softmax(row, 1.0).nth(2).unwrap())
            .sum::<f64>()
            / 3.0;
        assert!((mean - 0.25).abs() < 1e-5, "{mean}");
    }
}
