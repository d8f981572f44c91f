//! Two networks on the same labelled pictures.

use crate::measure::top1;

/// Pictures on which exactly one of two networks is right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedComparison {
    /// Pictures that only the first classifies correctly.
    pub first_only: usize,
    /// Pictures that only the second classifies correctly.
    pub second_only: usize,
    /// Two-sided exact sign test (McNemar): the probability of a difference at least this large between two equally good networks.
    pub p_value: f64,
}

/// Counts and tests; logits are row-major `[pictures, classes]`.
pub fn paired(first: &[f32], second: &[f32], classes: usize, labels: &[u8]) -> PairedComparison {
    let rows = first
        .chunks_exact(classes)
        .zip(second.chunks_exact(classes))
        .zip(labels);
    let (mut first_only, mut second_only) = (0, 0);
    for ((first, second), &label) in rows {
        match (
            top1(first) == usize::from(label),
            top1(second) == usize::from(label),
        ) {
            (true, false) => first_only += 1,
            (false, true) => second_only += 1,
            _ => {}
        }
    }
    PairedComparison {
        first_only,
        second_only,
        p_value: sign_test(first_only, second_only),
    }
}

/// 2·P(X ≤ min(a, b)) for X ~ Binomial(a + b, ½), at most 1; summed in logarithms.
fn sign_test(a: usize, b: usize) -> f64 {
    let (n, least) = (a + b, a.min(b));
    let mut term = -(n as f64) * std::f64::consts::LN_2;
    let mut sum = term.exp();
    for k in 1..=least {
        term += ((n - k + 1) as f64 / k as f64).ln();
        sum += term.exp();
    }
    (2.0 * sum).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_test_of_small_numbers() {
        let check = |a, b, expected: f64| {
            let p = sign_test(a, b);
            assert!((p - expected).abs() < 1e-9, "{a} {b}: {p}");
        };
        check(0, 0, 1.0);
        check(5, 5, 1.0);
        check(0, 5, 2.0 / 32.0);
        check(6, 1, 16.0 / 128.0);
        assert!(sign_test(700, 600) < 0.01 && sign_test(700, 680) > 0.5);
    }

    #[test]
    fn only_disagreements_count() {
        let (first, second) = (
            [1.0, 0.0, 1.0, 0.0, 0.0, 1.0],
            [1.0, 0.0, 0.0, 1.0, 1.0, 0.0],
        );
        let found = paired(&first, &second, 2, &[0, 0, 0]);
        assert_eq!((found.first_only, found.second_only), (1, 1));
    }
}
