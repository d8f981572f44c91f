mod age;
mod approval;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use stillhouse_drift::{
    request_weighted::{MinuteMeans, RequestWeighted},
    sequential::{Paired, Rate},
};

const HOUR: Duration = Duration::from_secs(3600);

fn share(percent: u16) -> Share {
    Share::new(percent * 100).expect("a share")
}

fn compared(roll_back_log_e: f64, promotion_log_e: f64) -> Compared {
    Compared {
        observations: 3000,
        mean: 0.001,
        bounds: [-0.004, 0.006],
        roll_back_log_e,
        promotion_log_e,
    }
}

/// Events of a canary that answers a tenth as often as stable.
fn happened(canary: u64, stable: u64, log_e: f64) -> Events {
    let rate = |events, requests| Rate { events, requests };
    Events {
        canary: rate(canary, 100),
        stable: rate(stable, 1000),
        seconds: 60,
        log_e,
    }
}

fn lost(log_e: f64) -> ClassEvidence {
    ClassEvidence {
        log_e,
        worst: Some(ClassFound {
            label: "eight".into(),
            pairs: 19,
            difference: 1.0,
            log_e: log_e + 2.0,
        }),
    }
}

/// Nothing against the canary, everything for it.
fn good() -> Evidence {
    Evidence {
        disagreement: compared(-5.0, 4.0),
        divergence: compared(-5.0, 4.0),
        anchor: None,
        classes: ClassEvidence::default(),
        errors: Events::default(),
        latency: Events::default(),
        non_finite: 0,
        early_errors: 0,
        sample_ratio_log_e: -2.0,
        shadows_starved: false,
        teacher_runs: 900,
        pictures: 2900,
        requests: RequestWeighted::default(),
        evidence_loss: None,
    }
}

/// So many requests of different pictures with these differences, those in divergence as parts of the clip.
fn by_requests(requests: u64, differences: [f64; 2]) -> RequestWeighted {
    let mut minute = MinuteMeans::default();
    (0..requests).for_each(|_| minute.observe(differences, 0));
    let mut weighted = RequestWeighted::default();
    weighted.observe(&minute);
    weighted
}

fn at(percent: u16) -> Progress {
    Progress {
        share: share(percent),
        soaked: HOUR,
        step_pairs: 1000,
        step_answers: 1000,
        age: 25 * HOUR,
        try_number: 1,
    }
}

/// The decision as a word, and the reasons as a reader gets them.
fn decided(evidence: &Evidence, progress: &Progress) -> (String, Vec<String>) {
    let Verdict { decision, reasons } = judge(evidence, progress, &Criteria::default());
    let decision = match decision {
        Decision::Hold { alert: false } => "hold".to_owned(),
        Decision::Hold { alert: true } => "hold and alert".to_owned(),
        Decision::Advance { share } => format!("to {share}"),
        Decision::Promote => "promote".to_owned(),
        Decision::RollBack => "roll back".to_owned(),
    };
    (decision, reasons.iter().map(Reason::to_string).collect())
}

#[track_caller]
fn check(evidence: &Evidence, progress: &Progress, decision: &str, reasons: &[&str]) {
    assert_eq!(
        decided(evidence, progress),
        (
            decision.to_owned(),
            reasons.iter().map(ToString::to_string).collect()
        )
    );
}

#[test]
fn the_ramp_goes_up_step_by_step() {
    for (now, next) in [
        (0, "to 1%"),
        (1, "to 5%"),
        (5, "to 25%"),
        (25, "to 50%"),
        (50, "to 100%"),
    ] {
        let why = ["60 min and 1000 pairs at this share, nothing against it"];
        check(&good(), &at(now), next, &why);
    }
    // An operator's own share goes on to the next of the ramp.
    assert_eq!(decided(&good(), &at(30)).0, "to 50%");
    let seen = "canary less stable +0.100 points, between -0.400 and +0.600, in 3000 pairs";
    let nats = "canary less stable +0.001 nats, between -0.004 and +0.006, in 3000 pairs";
    check(
        &good(),
        &at(100),
        "promote",
        &[
            &format!(
                "disagreement: shown to be within the margin, 54.6 : 1 where 32.9 : 1 decide; {seen}"
            ),
            &format!(
                "divergence: shown to be within the margin, 54.6 : 1 where 32.9 : 1 decide; {nats}"
            ),
        ],
    );
}

