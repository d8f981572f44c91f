use proptest::prelude::*;

use super::*;
use crate::rollout::Role;

fn name(text: &str) -> VersionName {
    text.parse().expect("a name")
}

fn share(points: u16) -> Share {
    Share::new(points).expect("a share")
}

fn start(version: &str, points: u16) -> Change {
    StartCanary {
        version: name(version),
        share: Some(share(points)),
        plan: Plan::Manual,
    }
    .into()
}

fn automatic(version: &str) -> Change {
    StartCanary {
        version: name(version),
        share: Some(share(0)),
        plan: Plan::Automatic,
    }
    .into()
}

fn promote() -> Change {
    Promote {}.into()
}

fn back_to_previous() -> Change {
    Rollback { to: None }.into()
}

fn after(changes: &[Change]) -> Assignment {
    changes
        .iter()
        .fold(Assignment::first(name("a")), |assignment, change| {
            assignment
                .apply(change)
                .unwrap_or_else(|refusal| panic!("{change:?}: {refusal}"))
        })
}

#[test]
fn a_rollout_from_canary_to_stable_and_back() {
    let promoted = after(&[start("b", 1000), promote()]);
    assert_eq!(
        promoted,
        Assignment {
            generation: 3,
            rollout: 1,
            stable: name("b"),
            canary: None,
            teacher: None,
            previous: Some(name("a")),
            split: Default::default(),
            plan: Plan::Manual,
            anchor: None,
            tries: Default::default(),
        }
    );
    let back = promoted.apply(&back_to_previous()).expect("a way back");
    assert_eq!((back.stable, back.previous), (name("a"), Some(name("b"))));
}

/// Ten canaries, each promoted by the judge: all but the first are compared with what a person approved.
#[test]
fn what_a_person_approved_stays_the_anchor() {
    let judged = |assignment: Assignment, canary: &str| {
        let begun = assignment.apply(&start(canary, 0)).expect("free");
        let promoted = begun.apply_by(&promote(), Authority::Server);
        (
            begun.compared_anchor().cloned(),
            promoted.expect("a canary"),
        )
    };
    let mut assignment = Assignment::first(name("a"));
    for (canary, compared) in [("b", None), ("c", Some("a")), ("d", Some("a"))] {
        let (anchor, promoted) = judged(assignment, canary);
        assert_eq!(anchor, compared.map(name), "{canary}");
        assert_eq!(promoted.anchor, Some(name("a")), "{canary}");
        assignment = promoted;
    }
    // The anchor itself, tried again, needs no comparison with itself, and is stable and approved then.
    let (anchor, back) = judged(assignment.clone(), "a");
    assert_eq!((anchor, back.anchor), (None, None));
    // What a person makes stable is approved.
    let by_hand = assignment.apply(&start("e", 0)).expect("free");
    let by_hand = by_hand.apply(&promote()).expect("a canary");
    assert_eq!(by_hand.anchor, None);
    let rolled_back = assignment.apply(&back_to_previous()).expect("a way back");
    assert_eq!((rolled_back.stable, rolled_back.anchor), (name("c"), None));
}

