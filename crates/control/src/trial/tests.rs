use std::time::Duration;

use super::*;
use stillhouse_core::rollout::Split;
use stillhouse_drift::sequential::Rate;

const SECOND: Duration = Duration::from_secs(1);

fn assignment(canary: u16, teacher: u16) -> Assignment {
    let share = |points| Share::new(points).expect("a share");
    Assignment {
        split: Split {
            canary: share(canary),
            teacher: share(teacher),
        },
        ..Assignment::first("v1".parse().expect("a name"))
    }
}

/// So many answers of this latency, and so many errors.
fn counts(answers: u64, milliseconds: u64, errors: u64) -> Counts {
    Counts::of(answers, Duration::from_millis(milliseconds), errors)
}

fn reading(canary: Counts, stable: Counts) -> SeatReadings {
    SeatReadings { canary, stable }
}

fn difference(pairing: Pairing) -> Difference {
    Difference {
        pairing,
        disagreement: 1.0,
        divergence: 0.5,
        non_finite: true,
        ..Difference::default()
    }
}

fn trial(assignment: &Assignment, first: SeatReadings, now: Instant) -> Trial {
    let criteria = Criteria::default();
    Trial::new(Pairing::default(), assignment, &criteria, first, None, now)
}

#[test]
fn pairs_of_others_are_nobodys_evidence() {
    let now = Instant::now();
    let mut trial = trial(&assignment(0, 0), SeatReadings::default(), now);
    trial.pair(&difference(Pairing::default()), 7);
    trial.pair(&difference(Pairing::of_rollout(7)), 7);
    let evidence = trial.evidence(0.0, false, true);
    assert_eq!(
        (evidence.disagreement.observations, evidence.non_finite),
        (1, 1)
    );
    // In nats, not in parts of the clip.
    assert_eq!(evidence.divergence.mean, 1.0);
}

/// Led by hand at first, then automatically, as the third try: the bound that is shown is of that try as well.
#[test]
fn bounds_are_those_of_the_present_try() {
    let now = Instant::now();
    let mut assignment = assignment(0, 0);
    let mut trial = trial(&assignment, SeatReadings::default(), now);
    let [first, third] = [1, 3].map(|number| Criteria::default().promotion_log_e(number));
    let same = Difference::default();
    let mut log_e = 0.0;
    while log_e < first {
        trial.pair(&same, 7);
        log_e = trial
            .evidence(0.0, false, true)
            .disagreement
            .promotion_log_e;
    }
    assert!(log_e < third, "{log_e} of {third}");
    let margin = Criteria::default().disagreement_margin;
    let upper = |trial: &Trial| trial.evidence(0.0, false, true).disagreement.bounds[1];
    assert!(upper(&trial) <= margin);
    (1..=3).for_each(|rollout| assignment.tries.begin(rollout + 100, "other"));
    assignment.rollout = 103;
    trial.look(&assignment, SeatReadings::default(), now);
    assert!(upper(&trial) > margin, "not proven in the third try");
}

#[test]
fn a_new_share_begins_a_new_step() {
    let start = Instant::now();
    let mut trial = trial(&assignment(0, 0), SeatReadings::default(), start);
    (0..5).for_each(|_| trial.pair(&difference(Pairing::default()), 7));
    let reading = |answers| reading(counts(answers, 1, 0), Counts::default());
    trial.look(&assignment(100, 0), reading(0), start + 10 * SECOND);
    trial.pair(&difference(Pairing::default()), 7);
    trial.look(&assignment(100, 0), reading(3), start + 15 * SECOND);
    let progress = trial.progress(start + 25 * SECOND);
    assert_eq!(progress.share, Share::new(100).expect("a share"));
    assert_eq!((progress.soaked, progress.age), (15 * SECOND, 25 * SECOND));
    assert_eq!((progress.step_pairs, progress.step_answers), (1, 3));
}

fn rate(events: u64, requests: u64) -> Rate {
    Rate { events, requests }
}

/// What others have done before it began is not the canary's.
#[test]
fn events_are_those_since_it_began() {
    let now = Instant::now();
    let before = reading(counts(50, 1, 40), counts(900, 1, 7));
    let mut trial = trial(&assignment(1000, 500), before.clone(), now);
    let mut expected = Criteria::default().errors();
    expected.observe(rate(3, 13), rate(2, 52));
    trial.look(
        &assignment(1000, 500),
        reading(counts(60, 1, 43), counts(950, 1, 9)),
        now + SECOND,
    );
    let evidence = trial.evidence(0.0, false, true);
    assert_eq!(evidence.errors, Events::from(&expected));
    assert_eq!(evidence.errors.canary, rate(3, 13));
    assert_eq!(
        evidence.early_errors, 0,
        "the first requests of the seat were others'"
    );
}

