use proptest::prelude::*;

use super::*;

fn near(a: f64, b: f64, allowed: f64) {
    assert!((a - b).abs() <= allowed, "{a} is not {b}");
}

fn even(classes: usize, samples: u64) -> Reference {
    Reference::new(&vec![1.0 / classes as f64; classes], samples)
}

#[test]
fn quantiles_of_chi_square() {
    // R: qchisq(.999, d); the approximation is 0.7 % high at 9 degrees of freedom and closes in.
    for (freedom, exact, off) in [
        (9.0, 27.877, 0.007),
        (99.0, 148.230, 0.0005),
        (999.0, 1142.848, 0.0001),
    ] {
        near(chi_square_999(freedom) / exact, 1.0, off);
    }
}

#[test]
fn known_counts() {
    // Smoothed with one pseudo-count spread as the reference: (30 + 0.25, 10 + 0.75) of 41.
    let shift = Reference::new(&[0.25, 0.75], 1000).compare(&[30, 10]);
    let (p, q): (f64, f64) = (30.25 / 41.0, 10.75 / 41.0);
    near(
        shift.kl_nats,
        p * (p / 0.25).ln() + q * (q / 0.75).ln(),
        1e-12,
    );
    near(
        shift.psi,
        (p - 0.25) * (p / 0.25).ln() + (q - 0.75) * (q / 0.75).ln(),
        1e-12,
    );
    near(shift.bias_nats, 0.5 * (1.0 / 40.0 + 1.0 / 1000.0), 1e-15);
    assert!((shift.answers, shift.is_enough) == (40, true));
    assert!(!even(10, 100).compare(&[4; 10]).is_enough);

    // Each its own half: one bit, but for the pseudo-counts.
    let apart = Reference::new(&[1e-9, 1.0 - 1e-9], 1000).compare(&[1_000_000_000, 0]);
    near(apart.js_bits, 1.0, 1e-6);
}

/// .3 nats with ten classes: one class went from 10 % to 39 %.
#[test]
fn a_class_from_ten_to_thirty_nine_percent_fires() {
    let mut counts = [6_778; 10];
    counts[3] = 39_000;
    let shift = even(10, 10_000).compare(&counts);
    near(shift.kl_nats, 0.294, 0.002);
    assert!(AlertRule::default().fires(&shift));
    let parts: Vec<f64> = even(10, 10_000).contributions_nats(&counts).collect();
    assert!(parts.iter().all(|part| *part <= parts[3]));
}

/// Each of the rule's three parts keeps it silent alone.
#[test]
fn three_conditions() {
    let fires = |shift: Shift| AlertRule::default().fires(&shift);
    let loud = Shift {
        answers: 501,
        is_enough: true,
        kl_nats: 0.2,
        psi: 0.4,
        js_bits: 0.05,
        bias_nats: 0.01,
        noise_nats: 0.03,
    };
    assert!(fires(loud));
    assert!(!fires(Shift {
        answers: 500,
        ..loud
    }));
    assert!(!fires(Shift {
        is_enough: false,
        ..loud
    }));
    assert!(!fires(Shift {
        noise_nats: 0.2,
        ..loud
    }));
    assert!(!fires(Shift {
        bias_nats: 0.16,
        ..loud
    }));
}

#[test]
fn no_traffic_or_no_reference_never_fires() {
    let nothing = even(10, 1000).compare(&[0; 10]);
    assert_eq!(nothing.kl_nats, 0.0);
    assert!(!AlertRule::default().fires(&nothing));
    let mut counts = [10; 10];
    counts[0] = 10_000;
    assert!(!AlertRule::default().fires(&even(10, 0).compare(&counts)));
    let zero = Reference::new(&[1.0, 0.0], 9);
    assert_eq!(zero.shares(), [0.95, 0.05]);
}

/// A counter's SplitMix64.
fn draw(seed: u64, below: u64) -> usize {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % below) as usize
}

/// Ten even classes without drift, reference and traffic both drawn: bias and noise are what the formulas say.
#[test]
fn noise_is_as_large_as_it_says() {
    const N: u64 = 500;
    const M: u64 = 1000;
    const RUNS: u64 = 4000;
    let (mut sum, mut beyond, mut bias) = (0.0, 0, 0.0);
    for run in 0..RUNS {
        let mut counts = [[0u64; 10]; 2];
        for n in 0..N + M {
            counts[usize::from(n < M)][draw((run << 24) + n + 1, 10)] += 1;
        }
        let ratios = counts[1].map(|count| (count as f64 + 0.5) / (M as f64 + 5.0));
        let shift = Reference::new(&ratios, M).compare(&counts[0]);
        sum += shift.kl_nats;
        bias = shift.bias_nats;
        beyond += u32::from(shift.kl_nats > shift.noise_nats);
    }
    let mean = sum / RUNS as f64;
    println!("mean KL {mean}, bias {bias}; beyond 99.9 %: {beyond} of {RUNS}");
    near(mean / bias, 1.0, 0.03);
    assert!((1..=9).contains(&beyond), "{beyond} of {RUNS}, expected 4");
}

/// A fixed threshold of .3 nats fires always at 1000 classes and 1000 answers; the mean without pseudo-counts is .57.
#[test]
fn a_fixed_threshold_fires_always() {
    let mut counts = [0u64; 1000];
    (0..1000).for_each(|n| counts[draw(n + 1, 1000)] += 1);
    let shares = counts.iter().map(|count| *count as f64 / 1000.0);
    let plug_in: f64 = shares
        .filter(|p| *p > 0.0)
        .map(|p| p * (p * 1000.0).ln())
        .sum();
    near(plug_in, 0.57, 0.06);
    let shift = even(1000, 100_000).compare(&counts);
    assert!(!shift.is_enough && !AlertRule::default().fires(&shift));
}

proptest! {
    #[test]
    fn parts_are_never_negative_and_sum_to_the_whole(
        cells in prop::collection::vec((0u64..1000, 1u32..1000), 2..50),
    ) {
        let (counts, weights): (Vec<u64>, Vec<u32>) = cells.into_iter().unzip();
        let total = f64::from(weights.iter().sum::<u32>());
        let ratios: Vec<f64> = weights.iter().map(|weight| f64::from(*weight) / total).collect();
        let reference = Reference::new(&ratios, 1000);
        let shift = reference.compare(&counts);
        let parts: Vec<f64> = reference.contributions_nats(&counts).collect();
        prop_assert!(parts.iter().all(|part| *part >= 0.0));
        prop_assert!((parts.iter().sum::<f64>() - shift.kl_nats).abs() < 1e-9);
        prop_assert!(shift.kl_nats >= 0.0 && shift.psi + 1e-12 >= shift.kl_nats);
        prop_assert!((0.0..=1.0 + 1e-12).contains(&shift.js_bits));
    }
}
