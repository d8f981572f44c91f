//! What must hold for every stream.

use proptest::prelude::*;

use super::{
    Detector, EventRates, Promotion, Rate, RollBack, fleet_log_e,
    streams::{Endings, Stream},
};

/// The mean of `e` over all streams of `length` differences, each −1, 0 or 1 with these chances.
fn mean_over_streams<T: Clone>(
    length: u32,
    chances: [f64; 3],
    test: &T,
    observe: fn(&mut T, f64),
    e: fn(&T) -> f64,
) -> f64 {
    if length == 0 {
        return e(test);
    }
    let differences = [-1.0, 0.0, 1.0];
    let branches = differences.iter().zip(chances).map(|(difference, chance)| {
        let mut next = test.clone();
        observe(&mut next, *difference);
        chance * mean_over_streams(length - 1, chances, &next, observe, e)
    });
    branches.sum()
}

/// Chances of −1, 0 and 1 whose mean is `mean`.
fn chances(mean: f64, still: f64) -> [f64; 3] {
    let moving = 1.0 - still;
    [(moving - mean) / 2.0, still, (moving + mean) / 2.0]
}

#[test]
fn at_the_margin_wealth_is_worth_one_and_below_it_less() {
    for restart_every in [None, Some(2), Some(3)] {
        for (margin, still) in [(0.01, 0.9), (0.01, 0.1), (0.2, 0.5)] {
            let test = RollBack::new(-1.0, 1.0, margin, restart_every);
            let mean = |mean| {
                let chances = chances(mean, still);
                mean_over_streams(8, chances, &test, RollBack::observe, |test| {
                    test.log_e().exp()
                })
            };
            assert!((mean(margin) - 1.0).abs() < 1e-12, "{}", mean(margin));
            assert!(mean(margin - 0.05) < 1.0 && mean(margin + 0.05) > 1.0);
        }
    }
}

#[test]
fn promotion_is_worth_one_at_the_margin_and_less_beyond() {
    let test = Promotion::new(-1.0, 1.0, 0.01);
    let mean = |mean| {
        let observe = Promotion::observe;
        mean_over_streams(8, chances(mean, 0.8), &test, observe, |test| {
            test.log_e().exp()
        })
    };
    assert!((mean(0.01) - 1.0).abs() < 1e-12);
    assert!(mean(0.05) < 1.0 && mean(-0.05) > 1.0);
}

/// The e-SR statistic less its number of observations is a fair game: its mean is what it has seen.
#[test]
fn the_detector_gains_one_an_observation() {
    let test = Detector::new(-1.0, 1.0, 0.01);
    let mean = mean_over_streams(8, chances(0.01, 0.7), &test, Detector::observe, |test| {
        test.log_statistic().exp()
    });
    assert!((mean - 8.0).abs() < 1e-9, "{mean}");
}

/// Runs of A or more on average without a fault, and an alarm soon after one.
#[test]
fn the_detector_waits_long_and_then_is_quick() {
    let detected = |wrong_after: u64| {
        Endings::of(
            150,
            100_000,
            || Detector::new(0.0, 1.0, 0.03),
            move |test, stream: &mut Stream, n| {
                let wrong = if n > wrong_after { 0.12 } else { 0.03 };
                test.observe(f64::from(stream.happens(wrong)));
                test.log_statistic() >= 1000f64.ln()
            },
        )
    };
    let mean = detected(u64::MAX).mean();
    println!("average run length without a fault: {mean}");
    assert!(mean >= 1000.0, "{mean}");
    let late = detected(200);
    let in_time = late.quantile(0.5) as f64 - 200.0;
    println!("median delay .03→.12: {in_time}");
    assert!((30.0..=120.0).contains(&in_time), "{in_time}");
}

/// A canary that fails late on every replica is met later than on one server (318 pairs): each replica's latest run has
/// its own small share of the purse. Without restarts it would take 1455.
#[test]
fn a_fleet_finds_a_late_failure() {
    const REPLICAS: usize = 4;
    let new = || vec![RollBack::new(-1.0, 1.0, 0.01, Some(1000)); REPLICAS];
    let found = Endings::of(40, 20_000, new, |tests, stream, n| {
        let agreement = if n > 5000 { 0.90 } else { 0.98 };
        tests[n as usize % REPLICAS].observe(stream.difference(agreement));
        n > 5000 && fleet_log_e(tests.iter().map(RollBack::log_wealth)) >= 100f64.ln()
    });
    let delay = found.quantile(0.5) as f64 - 5000.0;
    println!("late failure over four replicas: {delay} pairs");
    assert!((318.0..=800.0).contains(&delay), "{delay}");
}

