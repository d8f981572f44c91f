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
fn places() {
    let outputs = [0.1, 0.9, 0.1, 0.5, f32::NAN];
    assert!(is_within_top(&outputs, 1, 1) && !is_within_top(&outputs, 3, 1));
    assert!(is_within_top(&outputs, 0, 3) && !is_within_top(&outputs, 2, 3));
    assert!(is_within_top(&outputs, 2, 5) && !is_within_top(&outputs, 4, 5));
}