#[test]
fn a_step_takes_its_time_its_pairs_and_its_answers() {
    let early = Progress {
        soaked: Duration::from_secs(599),
        ..at(5)
    };
    check(&good(), &early, "hold", &["9 min of 10 min at this share"]);
    let idle = Progress {
        step_pairs: 99,
        step_answers: 19,
        ..at(5)
    };
    let missing = [
        "99 of 100 pairs at this share",
        "19 of 20 answers at this share",
    ];
    check(&good(), &idle, "hold", &missing);
    // A dark canary answers no request.
    let dark = Progress {
        step_answers: 0,
        ..at(0)
    };
    assert_eq!(decided(&good(), &dark).0, "to 1%");
}

#[test]
fn everybody_needs_the_proofs_of_promotion() {
    let unproven = Evidence {
        divergence: compared(-5.0, 3.49),
        ..good()
    };
    assert_eq!(decided(&unproven, &at(25)).0, "to 50%");
    for percent in [50, 100] {
        check(
            &unproven,
            &at(percent),
            "hold",
            &[
                "divergence: not yet shown to be within the margin, 32.8 : 1 of 32.9 : 1; canary less stable +0.001 nats, between -0.004 and +0.006, in 3000 pairs",
            ],
        );
    }
    let few = Compared {
        observations: 499,
        ..compared(-5.0, 4.0)
    };
    let few = Evidence {
        disagreement: few,
        ..good()
    };
    check(
        &few,
        &at(100),
        "hold",
        &["disagreement: 499 of 500 pairs in all"],
    );
}

/// ln(5/0.01) = 6.21: five metrics share one per cent.
#[test]
fn each_metric_alone_rolls_back() {
    let (below, above) = (6.214, 6.215);
    let events = |log_e| happened(12, 3, log_e);
    let with = |log_e: f64| {
        [
            Evidence {
                disagreement: compared(log_e, -9.0),
                ..good()
            },
            Evidence {
                divergence: compared(log_e, -9.0),
                ..good()
            },
            Evidence {
                errors: events(log_e),
                ..good()
            },
            Evidence {
                latency: events(log_e),
                ..good()
            },
            Evidence {
                classes: lost(log_e),
                ..good()
            },
        ]
    };
    for (evidence, metric) in with(above).iter().zip(Metric::ALL) {
        let (decision, reasons) = decided(evidence, &at(5));
        assert_eq!((decision.as_str(), reasons.len()), ("roll back", 1));
        let expected = format!("{metric}: ");
        assert!(reasons[0].starts_with(&expected), "{reasons:?}");
        assert!(
            reasons[0].contains("500 : 1 where 500 : 1 decide"),
            "{reasons:?}"
        );
    }
    for evidence in with(below) {
        assert_eq!(decided(&evidence, &at(5)).0, "to 25%");
    }
    check(
        &Evidence {
            errors: events(20.0),
            ..good()
        },
        &at(5),
        "roll back",
        &[
            "errors: more often than the margin allows, over 1 000 000 : 1 where 500 : 1 decide; 12 of 100 of the canary's requests, 3 of 1000 of stable's",
        ],
    );
}

#[test]
fn hard_stops_wait_for_nothing() {
    let fresh = Progress {
        soaked: Duration::ZERO,
        step_pairs: 0,
        step_answers: 5,
        age: Duration::ZERO,
        try_number: 1,
        share: share(1),
    };
    let lost = Evidence {
        evidence_loss: Some(EvidenceLoss::Restart),
        shadows_starved: true,
        ..good()
    };
    let broken = Evidence {
        non_finite: 3,
        ..lost.clone()
    };
    check(
        &broken,
        &fresh,
        "roll back",
        &["3 answers of the canary weren't finite: 3 end it"],
    );
    let failing = Evidence {
        early_errors: 5,
        ..lost.clone()
    };
    check(
        &failing,
        &fresh,
        "roll back",
        &["5 of the canary's first 20 answers were errors"],
    );
    let bearable = Evidence {
        non_finite: 2,
        early_errors: 4,
        ..lost
    };
    assert_eq!(decided(&bearable, &fresh).0, "hold and alert");
}