/// The judge looks twice a second: what it sees in between belongs to a second that isn't over.
#[test]
fn a_second_is_observed_once_and_whole() {
    let now = Instant::now();
    let share = assignment(5000, 0);
    let mut trial = trial(&share, SeatReadings::default(), now);
    for look in 1..=6u64 {
        let errors = look * 3;
        let reading = reading(counts(0, 1, errors), counts(look * 10, 1, 0));
        trial.look(&share, reading, now + SECOND / 2 * look as u32);
        let seen = trial.evidence(0.0, false, true).errors;
        let seconds = look / 2;
        assert_eq!(seen.seconds, seconds);
        assert_eq!(seen.canary, rate(seconds * 6, seconds * 6));
    }
}

/// Everything was just given to the canary: that every late answer is its own says nothing.
#[test]
fn events_around_a_change_of_the_shares_say_nothing() {
    let now = Instant::now();
    let half = assignment(5000, 0);
    let all = Assignment {
        generation: 2,
        ..assignment(10_000, 0)
    };
    let stable = || counts(300, 1, 0);
    let mut trial = trial(&half, reading(counts(0, 1, 0), stable()), now);
    trial.look(&all, reading(counts(90, 40, 30), stable()), now + SECOND);
    let evidence = trial.evidence(0.0, false, true);
    assert_eq!((evidence.errors.seconds, evidence.latency.seconds), (0, 0));
    assert_eq!(evidence.errors.canary, Rate::default());
    assert_eq!(trial.progress(now).step_answers, 0);
}

#[test]
fn an_answer_is_late_beyond_what_stable_hardly_ever_takes() {
    let now = Instant::now();
    let share = assignment(5000, 0);
    let mut trial = trial(&share, reading(counts(0, 1, 0), counts(199, 20, 0)), now);
    assert_eq!(trial.late_above_seconds(), None, "too few to know");
    let first = reading(counts(10, 40, 0), counts(200, 20, 0));
    trial.look(&share, first, now + SECOND);
    assert_eq!(trial.late_above_seconds(), Some(0.02));
    assert_eq!(trial.evidence(0.0, false, true).latency, Events::default());
    let second = reading(counts(15, 40, 0), counts(260, 20, 0));
    trial.look(&share, second, now + 2 * SECOND);
    let latency = trial.evidence(0.0, false, true).latency;
    assert_eq!((latency.canary, latency.stable), (rate(5, 5), rate(0, 60)));
    assert!(latency.log_e > 0.0);
}

/// Identical files: the one that answers seldom finds cold caches, and takes a millisecond where the other takes a tenth.
#[test]
fn below_the_floor_nothing_is_late() {
    let now = Instant::now();
    let share = assignment(100, 0);
    let stable = Counts::of(1000, Duration::from_micros(100), 0);
    let mut trial = trial(&share, reading(Counts::default(), stable.clone()), now);
    assert_eq!(trial.late_above_seconds(), Some(0.01));
    trial.look(&share, reading(counts(50, 8, 0), stable), now + SECOND);
    assert_eq!(trial.evidence(0.0, false, true).latency.canary, rate(0, 50));
}

/// A class of half a per cent that the canary never gets right, in a thousand samples of ten classes spread as they come.
#[test]
fn a_lost_class_is_seen_and_a_seldom_one_is_named() {
    let now = Instant::now();
    let labels: Vec<String> = (0..11).map(|class| format!("class {class}")).collect();
    let mut trial =
        trial(&assignment(0, 0), SeatReadings::default(), now).of_classes(labels.into());
    for n in 0..4000 {
        let class = if n % 200 == 7 { 9 } else { n % 9 };
        trial.pair(
            &Difference {
                disagreement: if class == 9 { 1.0 } else { 0.0 },
                stable_class: Some(class),
                ..Difference::default()
            },
            7,
        );
    }
    let evidence = trial.evidence(0.0, false, true).classes;
    let worst = evidence.worst.expect("seen");
    assert_eq!(
        (worst.label.as_str(), worst.pairs, worst.difference),
        ("class 9", 20, 1.0)
    );
    assert!(evidence.log_e > Criteria::default().roll_back_log_e());
    // Class 10 was never seen; nothing is known of it.
    let (guard, _) = trial.classes();
    assert_eq!(guard.pairs_of(10), Some(0));
    assert!(guard.pairs_needed(Criteria::default().roll_back_log_e()) <= 20);
    // In the checkpoint it takes a few bytes a class, and goes on.
    let saved = trial.save(0.0, now);
    let text = serde_json::to_string(&saved).expect("JSON");
    let read: SavedTrial = serde_json::from_str(&text).expect("the same");
    // The last digit of other numbers may be read otherwise.
    let classes = |saved| serde_json::to_value(saved).expect("JSON")["classes"].clone();
    assert_eq!(classes(read), classes(saved));
}
