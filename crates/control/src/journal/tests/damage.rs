//! Files that are not as they were left.

use proptest::prelude::*;

use super::*;
use stillhouse_store::sha256;

fn three() -> tempfile::TempDir {
    written(&[change("fashion", 1), note("by hand"), change("fashion", 2)])
}

fn fault(folder: &Path) -> String {
    verify(folder).expect_err("a fault").to_string()
}

#[test]
fn no_byte_changes_without_its_line_being_named() {
    let folder = three();
    let path = audit::path(folder.path());
    let good = fs::read(&path).expect("a log");
    let mut number = 1;
    for at in 0..good.len() {
        let flips = (0..8).map(|bit| good[at] ^ (1 << bit));
        for byte in flips
            .chain([b'\n', b' ', 0])
            .filter(|byte| *byte != good[at])
        {
            let mut bad = good.clone();
            bad[at] = byte;
            fs::write(&path, &bad).expect("written");
            match verify(folder.path()) {
                Err(JournalError::BadLine { line, .. }) => {
                    assert_eq!(line, number, "byte {at} became {byte}");
                }
                other => panic!("byte {at} became {byte}: {other:?}"),
            }
        }
        number += u64::from(good[at] == b'\n');
    }
    assert_eq!(number, 4);
    fs::write(&path, &good).expect("written");
    assert_eq!(verify(folder.path()).expect("holds").lines, 3);
}