#[test]
fn guards_freeze_the_ramp() {
    let lost = "a restart lost evidence; what was seen before may have been unfavourable, so nothing counts for the canary: an operator must decide, or begin the canary again";
    let starved = "shadows are starved: no pairs come to judge by";
    for percent in [0, 5, 50, 100] {
        check(
            &Evidence {
                evidence_loss: Some(EvidenceLoss::Restart),
                ..good()
            },
            &at(percent),
            "hold and alert",
            &[lost],
        );
        check(
            &Evidence {
                shadows_starved: true,
                ..good()
            },
            &at(percent),
            "hold and alert",
            &[starved],
        );
        for log_e in [6.91, f64::INFINITY, f64::NAN] {
            let (decision, reasons) = decided(
                &Evidence {
                    sample_ratio_log_e: log_e,
                    ..good()
                },
                &at(percent),
            );
            assert_eq!(decision, "hold and alert");
            assert!(
                reasons[0].contains("the shares they were promised"),
                "{reasons:?}"
            );
        }
    }
    assert_eq!(
        decided(
            &Evidence {
                sample_ratio_log_e: 6.90,
                ..good()
            },
            &at(5)
        )
        .0,
        "to 25%"
    );
}

#[test]
fn the_undecided_are_told_at_their_maximum_age() {
    let old = Progress {
        age: 72 * HOUR,
        ..at(50)
    };
    check(
        &good(),
        &old,
        "hold and alert",
        &["undecided for 72 h, at most 72 h are allowed: an operator must decide"],
    );
    let unproven = Evidence {
        disagreement: compared(-1.0, 0.5),
        ..good()
    };
    let old = Progress {
        age: 80 * HOUR,
        ..at(100)
    };
    let (decision, reasons) = decided(&unproven, &old);
    assert_eq!((decision.as_str(), reasons.len()), ("hold and alert", 2));
    assert_eq!(decided(&good(), &old).0, "promote", "decided, if late");
}

#[test]
fn criteria_are_a_table() {
    let criteria: Criteria =
        toml::from_str("soak_seconds = 5\nramp = [0, \"2.5%\", \"100%\"]").expect("read");
    assert_eq!(
        criteria.ramp,
        [share(0), Share::new(250).expect("2.5 %"), Share::ALL]
    );
    assert_eq!((criteria.soak_seconds, criteria.promotion_pairs), (5, 500));
    assert_eq!(Criteria::default().check(), Ok(()));
    assert!(toml::from_str::<Criteria>("soak = 5").is_err());
    for (text, expected) in [
        (
            "divergence_margin_nats = 2.5",
            "`divergence_margin_nats` is 2.5: fewer nats than `divergence_clip_nats` belong here",
        ),
        (
            r#"ramp = ["0%", "5%", "5%"]"#,
            "`ramp` is [\"0%\", \"5%\", \"5%\"]: shares that rise belong here",
        ),
    ] {
        let criteria: Criteria = toml::from_str(text).expect(text);
        assert_eq!(criteria.check().expect_err(text).to_string(), expected);
    }
}

/// Pairs with these chances of +1 and −1 in disagreement, and a divergence of `nats` more than stable's, one a second, until
/// the verdict is final; the shares on the way.
fn trial(worse: f64, better: f64, nats: f64) -> (Decision, Vec<Share>, u64) {
    let criteria = Criteria {
        minimum_age_seconds: 0,
        ..Criteria::default()
    };
    let (mut disagreement, mut divergence) = (criteria.disagreement(), criteria.divergence());
    let (errors, latency) = (criteria.errors(), criteria.latency());
    let (mut shares, mut since) = (vec![Share::default()], 0);
    let thresholds = criteria.thresholds(1);
    let part = |paired: &Paired, unit| paired.compared(unit, &thresholds);
    for second in 1..=100_000u64 {
        let mut z = second.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let uniform = ((z ^ (z >> 29)) >> 11) as f64 / 2f64.powi(53);
        let difference = match uniform {
            u if u < worse => 1.0,
            u if u < worse + better => -1.0,
            _ => 0.0,
        };
        disagreement.observe(difference);
        let wave = if second % 2 == 0 { 0.05 } else { -0.05 };
        divergence.observe((nats + wave) / criteria.divergence_clip_nats);
        let evidence = Evidence {
            disagreement: part(&disagreement, 1.0),
            divergence: part(&divergence, criteria.divergence_clip_nats),
            errors: Events::from(&errors),
            latency: Events::from(&latency),
            ..good()
        };
        let progress = Progress {
            share: shares[shares.len() - 1],
            soaked: Duration::from_secs(second - since),
            step_pairs: second - since,
            step_answers: second - since,
            age: Duration::from_secs(second),
            try_number: 1,
        };
        match judge(&evidence, &progress, &criteria).decision {
            Decision::Hold { .. } => {}
            Decision::Advance { share } => {
                shares.push(share);
                since = second;
            }
            last => return (last, shares, second),
        }
    }
    panic!("undecided");
}

