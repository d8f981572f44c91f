//! Disks that fail and processes that die between any two steps of a record.

use std::{os::unix::process::ExitStatusExt, path::PathBuf};

use fail::FailScenario;
use proptest::prelude::*;

use super::*;

/// Every step of a change in its order, and whether its line stands in the file when the step begins.
const STEPS: [(&str, bool); 9] = [
    ("journal::stage", false),
    ("journal::stage_sync", false),
    ("journal::staged", false),
    ("journal::append", false),
    ("journal::append_sync", true),
    ("journal::appended", true),
    ("journal::rename", true),
    ("journal::rename_sync", true),
    ("journal::renamed", true),
];

/// From here on a failing disk doesn't refuse the change any more.
const STANDS: usize = 6;

const EIO: &str = "return(5)";

fn set(point: &str, action: &str) {
    fail::cfg(point, action).expect("an action");
}

#[test]
fn a_process_killed_at_any_step_leaves_the_old_or_the_new() {
    const FOLDER: &str = "STILLHOUSE_TEST_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        let _scenario = FailScenario::setup();
        let (mut journal, recovered) = open(&folder);
        let now = recovered.assignments.get("fashion");
        let next = now.map_or(1, |assignment| assignment.generation + 1);
        let _ = journal.record(&change("fashion", next));
        return;
    }
    let killed = STEPS.map(|(step, stands)| (format!("{step}=return(abort)"), stands));
    // The disk fails, and the process dies before it can take back what it wrote.
    let taking_back = (
        "journal::append_sync=return(5);journal::cut=return(abort)".into(),
        true,
    );
    for (points, stands) in killed.into_iter().chain([taking_back]) {
        for before in [0, 2] {
            let changes: Vec<Entry> = (1..=before).map(|nth| change("fashion", nth)).collect();
            let folder = written(&changes);
            let output = again(
                "crash::a_process_killed_at_any_step_leaves_the_old_or_the_new",
                "",
            )
            .env("FAILPOINTS", &points)
            .env(FOLDER, folder.path())
            .output()
            .expect("runs");
            assert_eq!(output.status.signal(), Some(6), "{points}: {output:?}");

            let expected = before + u64::from(stands);
            let (assignment, _) = reopened(folder.path());
            assert_eq!(
                assignment,
                (expected > 0).then(|| nth(expected)),
                "{points}"
            );
            open(folder.path())
                .0
                .record(&change("fashion", expected + 1))
                .expect("recorded");
            assert_eq!(verify(folder.path()).expect("holds").lines, expected + 1);
            assert_eq!(
                reopened(folder.path()),
                (Some(nth(expected + 1)), vec![]),
                "{points}"
            );
        }
    }
}

#[test]
fn a_disk_that_fails_at_any_step_refuses_whole_or_not_at_all() {
    if !alone(
        "crash::a_disk_that_fails_at_any_step_refuses_whole_or_not_at_all",
        "",
    ) {
        return;
    }
    let _scenario = FailScenario::setup();
    for (at, (step, _)) in STEPS.into_iter().enumerate() {
        let folder = written(&[change("fashion", 1)]);
        let (mut journal, _) = open(folder.path());
        let before = log(folder.path());
        set(step, "return(28)");
        let recorded = journal.record(&change("fashion", 2));
        assert_eq!(recorded.is_ok(), at >= STANDS, "{step}: {recorded:?}");
        if let Err(error) = recorded {
            assert!(error.to_string().contains("No space left"), "{error}");
            assert_eq!(log(folder.path()), before, "{step}");
            assert!(!folder.path().join("state.json.tmp").exists(), "{step}");
        }
        fail::remove(step);
        journal.record(&note("later")).expect("recorded");
        drop(journal);
        let expected = if at < STANDS { 1 } else { 2 };
        assert_eq!(reopened(folder.path()).0, Some(nth(expected)), "{step}");
        assert_eq!(verify(folder.path()).expect("holds").lines, expected + 1);
    }
}

#[test]
fn what_cannot_be_taken_back_at_once_is_taken_back_before_the_next_line() {
    if !alone(
        "crash::what_cannot_be_taken_back_at_once_is_taken_back_before_the_next_line",
        "",
    ) {
        return;
    }
    let _scenario = FailScenario::setup();
    let folder = written(&[change("fashion", 1)]);
    let (mut journal, _) = open(folder.path());
    set("journal::append_sync", EIO);
    set("journal::cut", EIO);
    journal.record(&change("fashion", 2)).expect_err("fails");
    fail::remove("journal::append_sync");
    journal
        .record(&change("fashion", 3))
        .expect_err("can't cut");
    fail::remove("journal::cut");
    journal.record(&change("fashion", 4)).expect("recorded");
    drop(journal);
    assert_eq!(verify(folder.path()).expect("holds").lines, 2);
    assert_eq!(reopened(folder.path()), (Some(nth(4)), vec![]));
}

/// A real limit: the kernel takes a part of the line, then no more.
#[test]
fn half_a_line_on_a_full_disk_is_cut_off() {
    // Blocks of 512 bytes or of 1024, as shells differ; without the trap the signal would end the process.
    if !alone(
        "crash::half_a_line_on_a_full_disk_is_cut_off",
        "trap '' XFSZ; ulimit -f 4;",
    ) {
        return;
    }
    let folder = written(&[change("fashion", 1)]);
    let (mut journal, _) = open(folder.path());
    let before = log(folder.path());
    let pieces = vec!["x".repeat(1024); 8];
    let long = Entry {
        detail: Some(pieces.into()),
        ..note("")
    };
    let error = journal.record(&long).expect_err("too large");
    assert!(error.to_string().contains("File too large"), "{error}");
    assert_eq!(log(folder.path()), before);
    journal.record(&note("short")).expect("recorded");
    drop(journal);
    assert_eq!(verify(folder.path()).expect("holds").lines, 2);
    let (assignment, notes) = reopened(folder.path());
    assert_eq!(assignment, Some(nth(1)));
    assert!(notes[0].contains("no space is kept"), "{notes:?}");
}

