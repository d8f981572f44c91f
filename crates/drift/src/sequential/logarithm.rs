//! Sums of exponentials without overflow: log-wealths of ±1000 are ordinary.

/// `ln(eᵃ + eᵇ)`.
pub fn ln_add_exp(a: f64, b: f64) -> f64 {
    let (less, more) = if a < b { (a, b) } else { (b, a) };
    if less == f64::NEG_INFINITY {
        return more;
    }
    more + (less - more).exp().ln_1p()
}

/// `ln((1/n) Σ exp xⱼ)`: the wealth of a purse that was divided evenly.
pub fn ln_mean_exp(logarithms: &[f64]) -> f64 {
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    let sum: f64 = logarithms.iter().map(|x| (x - largest).exp()).sum();
    largest + (sum / logarithms.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        near(ln_add_exp(2_f64.ln(), 3_f64.ln()), 5_f64.ln());
        near(ln_add_exp(-2000.0, -2000.0), -2000.0 + 2_f64.ln());
        near(ln_add_exp(f64::NEG_INFINITY, 1.5), 1.5);
        near(ln_mean_exp(&[1000.0, 1000.0]), 1000.0);
        near(ln_mean_exp(&[0.0, 3_f64.ln()]), 2_f64.ln());
        let nothing = f64::NEG_INFINITY;
        assert_eq!(ln_add_exp(nothing, nothing), nothing);
        assert_eq!(ln_mean_exp(&[nothing, nothing]), nothing);
        near(ln_mean_exp(&[nothing, 0.0]), 0.5_f64.ln());
    }
}