#[test]
fn canaries_on_trial() {
    let (decision, shares, seconds) = trial(0.008, 0.008, 0.0);
    assert_eq!(
        (decision, shares),
        (Decision::Promote, Criteria::default().ramp)
    );
    println!("promoted after {seconds} s");
    let (decision, shares, seconds) = trial(0.09, 0.01, 0.0);
    assert_eq!(decision, Decision::RollBack);
    println!("eight points worse: rolled back after {seconds} s at {shares:?}");
    assert!(seconds < 600 && shares.len() == 1, "still in the dark");
    // All labels agree, but its certainty is wrong.
    let (decision, _, seconds) = trial(0.0, 0.0, 0.3);
    assert_eq!(decision, Decision::RollBack);
    println!("overconfident: rolled back after {seconds} s");
    assert!(seconds < 300);
}

fn log_e() -> impl Strategy<Value = f64> {
    prop_oneof![-20.0..20.0_f64, Just(f64::NAN), Just(f64::INFINITY)]
}

#[test]
fn what_callers_get_holds_a_promotion_back() {
    let worse = Evidence {
        requests: by_requests(400, [0.0177, 0.0]),
        ..good()
    };
    check(
        &worse,
        &at(100),
        "hold",
        &[
            "disagreement: weighted by requests, canary less stable +1.770 points, the margin is +1.000 points: busy minutes or \
             frequent pictures are worse than the others (as much as 400 requests of different pictures say)",
        ],
    );
    // No share of 100 % either, but a smaller one.
    assert_eq!(decided(&worse, &at(50)).0, "hold");
    assert_eq!(decided(&worse, &at(5)).0, "to 25%");
    let further = Evidence {
        requests: by_requests(400, [0.0, 0.02]),
        ..good()
    };
    assert!(
        decided(&further, &at(100)).1[0]
            .contains("divergence: weighted by requests, canary less stable +0.040 nats")
    );
    let within = Evidence {
        requests: by_requests(400, [0.009, 0.009]),
        ..good()
    };
    assert_eq!(decided(&within, &at(100)).0, "promote");
}

#[test]
fn a_few_pictures_again_and_again_are_no_proof() {
    let few = Evidence {
        pictures: 30,
        ..good()
    };
    check(
        &few,
        &at(100),
        "hold",
        &["about 30 of 200 different pictures: more pairs of the same ones say nothing of others"],
    );
}

prop_compose! {
    fn metric()(observations in 0u64..2000, back in log_e(), up in log_e()) -> Compared {
        Compared { observations, ..compared(back, up) }
    }
}

prop_compose! {
    fn any_evidence()(
        disagreement in metric(),
        divergence in metric(),
        logs in (log_e(), log_e(), log_e(), log_e()),
        non_finite in 0u64..5,
        early_errors in 0u64..7,
        guards in (any::<bool>(), any::<bool>()),
        pictures in 0u64..400,
        differences in [-0.1..0.1_f64, -0.1..0.1],
        anchor in prop::option::of((metric(), metric(), any::<bool>())),
    ) -> Evidence {
        let events = |log_e| happened(1, 1, log_e);
        Evidence {
            disagreement,
            divergence,
            anchor: anchor.map(|(disagreement, divergence, is_loaded)| AnchorEvidence {
                version: "v1".into(),
                is_loaded,
                disagreement,
                divergence,
            }),
            classes: lost(logs.3),
            errors: events(logs.0),
            latency: events(logs.1),
            non_finite,
            early_errors,
            sample_ratio_log_e: logs.2,
            shadows_starved: guards.0,
            teacher_runs: 0,
            pictures,
            requests: by_requests(50, differences),
            evidence_loss: guards.1.then_some(EvidenceLoss::Restart),
        }
    }
}