#[test]
fn a_line_torn_at_any_byte_is_cut_off_and_told() {
    let (old, new) = (
        written(&[change("fashion", 1)]),
        written(&[change("fashion", 1), change("fashion", 2)]),
    );
    let (before, after) = (log(old.path()), log(new.path()));
    assert!(after.starts_with(&before));
    for end in before.len() + 1..after.len() {
        fs::write(audit::path(old.path()), &after[..end]).expect("written");
        let fault = verify(old.path()).expect_err("torn").to_string();
        assert!(fault.contains("line 2: it is cut short"), "{fault}");
        let (assignment, notes) = reopened(old.path());
        assert_eq!(assignment, Some(nth(1)), "{end}");
        assert!(notes[0].contains("half-written line 2"), "{notes:?}");
        assert_eq!(log(old.path()), before);
    }
    // The line is whole, only the state is the old one still.
    fs::write(audit::path(old.path()), &after).expect("written");
    let (assignment, notes) = reopened(old.path());
    assert_eq!(assignment, Some(nth(2)));
    assert!(
        notes[0].contains("generation 2 was taken from"),
        "{notes:?}"
    );
}

/// What one record meets.
#[derive(Clone, Debug)]
enum Fate {
    Well,
    /// The disk fails once.
    Fails(usize),
    /// It fails and goes on failing until the process ends: nothing is taken back, as after a crash.
    Dies(usize),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::Well),
        1 => (0..STEPS.len()).prop_map(Fate::Fails),
        2 => (0..STEPS.len()).prop_map(Fate::Dies),
    ]
}

/// None writes a line without a change.
fn changed() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![Just(None), Just(Some("fashion")), Just(Some("digits"))]
}

#[test]
fn whatever_happens_the_chain_holds_and_nothing_is_half_done() {
    if !alone(
        "crash::whatever_happens_the_chain_holds_and_nothing_is_half_done",
        "",
    ) {
        return;
    }
    let _scenario = FailScenario::setup();
    proptest!(|(records in prop::collection::vec((changed(), fate()), 1..12))| {
        live(&records)?;
    });
}

fn live(records: &[(Option<&str>, Fate)]) -> Result<(), TestCaseError> {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("state");
    let (mut journal, _) = open(&folder);
    let mut old = BTreeMap::new();
    for (model, fate) in records {
        let mut new = old.clone();
        let entry = model.map_or_else(
            || note("nothing changes"),
            |model| {
                let generation = old
                    .get(&name(model))
                    .map_or(0, |now: &Assignment| now.generation)
                    + 1;
                new.insert(name(model), nth(generation));
                change(model, generation)
            },
        );
        if let Fate::Fails(at) | Fate::Dies(at) = fate {
            set(STEPS[*at].0, EIO);
        }
        if let Fate::Dies(_) = fate {
            set("journal::cut", EIO);
        }
        let recorded = journal.record(&entry);
        for (step, _) in STEPS {
            fail::remove(step);
        }
        fail::remove("journal::cut");
        prop_assert_eq!(
            &journal.assignments,
            if recorded.is_ok() { &new } else { &old }
        );
        match fate {
            Fate::Well => prop_assert!(recorded.is_ok()),
            Fate::Fails(_) => {}
            Fate::Dies(_) => {
                drop(journal);
                let recovered;
                (journal, recovered) = open(&folder);
                let now = recovered.assignments;
                match recorded {
                    Ok(()) => prop_assert_eq!(&now, &new),
                    Err(_) => prop_assert!(now == old || now == new, "{now:?}"),
                }
                old = now;
                continue;
            }
        }
        old = journal.assignments.clone();
    }
    drop(journal);
    let (_, recovered) = open(&folder);
    prop_assert_eq!(recovered.assignments, old);
    match verify(&folder) {
        Ok(_) | Err(JournalError::NoLog { .. }) => Ok(()),
        Err(error) => Err(TestCaseError::fail(error.to_string())),
    }
}

#[test]
fn d2_a_start_that_is_not_decided_touches_nothing() {
    let folder = written(&[change("fashion", 1)]);
    let path = audit::path(folder.path());
    let whole = log(folder.path());
    let torn = format!("{whole}{{\"seq\":2,");
    fs::write(&path, &torn).expect("written");
    let read = OpenJournal::read(folder.path(), Seal::Hash).expect("read");
    assert_eq!(read.assignments().get("fashion"), Some(&nth(1)));
    assert_eq!(log(folder.path()), torn);
    let elsewhere = Journal::open(folder.path());
    assert!(matches!(elsewhere, Err(JournalError::Locked { .. })));
    drop(read);
    assert_eq!(log(folder.path()), torn, "nor does its end");
    let read = OpenJournal::read(folder.path(), Seal::Hash).expect("nobody holds it");
    let (_journal, recovered) = read.into_ready();
    assert_eq!(recovered.assignments.get("fashion"), Some(&nth(1)));
    assert_eq!(log(folder.path()), whole);
}
