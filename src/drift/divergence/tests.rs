use super::*;
use proptest::prelude::*;

fn near(a: f64, b: f64, allowed: f64) {
    assert!((a - b).abs() <= allowed, "{a} is not {b}");
}

#[test]
fn softmax_of_known_logits() {
    let log_p = log_softmax(&[0.0, 3_f32.ln()], 1.0);
    near(log_p[0], 0.25_f64.ln(), 1e-7);
    near(log_p[1], 0.75_f64.ln(), 1e-7);
    let flat = log_softmax(&[0.0, 3_f32.ln()], 1e9);
    near(flat[0], 0.5_f64.ln(), 1e-8);
    assert_eq!(
        log_softmax(&[3e38, -3e38], 1.0),
        [0.0, -2.0 * f64::from(3e38_f32)]
    );
    near(log_softmax(&[-1e30, -1e30], 1.0)[0], 0.5_f64.ln(), 1e-12);
}

#[test]
fn divergence_of_known_distributions() {
    let ln = |p: [f64; 2]| p.map(f64::ln);
    near(
        kl_nats(&ln([0.5, 0.5]), &ln([0.25, 0.75])),
        0.5 * (4.0_f64 / 3.0).ln(),
        1e-15,
    );
    near(kl_nats(&ln([1.0, 0.0]), &ln([0.5, 0.5])), 2_f64.ln(), 1e-15);
    assert_eq!(kl_nats(&ln([0.5, 0.5]), &ln([1.0, 0.0])), f64::INFINITY);
    assert_eq!(kl_nats(&ln([1.0, 0.0]), &ln([1.0, 0.0])), 0.0);
}

/// For large T, T²·KL_T tends to Σ(Δz)²/2K with centred logits (Hinton 2015 §2.1).
#[test]
fn high_temperature_matches_logits() {
    let (teacher, student) = ([1.0, -2.0, 1.0], [0.5, 0.5, -1.0]);
    let t = 1e4;
    let kl = kl_nats(&log_softmax(&teacher, t), &log_softmax(&student, t)) * t * t;
    let limit = teacher
        .iter()
        .zip(&student)
        .map(|(a, b)| f64::from(a - b).powi(2))
        .sum::<f64>()
        / 6.0;
    near(kl, limit, 1e-3);
}

#[test]
fn probabilities_and_their_logits_are_one_distribution() {
    let p = [0.7_f32, 0.3, 0.0];
    let log_p = log_softmax(&logits_of(&p), 1.0);
    near(log_p[0].exp(), 0.7, 1e-6);
    assert!(log_p[2].is_finite() && log_p[2].exp() < 1e-30);
}

fn logits() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-50.0..50.0_f32, 2..20)
}

proptest! {
    #[test]
    fn softmax_sums_to_one_whatever_is_added(z in logits(), shift in -100.0..100.0_f32, temperature in 0.1..100.0_f64) {
        let log_p = log_softmax(&z, temperature);
        near(log_p.iter().map(|lp| lp.exp()).sum(), 1.0, 1e-12);
        let shifted: Vec<f32> = z.iter().map(|z| z + shift).collect();
        for (a, b) in log_p.iter().zip(log_softmax(&shifted, temperature)) {
            near(*a, b, 1e-3);
        }
    }

    #[test]
    fn divergence_is_zero_for_itself_and_never_below(z in logits(), other in logits()) {
        let k = z.len().min(other.len());
        let (p, q) = (log_softmax(&z[..k], 1.0), log_softmax(&other[..k], 1.0));
        prop_assert_eq!(kl_nats(&p, &p), 0.0);
        let kl = kl_nats(&p, &q);
        prop_assert!(kl >= 0.0 && kl.is_finite());
        // Pinsker: KL ≥ (Σ|p − q|)² / 2.
        let distance: f64 = p.iter().zip(&q).map(|(a, b)| (a.exp() - b.exp()).abs()).sum();
        prop_assert!(kl + 1e-12 >= distance * distance / 2.0);
    }
}

#[test]
fn contributions_of_known_distributions() {
    let ln = |p: [f64; 2]| p.map(f64::ln);
    let (p, q) = (ln([0.5, 0.5]), ln([0.25, 0.75]));
    let parts: Vec<f64> = contributions_nats(&p, &q).collect();
    near(parts[0], 0.5 * 2_f64.ln() - 0.25, 1e-15);
    near(parts[1], 0.5 * (2.0_f64 / 3.0).ln() + 0.25, 1e-15);
    // What the teacher rules out contributes what the student gives it.
    let parts: Vec<f64> = contributions_nats(&ln([1.0, 0.0]), &ln([0.5, 0.5])).collect();
    near(parts[1], 0.5, 1e-15);
    near(parts[0] + parts[1], 2_f64.ln(), 1e-15);
}