prop_compose! {
    fn any_progress()(
        percent in 0u16..=100,
        soaked in 0u64..2000,
        step_pairs in 0u64..300,
        step_answers in 0u64..50,
        more in 0u64..400_000,
        try_number in 0u32..9,
    ) -> Progress {
        Progress {
            share: share(percent),
            soaked: Duration::from_secs(soaked),
            step_pairs,
            step_answers,
            age: Duration::from_secs(soaked + more),
            try_number,
        }
    }
}

fn is_forward(verdict: &Verdict) -> bool {
    matches!(
        verdict.decision,
        Decision::Promote | Decision::Advance { .. }
    )
}

proptest! {
    #[test]
    fn nothing_goes_forward_on_frozen_evidence(evidence in any_evidence(), progress in any_progress()) {
        let criteria = Criteria::default();
        for frozen in [
            Evidence { evidence_loss: Some(EvidenceLoss::Restart), ..evidence.clone() },
            Evidence { shadows_starved: true, ..evidence.clone() },
            Evidence { sample_ratio_log_e: f64::INFINITY, ..evidence.clone() },
        ] {
            let verdict = judge(&frozen, &progress, &criteria);
            prop_assert!(!is_forward(&verdict), "{verdict:?}");
            // Freezing doesn't protect, either; only of live events a broken split leaves nothing to go by.
            let broken = frozen.sample_ratio_log_e > 6.9 || frozen.sample_ratio_log_e.is_nan();
            let heard = |events: Events| if broken { Events::default() } else { events };
            let free = Evidence {
                evidence_loss: None,
                shadows_starved: false,
                sample_ratio_log_e: 0.0,
                errors: heard(frozen.errors),
                latency: heard(frozen.latency),
                ..frozen
            };
            let back = |verdict: &Verdict| verdict.decision == Decision::RollBack;
            prop_assert_eq!(back(&verdict), back(&judge(&free, &progress, &criteria)));
        }
    }

    #[test]
    fn every_verdict_says_why_and_goes_one_step(evidence in any_evidence(), progress in any_progress()) {
        let criteria = Criteria::default();
        let verdict = judge(&evidence, &progress, &criteria);
        prop_assert!(!verdict.reasons.is_empty(), "{verdict:?}");
        prop_assert!(verdict.reasons.iter().all(|reason| !reason.to_string().is_empty()));
        prop_assert!(serde_json::to_string(&verdict).is_ok());
        match verdict.decision {
            Decision::Advance { share } => {
                let between = criteria.ramp.iter().filter(|step| progress.share < **step && **step < share);
                prop_assert!(share > progress.share && between.count() == 0);
            }
            Decision::Promote => {
                prop_assert!(progress.share == Share::ALL);
                let needed = criteria.promotion_log_e(progress.try_number);
                prop_assert!(evidence.disagreement.promotion_log_e >= needed);
                prop_assert!(evidence.divergence.promotion_log_e >= needed);
                if let Some(anchor) = &evidence.anchor {
                    prop_assert!(anchor.is_loaded);
                    prop_assert!(anchor.disagreement.promotion_log_e >= needed);
                    prop_assert!(anchor.divergence.promotion_log_e >= needed);
                }
            }
            _ => {}
        }
    }
}

/// Callers of one kind only, all on the canary: their errors are the canary's by the split, not by its doing.
#[test]
fn live_events_say_nothing_while_the_split_is_broken() {
    let events = happened(40, 0, 12.0);
    let honest = Evidence {
        errors: events,
        latency: events,
        ..good()
    };
    assert_eq!(decided(&honest, &at(5)).0, "roll back");
    for log_e in [7.0, f64::INFINITY, f64::NAN] {
        let broken = Evidence {
            sample_ratio_log_e: log_e,
            ..honest.clone()
        };
        assert_eq!(decided(&broken, &at(5)).0, "hold and alert", "{log_e}");
        // Pairs are drawn alike for every role: they count all the same.
        let worse = Evidence {
            disagreement: compared(9.0, -5.0),
            ..broken
        };
        assert_eq!(decided(&worse, &at(5)).0, "roll back");
    }
}
