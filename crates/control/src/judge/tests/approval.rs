//! Canaries that are promoted automatically, one after the other: what adds up over them.

use super::*;
use stillhouse_drift::simulation::Stream;

/// Of two versions that answer one picture in fifty differently, the second worse by `points` of a hundred on average.
fn difference(stream: &mut Stream, points: f64) -> f64 {
    let (uniform, worse) = (stream.uniform(), 0.01 + points / 200.0);
    match uniform {
        u if u < worse => 1.0,
        u if u < 0.02 => -1.0,
        _ => 0.0,
    }
}

fn beside(anchor: Compared) -> Evidence {
    Evidence {
        anchor: Some(AnchorEvidence {
            version: "v1".into(),
            is_loaded: true,
            disagreement: anchor,
            divergence: compared(-5.0, 4.0),
        }),
        ..good()
    }
}

#[test]
fn a_canary_is_promoted_only_if_it_is_near_the_anchor_too() {
    let near = compared(-5.0, 4.0);
    let (decision, reasons) = decided(&beside(near), &at(100));
    assert_eq!((decision.as_str(), reasons.len()), ("promote", 4));
    assert!(
        reasons[2].starts_with(
            "disagreement beside the last version that a person approved: shown to be within the margin"
        ) && reasons[2].contains("canary less anchor +0.100 points"),
        "{reasons:?}"
    );
    let unproven = beside(compared(-5.0, 1.0));
    let (decision, reasons) = decided(&unproven, &at(100));
    assert_eq!((decision.as_str(), reasons.len()), ("hold", 1));
    // Until a promotion it goes up: beside stable it is as good.
    assert_eq!(decided(&unproven, &at(5)).0, "to 25%");
    assert_eq!(decided(&unproven, &at(50)).0, "hold");
}

#[test]
fn what_the_anchor_forbids_a_person_decides() {
    let needed = Criteria::default().roll_back_log_e();
    let beyond = beside(compared(needed + 0.01, -9.0));
    for percent in [50, 100] {
        let (decision, reasons) = decided(&beyond, &at(percent));
        assert_eq!(decision, "hold and alert");
        assert!(
            reasons[0].contains("worse than v1, the last version that a person approved")
                && reasons[0].contains("`stillhouse promote`"),
            "{reasons:?}"
        );
    }
    assert_eq!(decided(&beyond, &at(5)).0, "to 25%", "no roll-back");
    let mut missing = beside(compared(0.0, 0.0));
    missing
        .anchor
        .iter_mut()
        .for_each(|anchor| anchor.is_loaded = false);
    let (decision, reasons) = decided(&missing, &at(100));
    assert_eq!((decision.as_str(), reasons.len()), ("hold and alert", 1));
    assert!(
        reasons[0].contains("v1, the last version that a person approved, isn't loaded")
            && reasons[0].contains("put v1 back"),
        "{reasons:?}"
    );
}

#[test]
fn each_try_needs_stronger_evidence_and_all_together_keep_the_promise() {
    let criteria = Criteria::default();
    let spent: f64 = (1..=100_000)
        .map(|number| (-criteria.promotion_log_e(number)).exp())
        .sum();
    assert!((0.0499..0.05).contains(&spent), "{spent}");
    let strong = Evidence {
        disagreement: compared(-5.0, 3.6),
        divergence: compared(-5.0, 3.6),
        ..good()
    };
    for (try_number, decision) in [(1, "promote"), (2, "hold"), (7, "hold")] {
        let progress = Progress {
            try_number,
            ..at(100)
        };
        assert_eq!(decided(&strong, &progress).0, decision, "{try_number}");
    }
}

/// A canary beyond the margin by a twentieth of a point, tried again and again.
#[test]
fn a_bad_canary_is_not_promoted_by_being_tried_often() {
    const RUNS: u64 = 40;
    let criteria = Criteria::default();
    let promoted = |spends: bool| {
        let promoted = (0..RUNS).filter(|run| {
            (1..=12u32).any(|try_number| {
                let mut stream = Stream::new(run * 1000 + u64::from(try_number));
                let mut test = criteria.disagreement();
                let needed = criteria.promotion_log_e(if spends { try_number } else { 1 });
                (0..2000).any(|_| {
                    test.observe(difference(&mut stream, 1.05));
                    // A mean is no larger than its largest, which is cheaper.
                    let most = test
                        .promotion()
                        .log_wealth()
                        .into_iter()
                        .fold(f64::MIN, f64::max);
                    most >= needed && test.promotion().log_e() >= needed
                })
            })
        });
        promoted.count()
    };
    let (spent, unspent) = (promoted(true), promoted(false));
    println!(
        "of {RUNS} bad canaries tried 12 times {spent} are promoted, {unspent} if each try were the first"
    );
    assert!(spent <= 3, "{spent}");
    assert!(unspent > spent, "{unspent}");
}

/// Ten canaries, each .45 points worse than the one before.
#[test]
fn small_losses_do_not_add_up() {
    const EACH: f64 = 0.45;
    let criteria = Criteria::default();
    let lost = |has_anchor: bool, seed: u64| {
        let (mut stream, mut lost) = (Stream::new(seed), 0.0);
        for _ in 0..10 {
            // As if each were the first try: the anchor alone keeps them.
            let needed = criteria.promotion_log_e(1);
            let (mut beside_stable, mut beside_anchor) =
                (criteria.disagreement(), criteria.disagreement());
            let promoted = (0..8000).any(|pair| {
                beside_stable.observe(difference(&mut stream, EACH));
                beside_anchor.observe(difference(&mut stream, lost + EACH));
                let proven = |test: &Paired| test.promotion().log_e() >= needed;
                pair % 50 == 0
                    && proven(&beside_stable)
                    && (!has_anchor || lost == 0.0 || proven(&beside_anchor))
            });
            if promoted {
                lost += EACH;
            }
        }
        lost
    };
    for seed in 0..2 {
        let (with, without) = (lost(true, seed), lost(false, seed));
        println!(
            "ten canaries, each {EACH} points worse: {with:.2} points lost, without the anchor {without:.2}"
        );
        assert!(with <= 1.0 && without > 1.0, "{with} {without}");
    }
}