#[test]
fn whoever_was_rolled_back_may_be_tried_again() {
    let back = after(&[start("b", 1), promote(), Rollback { to: None }.into()]);
    let again = back.apply(&start("b", 500)).expect("b fills no role");
    assert_eq!((again.canary, again.rollout), (Some(name("b")), 2));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    let teacher: Change = SetTeacher {
        version: Some(name("t")),
    }
    .into();
    let split = |canary, teacher| Change::from(SetSplit { canary, teacher });
    let rollback = |to: &str| Change::from(Rollback { to: Some(name(to)) });
    for (before, change, words) in [
        (vec![], promote(), "no canary"),
        (vec![], Abort {}.into(), "no canary"),
        (vec![], Rollback { to: None }.into(), "no previous"),
        (vec![], split(Some(share(1)), None), "no canary"),
        (vec![], split(None, Some(share(1))), "no teacher"),
        (vec![], start("a", 1), "a is already the stable"),
        (vec![], rollback("a"), "a is already the stable"),
        (
            vec![start("b", 0)],
            start("b", 5),
            "b is already the canary",
        ),
        (
            vec![start("b", 0)],
            start("c", 5),
            "b is already the canary",
        ),
        (
            vec![teacher.clone()],
            start("t", 5),
            "t is already the teacher",
        ),
        (
            vec![teacher.clone()],
            rollback("t"),
            "t is already the teacher",
        ),
        (
            vec![teacher.clone(), split(None, Some(share(9_500)))],
            start("b", 501),
            "canary 5.01% and teacher 95% are more than 100%",
        ),
        // D7: without a teacher it could never be decided.
        (vec![], automatic("b"), "`stillhouse teacher VERSION`"),
        (
            vec![start("b", 5)],
            SetPlan {
                plan: Plan::Automatic,
            }
            .into(),
            "`stillhouse teacher VERSION`",
        ),
        (
            vec![teacher.clone(), automatic("b")],
            SetTeacher { version: None }.into(),
            "canary plan manual",
        ),
    ] {
        let assignment = after(&before);
        let refusal = assignment.apply(&change).expect_err(words).to_string();
        assert!(refusal.contains(words), "{change:?}: {refusal}");
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    let version = prop::sample::select(vec!["a", "b", "c", "t"]).prop_map(name);
    let points = || (0u16..=10_000).prop_map(share);
    let plan = || prop::sample::select(vec![Plan::Manual, Plan::Automatic]);
    prop_oneof![
        (version.clone(), points(), plan()).prop_map(|(version, share, plan)| {
            let share = Some(share);
            StartCanary {
                version,
                share,
                plan,
            }
            .into()
        }),
        plan().prop_map(|plan| SetPlan { plan }.into()),
        (prop::option::of(points()), prop::option::of(points()))
            .prop_map(|(canary, teacher)| SetSplit { canary, teacher }.into()),
        Just(promote()),
        Just(Abort {}.into()),
        prop::option::of(version.clone()).prop_map(|to| Rollback { to }.into()),
        prop::option::of(version).prop_map(|version| SetTeacher { version }.into()),
    ]
}

/// An order as it is read from the body that is written of it.
fn read_back(change: &Change) -> Change {
    fn read<V: Verb + Into<Change>>(body: serde_json::Value) -> Change {
        let verb: V = serde_json::from_value(body).expect("an order");
        verb.check().expect("complete");
        verb.into()
    }
    let body = change.spelling().body;
    match change {
        Change::StartCanary(_) => read::<StartCanary>(body),
        Change::SetPlan(_) => read::<SetPlan>(body),
        Change::SetSplit(_) => read::<SetSplit>(body),
        Change::Promote(_) => read::<Promote>(body),
        Change::Abort(_) => read::<Abort>(body),
        Change::Rollback(_) => read::<Rollback>(body),
        Change::SetTeacher(_) => read::<SetTeacher>(body),
    }
}

proptest! {
    #[test]
    fn any_sequence_leaves_an_assignment_that_can_be_served(changes in prop::collection::vec(any_change(), 0..40)) {
        let mut assignment = Assignment::first(name("a"));
        for change in changes {
            let Ok(next) = assignment.apply(&change) else { continue };
            prop_assert_eq!(next.generation, assignment.generation + 1);
            prop_assert!(next.rollout >= assignment.rollout);
            let shares: u32 = Role::ALL.iter().map(|role| u32::from(next.split.of(*role).basis_points())).sum();
            prop_assert_eq!(shares, 10_000);
            for role in Role::ALL {
                prop_assert!(next.filling(role).is_some() || next.split.of(role) == Share::default());
            }
            // A plan is a canary's, and goes with it.
            prop_assert!(next.canary.is_some() || next.plan == Plan::Manual);
            prop_assert!(next.teacher.is_some() || next.plan == Plan::Manual);
            // No version fills two roles, since it can't be compared with itself.
            let mut filling: Vec<_> = Role::ALL.iter().filter_map(|role| next.filling(*role)).collect();
            let filled = filling.len();
            filling.sort();
            filling.dedup();
            prop_assert_eq!(filling.len(), filled);

            if change == promote() {
                let back = next.apply(&back_to_previous()).expect("promote leaves a way back");
                prop_assert_eq!(&back.stable, &assignment.stable);
                prop_assert_eq!(&back.teacher, &assignment.teacher);
            }
            if let Some(undo) = assignment.undo(&change) {
                let back = next.apply(&undo);
                // Undoing a rollback or a promotion gives the stable version back; a canary that it ended stays out.
                prop_assert_eq!(back.map(|back| back.stable), Ok(assignment.stable.clone()));
            }
            assignment = next;
        }
    }

    #[test]
    fn it_survives_its_own_writing(changes in prop::collection::vec(any_change(), 0..20)) {
        let mut assignment = Assignment::first(name("a"));
        for change in changes {
            prop_assert_eq!(&read_back(&change), &change);
            assignment = assignment.apply(&change).unwrap_or(assignment);
        }
        let text = serde_json::to_string(&assignment).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Assignment>(&text).expect(&text), assignment);
    }
}