/// By hand, from the formulas and the published stakes: ln of the mean over the stakes after five differences.
#[test]
fn known_streams() {
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    let (mut once, mut again) = (single(), RollBack::new(-1.0, 1.0, 0.01, Some(2)));
    let mut promotion = Promotion::new(-1.0, 1.0, 0.01);
    for difference in [1.0, 0.0, -1.0, 1.0, 0.25] {
        once.observe(difference);
        again.observe(difference);
        promotion.observe(difference);
    }
    near(once.log_e(), 0.012_768_344_301_274_298);
    near(again.log_e(), -0.017_585_602_001_795_6);
    near(promotion.log_e(), -0.572_619_257_599_253_6);

    let mut detector = Detector::new(0.0, 1.0, 0.03);
    let values = [0.0, 1.0, 0.0, 0.0, 1.0];
    values.iter().for_each(|value| detector.observe(*value));
    near(detector.log_statistic(), 4.243_235_759_112_56);
}

#[test]
fn not_a_number_is_the_worst() {
    let (mut unknown, mut worst) = (single(), single());
    unknown.observe(f64::NAN);
    worst.observe(1.0);
    assert_eq!(unknown, worst);
    let mut beyond = single();
    beyond.observe(f64::INFINITY);
    assert_eq!(beyond, worst);
}

fn single() -> RollBack {
    RollBack::new(-1.0, 1.0, 0.01, None)
}

fn differences() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-1.0..=1.0_f64, 1..300)
}

proptest! {
    /// What replicas saw, in whatever shares, is what one server would have seen.
    #[test]
    fn a_fleet_without_restarts_is_one_server(
        seen in prop::collection::vec((-1.0..=1.0_f64, 0usize..4), 1..300),
    ) {
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
        let (mut one, mut fleet) = (single(), vec![single(); 4]);
        let promotion = Promotion::new(-1.0, 1.0, 0.01);
        let (mut one_up, mut fleet_up) = (promotion.clone(), vec![promotion; 4]);
        let events = EventRates::new(1.5, None);
        let (mut one_live, mut fleet_live) = (events.clone(), vec![events; 4]);
        for (difference, replica) in seen {
            one.observe(difference);
            fleet[replica].observe(difference);
            one_up.observe(difference);
            fleet_up[replica].observe(difference);
            let canary = Rate { events: u64::from(difference > 0.0), requests: 6 };
            let stable = Rate { events: u64::from(difference < 0.0), requests: 7 };
            one_live.observe(canary, stable);
            fleet_live[replica].observe(canary, stable);
        }
        prop_assert!(near(fleet_log_e(fleet.iter().map(RollBack::log_wealth)), one.log_e()));
        prop_assert!(near(fleet_log_e(fleet_up.iter().map(Promotion::log_wealth)), one_up.log_e()));
        prop_assert!(near(fleet_log_e(fleet_live.iter().map(EventRates::log_wealth)), one_live.log_e()));
    }

    /// The one number a stake that all runs share is the sum that statistics books write: Σ E⁽ᵏ⁾/(k(k+1)).
    #[test]
    fn restarts_are_the_weighted_runs(seen in differences(), every in 1u64..50) {
        let mut test = RollBack::new(-1.0, 1.0, 0.01, Some(every));
        seen.iter().for_each(|difference| test.observe(*difference));
        let runs = seen.len().div_ceil(every as usize);
        let mut sum = 1.0 / (runs + 1) as f64;
        for k in 1..=runs {
            let mut run = single();
            seen[(k - 1) * every as usize..].iter().for_each(|difference| run.observe(*difference));
            sum += run.log_e().exp() / (k * (k + 1)) as f64;
        }
        prop_assert!((test.log_e() - sum.ln()).abs() < 1e-9, "{} {}", test.log_e(), sum.ln());
    }

    /// Kept and read again, evidence goes on as if nothing had happened.
    #[test]
    fn kept_evidence_goes_on(seen in differences(), at in 0usize..300) {
        let mut kept = RollBack::new(-1.0, 1.0, 0.01, Some(20));
        let mut through = kept.clone();
        for (n, difference) in seen.iter().enumerate() {
            if n == at {
                let text = serde_json::to_string(&kept).expect("written");
                kept = serde_json::from_str(&text).expect("read");
            }
            kept.observe(*difference);
            through.observe(*difference);
        }
        prop_assert!((kept.log_e() - through.log_e()).abs() < 1e-12);
    }

    #[test]
    fn a_worse_canary_is_never_better_evidence(seen in differences(), at in 0usize..300, by in 0.0..1.0_f64) {
        let mut worse = seen.clone();
        let at = at % seen.len();
        worse[at] = (worse[at] + by).min(1.0);
        let (mut first, mut second) = (single(), single());
        let (mut up, mut up_worse) = (Promotion::new(-1.0, 1.0, 0.01), Promotion::new(-1.0, 1.0, 0.01));
        for (a, b) in seen.iter().zip(&worse) {
            first.observe(*a);
            second.observe(*b);
            up.observe(*a);
            up_worse.observe(*b);
        }
        prop_assert!(second.log_e() >= first.log_e() - 1e-12);
        prop_assert!(up_worse.log_e() <= up.log_e() + 1e-12);
    }
}