/// A log that was edited, and what `verify` reports about it.
type Case = (fn(&[&str]) -> String, &'static str);

#[test]
fn whoever_changes_lines_is_found() {
    let cases: [Case; 6] = [
        (
            |lines| [lines[1], lines[2]].join("\n") + "\n",
            "line 1: it states the hash",
        ),
        (
            |lines| [lines[0], lines[2]].join("\n") + "\n",
            "line 2: it states the hash",
        ),
        (
            |lines| [lines[0], lines[0], lines[1], lines[2]].join("\n") + "\n",
            "line 2: it states the hash",
        ),
        (
            |lines| [lines[0], lines[1]].join("\n") + "\n",
            "line 3: it is missing or another",
        ),
        (|_| String::new(), "line 3: it is missing or another"),
        (|lines| lines.join("\n"), "line 3: it is cut short"),
    ];
    for (tamper, expected) in cases {
        let folder = three();
        let text = log(folder.path());
        let lines: Vec<&str> = text.lines().collect();
        fs::write(audit::path(folder.path()), tamper(&lines)).expect("written");
        let found = fault(folder.path());
        assert!(found.contains(expected), "{found} must say {expected}");
        // The state still says who answers, loudly, and the evidence outlives the next start and change.
        let (mut journal, recovered) = open(folder.path());
        assert_eq!(recovered.assignments["fashion"], nth(2));
        let said = recovered.notes.len() + recovered.doubts.len();
        assert_ne!(said, 0, "{expected}");
        journal.record(&change("fashion", 3)).expect("recorded");
        drop(journal);
        assert_eq!(reopened(folder.path()).0, Some(nth(3)));
        if !expected.contains("cut short") && !tamper(&lines).starts_with(&(lines[..2].join("\n")))
        {
            fault(folder.path());
        }
    }
}

/// A chain made anew from the first byte on is whole, but it isn't the one that the state comes from.
#[test]
fn a_log_written_anew_does_not_fit_the_state() {
    let folder = three();
    let other = written(&[change("fashion", 1), note("forged"), change("fashion", 2)]);
    fs::copy(audit::path(other.path()), audit::path(folder.path())).expect("copied");
    let found = fault(folder.path());
    assert!(
        found.contains("line 3: it is missing or another"),
        "{found}"
    );
    let (_, recovered) = open(folder.path());
    assert_eq!(recovered.assignments["fashion"], nth(2));
    let doubt = &recovered.doubts[0];
    assert!(doubt.contains("another log or was changed"), "{doubt}");
}

#[test]
fn lines_that_are_lost_leave_a_gap_for_ever() {
    let folder = three();
    fs::remove_file(audit::path(folder.path())).expect("removed");
    let (assignment, notes) = reopened(folder.path());
    assert_eq!(assignment, Some(nth(2)));
    assert!(notes[0].contains("lines are lost"), "{notes:?}");
    open(folder.path())
        .0
        .record(&change("fashion", 3))
        .expect("recorded");
    let found = fault(folder.path());
    assert!(found.contains("line 1: it states the hash"), "{found}");
    let history = history(folder.path(), None, 9).expect("read");
    let seqs: Vec<u64> = history.lines.iter().map(|line| line.seq).collect();
    assert_eq!(seqs, [4, 3]);
}

#[test]
fn a_log_moved_away_under_a_running_server_is_noticed() {
    let folder = three();
    let (mut journal, _) = open(folder.path());
    journal.record(&note("4")).expect("recorded");
    fs::remove_file(audit::path(folder.path())).expect("removed");
    journal.record(&change("fashion", 3)).expect("recorded");
    drop(journal);
    let found = fault(folder.path());
    assert!(found.contains("line 1: it states the hash"), "{found}");
    let history = history(folder.path(), None, 9).expect("read");
    let seqs: Vec<u64> = history.lines.iter().map(|line| line.seq).collect();
    assert_eq!(seqs, [5, 3], "3 is repeated by the state, 4 is lost");
    assert_eq!(reopened(folder.path()).0, Some(nth(3)));
}

#[test]
fn a_missing_state_is_rebuilt_from_a_whole_chain_only() {
    let folder = three();
    let state = folder.path().join(snapshot::STATE);
    fs::remove_file(&state).expect("removed");
    let (assignment, notes) = reopened(folder.path());
    assert_eq!(assignment, Some(nth(2)));
    assert!(notes[0].contains("rebuilt"), "{notes:?}");

    let text = log(folder.path()).replacen("by hand", "by foot", 1);
    fs::write(audit::path(folder.path()), text).expect("written");
    let (assignment, notes) = reopened(folder.path());
    assert_eq!(assignment, None);
    assert!(notes.concat().contains("can't replace"), "{notes:?}");
}

#[test]
fn a_state_edited_by_hand_differs() {
    let folder = three();
    let state = folder.path().join(snapshot::STATE);
    let text = fs::read_to_string(&state).expect("a state");
    let edited = text.replacen("\"stable\": \"v2\"", "\"stable\": \"v9\"", 1);
    assert_ne!(text, edited);
    fs::write(&state, edited).expect("written");
    let found = fault(folder.path());
    assert!(
        found.contains("fashion") && found.contains("v9") && found.contains("v2"),
        "{found}"
    );
}

#[test]
fn a_state_that_cannot_be_trusted_is_refused_with_a_way_out() {
    let folder = three();
    let state = folder.path().join(snapshot::STATE);
    let good = fs::read_to_string(&state).expect("a state");
    for (text, expected) in [
        (
            good.replacen("\"format\": 1", "\"format\": 2", 1),
            "has format 2, this release reads 1",
        ),
        (
            "{\"format\":7,\"clusters\":[]}".into(),
            "has format 7, this release reads 1",
        ),
        (
            good.replacen("\"format\": 1", "\"format\": 0", 1),
            "its format is 0",
        ),
        (
            good.replacen("\"models\"", "\"mode\"", 1),
            "restore it, or remove it",
        ),
        (good.replacen("\"hash\":\"", "\"hash\":\"x", 1), "`last`"),
        (good[..good.len() / 2].into(), "restore it, or remove it"),
        (String::new(), "restore it, or remove it"),
    ] {
        fs::write(&state, text).expect("written");
        let error = Journal::open(folder.path())
            .expect_err(expected)
            .to_string();
        assert!(error.contains(expected), "{error} must say {expected}");
        assert_eq!(fault(folder.path()), error);
    }
    fs::write(&state, good).expect("written");
    assert_eq!(reopened(folder.path()), (Some(nth(2)), vec![]));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_read_all_the_same() {
    let folder = three();
    let lock = folder.path().join("lock");
    fs::remove_file(&lock).expect("removed");
    // Root may write where permissions forbid it, but a folder can't be written to at all.
    fs::create_dir(&lock).expect("made");
    let (mut journal, recovered) = open(folder.path());
    assert_eq!(recovered.assignments["fashion"], nth(2));
    assert!(
        recovered.notes[0].contains("every change will be refused"),
        "{recovered:?}"
    );
    journal.record(&change("fashion", 3)).expect_err("no lock");
    fs::remove_dir(&lock).expect("removed");
    journal.record(&change("fashion", 3)).expect("recorded");
    drop(journal);
    assert_eq!(reopened(folder.path()), (Some(nth(3)), vec![]));
}

#[test]
fn what_is_no_folder_is_refused() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("state");
    let (mut journal, _) = open(&folder);
    fs::write(&folder, "").expect("written");
    journal.record(&change("fashion", 1)).expect_err("a file");
    Journal::open(&folder).expect_err("a file");
    fs::remove_file(&folder).expect("removed");
    journal.record(&change("fashion", 1)).expect("recorded");
    drop(journal);
    assert_eq!(reopened(&folder), (Some(nth(1)), vec![]));
}

/// A line that fits nowhere but hashes to what it says.
fn forged(seq: u64) -> String {
    let entry = serde_json::to_string(&entry::Numbered {
        seq,
        entry: change("fashion", 7),
    });
    let entry = entry.expect("JSON");
    let origin = chain::Tip::origin().hash;
    let hash = sha256([origin.as_str(), &entry].concat().as_bytes());
    format!("{{\"hash\":\"{hash}\",\"entry\":{entry}}}\n")
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let line = (0_usize..3).prop_map(|at| {
        let text = log(three().path());
        let line = text.lines().nth(at).expect("a line");
        format!("{line}\n").into_bytes()
    });
    prop_oneof![
        3 => line,
        1 => prop_oneof![Just(0), Just(3), Just(u64::MAX), any::<u64>()].prop_map(|seq| forged(seq).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => Just(b"\n".to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Serving goes on, whatever the log has become, and so do changes.
    #[test]
    fn no_log_keeps_the_next_change_from_being_kept(pieces in prop::collection::vec(piece(), 0..6)) {
        let folder = three();
        fs::write(audit::path(folder.path()), pieces.concat()).expect("written");
        let _ = verify(folder.path());
        let (mut journal, recovered) = open(folder.path());
        prop_assert!(recovered.assignments.contains_key("fashion"));
        journal.record(&change("fashion", 9)).expect("recorded");
        drop(journal);
        prop_assert_eq!(reopened(folder.path()).0, Some(nth(9)));
        let history = history(folder.path(), None, 1).expect("read");
        prop_assert_eq!(&history.lines[0].entry, &change("fashion", 9));
    }
}