#[test]
fn the_worst_is_clipped_and_told() {
    let told = |kl| {
        let Clipped { nats, was_clipped } = clip(kl, CLIP_NATS);
        (nats, was_clipped)
    };
    assert_eq!(told(0.3), (0.3, false));
    assert_eq!(told(2.0), (2.0, false));
    assert_eq!(told(2.1), (2.0, true));
    assert_eq!(told(f64::INFINITY), (2.0, true));
    assert_eq!(told(f64::NAN), (2.0, true));
}

#[test]
fn entropy_of_certainty_and_of_a_guess() {
    assert_eq!(entropy_nats(&[0.0, f64::NEG_INFINITY]), 0.0);
    near(
        entropy_nats(&log_softmax(&[1.0; 8], 1.0)),
        8_f64.ln(),
        1e-12,
    );
    near(
        entropy_nats(&[0.25_f64.ln(), 0.75_f64.ln()]),
        0.562_335_144_618_808_3,
        1e-15,
    );
}

#[test]
fn places() {
    let outputs = [0.1, 0.9, 0.1, 0.5, f32::NAN];
    assert!(is_within_top(&outputs, 1, 1) && !is_within_top(&outputs, 3, 1));
    assert!(is_within_top(&outputs, 0, 3) && !is_within_top(&outputs, 2, 3));
    assert!(is_within_top(&outputs, 2, 5) && !is_within_top(&outputs, 4, 5));
}

#[test]
fn a_softmax_at_a_temperature() {
    let logits = [1.0_f32, -2.0, 0.5];
    let p: Vec<f32> = log_softmax(&logits, 1.0)
        .iter()
        .map(|lp| lp.exp() as f32)
        .collect();
    let mut log_p = Vec::new();
    for temperature in [1.0, 4.0] {
        log_probabilities_into(&p, temperature, &mut log_p);
        for (a, b) in log_p.iter().zip(log_softmax(&logits, temperature)) {
            near(*a, b, 1e-6);
        }
    }
    log_probabilities_into(&[1.0, 0.0, 0.0], 1.0, &mut log_p);
    assert!(log_p.iter().all(|lp| lp.is_finite()));
}

#[test]
fn a_kept_buffer_is_not_allocated_again() {
    let mut log_p = Vec::with_capacity(10);
    let before = log_p.as_ptr();
    for seed in 0..100 {
        log_softmax_into(&[seed as f32; 10], 1.0, &mut log_p);
    }
    assert_eq!((log_p.len(), log_p.as_ptr()), (10, before));
}

proptest! {
    #[test]
    fn contributions_sum_to_the_divergence(z in logits(), other in logits(), temperature in 0.5..20.0_f64) {
        let k = z.len().min(other.len());
        let (p, q) = (log_softmax(&z[..k], temperature), log_softmax(&other[..k], temperature));
        let parts: Vec<f64> = contributions_nats(&p, &q).collect();
        prop_assert!(parts.iter().all(|part| *part >= 0.0));
        near(parts.iter().sum(), kl_nats(&p, &q), 1e-9);
    }

    #[test]
    fn a_constant_added_to_the_logits_changes_nothing(z in logits(), other in logits(), shift in -64i8..64) {
        let k = z.len().min(other.len());
        // On a grid on which f32 adds without rounding.
        let grid = |z: &f32| (z * 1024.0).round() / 1024.0;
        let (z, other): (Vec<f32>, Vec<f32>) = (z[..k].iter().map(grid).collect(), other[..k].iter().map(grid).collect());
        let moved: Vec<f32> = other.iter().map(|z| z + f32::from(shift)).collect();
        let (p, q, m) = (log_softmax(&z, 2.0), log_softmax(&other, 2.0), log_softmax(&moved, 2.0));
        near(matching_kl_nats(&p, &q, 2.0), matching_kl_nats(&p, &m, 2.0), 1e-9);
        near(entropy_nats(&q), entropy_nats(&m), 1e-9);
    }

    #[test]
    fn entropy_is_between_nothing_and_ln_k(z in logits()) {
        let entropy = entropy_nats(&log_softmax(&z, 1.0));
        prop_assert!((0.0..=(z.len() as f64).ln() + 1e-9).contains(&entropy));
    }
}
