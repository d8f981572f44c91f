//! What stands in the files, and what is given back.

use super::*;

#[test]
fn what_was_recorded_is_there_after_a_start() {
    let folder = written(&[
        change("fashion", 1),
        change("digits", 1),
        change("fashion", 2),
        note(""),
    ]);
    let (_, recovered) = open(folder.path());
    assert_eq!(
        recovered,
        Recovered {
            assignments: [(name("fashion"), nth(2)), (name("digits"), nth(1))].into(),
            notes: vec![],
            doubts: vec![],
        }
    );
    assert_eq!(verify(folder.path()).expect("holds").lines, 4);
}

#[test]
fn the_first_record_makes_the_folder() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("a/state");
    let (mut journal, recovered) = open(&folder);
    assert_eq!(recovered.notes, Vec::<String>::new());
    assert!(!folder.exists());
    assert!(matches!(verify(&folder), Err(JournalError::NoLog { .. })));
    assert_eq!(
        history(&folder, None, 9).expect("empty"),
        History::default()
    );
    journal.record(&change("fashion", 1)).expect("recorded");
    drop(journal);
    assert_eq!(reopened(&folder), (Some(nth(1)), vec![]));
}

/// The bytes are a format: other programs may verify the chain.
#[test]
fn lines_have_these_bytes() {
    let detail = serde_json::json!({"bytes": 7});
    let folder = written(&[
        Entry {
            detail: Some(detail),
            ..note("line\nbreak \"é\"")
        },
        change("fashion", 1),
    ]);
    assert_eq!(log(folder.path()), include_str!("lines.jsonl"));
    let state: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join(snapshot::STATE)).expect("a state"))
            .expect("JSON");
    let last = log(folder.path())
        .lines()
        .last()
        .map(str::to_owned)
        .expect("a line");
    assert_eq!(
        state,
        serde_json::json!({
            "format": 1,
            "models": {"fashion": nth(1)},
            "last": serde_json::from_str::<serde_json::Value>(&last).expect("JSON"),
        })
    );
}

#[test]
fn one_folder_has_one_writer() {
    let folder = written(&[change("fashion", 1)]);
    let (mut first, _) = open(folder.path());
    let error = Journal::open(folder.path())
        .expect_err("locked")
        .to_string();
    assert!(error.contains("in use by another process"), "{error}");
    first.record(&change("fashion", 2)).expect("recorded");
    drop(first);
    assert_eq!(reopened(folder.path()), (Some(nth(2)), vec![]));
}

#[test]
fn who_read_before_another_wrote_must_read_again() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("state");
    let (mut early, _) = open(&folder);
    let (mut other, _) = open(&folder);
    other.record(&change("fashion", 1)).expect("recorded");
    assert!(matches!(
        early.record(&note("")),
        Err(JournalError::Locked { .. })
    ));
    drop(other);
    assert!(matches!(
        early.record(&change("fashion", 1)),
        Err(JournalError::Elsewhere { .. })
    ));
    assert_eq!(reopened(&folder), (Some(nth(1)), vec![]));
}

#[test]
fn an_entry_that_cannot_be_written_is_refused() {
    let folder = written(&[change("fashion", 1)]);
    let (mut journal, _) = open(folder.path());
    let nameless = Entry {
        model: None,
        ..change("fashion", 2)
    };
    assert!(matches!(
        journal.record(&nameless),
        Err(JournalError::Unnamed { .. })
    ));
    journal.record(&change("fashion", 2)).expect("recorded");
    assert_eq!(verify(folder.path()).expect("holds").lines, 2);
}

#[test]
fn d4_no_field_of_a_line_grows_beyond_its_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open(folder.path());
    let long = "\u{1}".repeat(100_000);
    let strings = serde_json::json!({ "path": long, "more": [long, {"deep": long}] });
    let many: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    for detail in [strings, many.into()] {
        let entry = Entry {
            actor: long.clone(),
            action: long.clone(),
            reason: long.clone(),
            request_id: long.clone(),
            detail: Some(detail),
            ..note("")
        };
        journal.record(&entry).expect("recorded");
    }
    let log = log(folder.path());
    for line in log.lines() {
        assert!(line.len() < 80_000, "{} bytes", line.len());
    }
    let lines = history(folder.path(), None, 9).expect("read").lines;
    assert_eq!(lines[1].entry.actor.chars().count(), 201, "and an ellipsis");
    let left_out = lines[0].entry.detail.as_ref().expect("a detail");
    assert!(left_out["left_out_bytes"].as_u64() > Some(100_000));
    assert_eq!(verify(folder.path()).expect("holds").lines, 2);
}

#[test]
fn history_is_the_end_of_the_log_newest_first() {
    // Longer than a block, and one line longer than two.
    let mut entries: Vec<Entry> = (1..=300)
        .map(|generation| change("fashion", generation))
        .collect();
    entries[150] = note(&"x".repeat(150_000));
    entries[297] = change("digits", 1);
    // As an earlier release wrote it, which had no limits.
    let folder = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open(folder.path());
    for entry in &entries {
        let link = Link::after(&journal.audit.tip, entry, &Seal::Hash).expect("a line");
        journal.audit.append(&link).expect("written");
    }
    let seqs = |model: Option<&str>, limit| {
        let history = history(folder.path(), model.map(name).as_ref(), limit).expect("read");
        assert_eq!(history.unreadable, 0);
        for line in &history.lines {
            assert_eq!(line.entry, entries[line.seq as usize - 1]);
        }
        history
            .lines
            .iter()
            .map(|line| line.seq)
            .collect::<Vec<_>>()
    };
    assert_eq!(seqs(None, 4), [300, 299, 298, 297]);
    assert_eq!(seqs(Some("fashion"), 3), [300, 299, 297]);
    assert_eq!(seqs(Some("digits"), 3), [298]);
    assert_eq!(seqs(Some("nobody"), 3), [0; 0]);
    assert_eq!(seqs(None, 0), [0; 0]);
    assert_eq!(seqs(None, 1000), (1..=300).rev().collect::<Vec<_>>());
}

#[test]
fn history_passes_over_what_it_cannot_read() {
    let folder = written(&[
        change("fashion", 1),
        change("fashion", 2),
        change("fashion", 3),
    ]);
    let text = log(folder.path());
    let mut lines: Vec<&str> = text.lines().collect();
    let long = "x".repeat(chain::LINE_BYTES * 2);
    lines[1] = &long;
    let torn = format!("{}\n{{\"hash\":\"0", lines.join("\n"));
    fs::write(audit::path(folder.path()), torn).expect("written");
    let history = history(folder.path(), None, 9).expect("read");
    assert_eq!(history.unreadable, 1);
    let seqs: Vec<u64> = history.lines.iter().map(|line| line.seq).collect();
    assert_eq!(seqs, [3, 1]);
}
