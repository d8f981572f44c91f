//! Files that somebody with write access has changed: reported without a key, found out with one.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn keyed(byte: &str) -> Seal {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    fs::write(&path, byte.repeat(32)).expect("written");
    Seal::of(Some(&path)).expect("a key")
}

fn open_with(folder: &Path, seal: &Seal) -> (Journal, Recovered) {
    Journal::open_with(folder, seal.clone()).unwrap_or_else(|error| panic!("{error}"))
}

fn written_with(seal: &Seal, entries: &[Entry]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open_with(folder.path(), seal);
    for entry in entries {
        journal.record(entry).expect("recorded");
    }
    folder
}

fn edit_state(folder: &Path) {
    let path = folder.join(snapshot::STATE);
    let text = fs::read_to_string(&path).expect("a state");
    let edited = text.replacen("\"stable\": \"v2\"", "\"stable\": \"v9\"", 1);
    assert_ne!(text, edited);
    fs::write(&path, edited).expect("written");
}

/// Appends a line that hashes correctly, as anybody can compute it.
fn forge(folder: &Path) {
    let text = log(folder);
    let last = Link::read(text.lines().last().expect("a line")).expect("a line");
    let link = Link::after(&last.tip, &change("fashion", 3), &Seal::Hash).expect("a line");
    fs::write(audit::path(folder), format!("{text}{}\n", link.text)).expect("written");
}

#[test]
fn d2_an_edited_state_is_not_served_without_a_word() {
    let folder = written(&[change("fashion", 1), change("fashion", 2)]);
    edit_state(folder.path());
    let (journal, recovered) = open(folder.path());
    assert_eq!(recovered.assignments["fashion"], nth(2), "the log counts");
    let doubt = &recovered.doubts[0];
    for words in ["state.json was edited", "fashion", "v9", "v2"] {
        assert!(doubt.contains(words), "{doubt} must say {words}");
    }
    drop(journal);
    // It is written down once, and mended.
    let lines = history(folder.path(), None, 9).expect("read").lines;
    assert_eq!(lines[0].entry.action, "recovery_doubt");
    assert!(lines[0].entry.reason.contains("v9"));
    assert_eq!(open(folder.path()).1.doubts, Vec::<String>::new());
    assert_eq!(verify(folder.path()).expect("holds").lines, 3);
}

#[test]
fn d2_a_forged_last_line_is_not_replayed_without_report() {
    let folder = written(&[change("fashion", 1), change("fashion", 2)]);
    forge(folder.path());
    let (_, recovered) = open(folder.path());
    assert_eq!(recovered.assignments["fashion"], nth(3));
    let doubt = &recovered.doubts[0];
    assert!(doubt.contains("line 3 of"), "{doubt}");
    assert!(doubt.contains("the line is forged"), "{doubt}");
    let lines = history(folder.path(), None, 1).expect("read").lines;
    assert_eq!(lines[0].entry.action, "recovery_doubt");
}

#[test]
fn d2_with_a_key_nobody_else_writes_a_line_or_a_state() {
    let seal = keyed("k");
    let entries = [change("fashion", 1), change("fashion", 2)];
    let folder = written_with(&seal, &entries);
    let verified = verify_with(folder.path(), &seal).expect("holds");
    assert_eq!((verified.lines, verified.keyed_from), (2, Some(1)));
    forge(folder.path());
    let fault = verify_with(folder.path(), &seal).expect_err("forged");
    assert!(
        fault.to_string().contains("line 3: it has no key"),
        "{fault}"
    );
    let (_, recovered) = open_with(folder.path(), &seal);
    assert_eq!(recovered.assignments["fashion"], nth(2), "isn't replayed");
    assert!(
        recovered.notes[0].contains("it has no key"),
        "{recovered:?}"
    );

    let folder = written_with(&seal, &entries);
    edit_state(folder.path());
    assert!(matches!(
        verify_with(folder.path(), &seal),
        Err(JournalError::Unsealed { .. })
    ));
    let (_, recovered) = open_with(folder.path(), &seal);
    assert_eq!(recovered.assignments["fashion"], nth(2));
    assert!(recovered.doubts[0].contains("state.json was edited"));

    // Both at once: nothing is left that could be trusted.
    let folder = written_with(&seal, &entries);
    edit_state(folder.path());
    let text = log(folder.path()).replacen("v1", "v7", 1);
    fs::write(audit::path(folder.path()), text).expect("written");
    assert!(matches!(
        Journal::open_with(folder.path(), seal.clone()),
        Err(JournalError::Untrusted { .. })
    ));
}

#[test]
fn d2_another_key_or_none_is_refused_with_a_way_out() {
    let seal = keyed("k");
    let folder = written_with(&seal, &[change("fashion", 1)]);
    assert!(matches!(
        Journal::open_with(folder.path(), keyed("l")),
        Err(JournalError::Untrusted { .. })
    ));
    let error = Journal::open(folder.path())
        .expect_err("no key")
        .to_string();
    assert!(error.contains("control.audit_key_file"), "{error}");
    assert!(matches!(
        verify(folder.path()),
        Err(JournalError::KeyMissing { line: 1, .. })
    ));
    assert_eq!(
        history(folder.path(), None, 9).expect("read").lines.len(),
        1
    );
}

#[test]
fn a_log_without_a_key_gets_one_at_the_next_start() {
    let folder = written(&[change("fashion", 1)]);
    let seal = keyed("k");
    let (mut journal, recovered) = open_with(folder.path(), &seal);
    assert_eq!(recovered.doubts, Vec::<String>::new());
    let verified = verify_with(folder.path(), &seal).expect("the state has it, too");
    assert_eq!((verified.lines, verified.keyed_from), (2, Some(2)));
    journal.record(&change("fashion", 2)).expect("recorded");
    drop(journal);
    let (_, recovered) = open_with(folder.path(), &seal);
    assert_eq!(recovered.assignments["fashion"], nth(2));
    assert_eq!(recovered.notes, Vec::<String>::new());
    assert_eq!(verify_with(folder.path(), &seal).expect("holds").lines, 3);
}

#[test]
fn d2_a_fifo_a_folder_or_a_link_is_refused_by_its_name() {
    for name in ["audit.jsonl", "state.json", "lock"] {
        for kind in ["FIFO", "folder", "symbolic link"] {
            let folder = written(&[change("fashion", 1)]);
            let path = folder.path().join(name);
            fs::remove_file(&path).expect("removed");
            match kind {
                "FIFO" => rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).expect("made"),
                "folder" => fs::create_dir(&path).expect("made"),
                _ => std::os::unix::fs::symlink("/etc/hostname", &path).expect("made"),
            }
            let said = match Journal::open(folder.path()) {
                Err(error) => error.to_string(),
                // Without its lock the folder is read all the same.
                Ok((_, recovered)) => recovered.notes.concat(),
            };
            assert!(said.contains(name), "{name} as {kind}: {said}");
            assert!(said.contains(&format!("it is a {kind}")), "{name}: {said}");
        }
    }
}

#[test]
fn d2_files_are_made_for_their_owner_alone() {
    let folder = written(&[change("fashion", 1)]);
    let mode = |name: &str| {
        let metadata = fs::metadata(folder.path().join(name)).expect("a file");
        metadata.permissions().mode() & 0o777
    };
    for name in ["audit.jsonl", "state.json", "reserve", "lock"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    let path = audit::path(folder.path());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("set");
    let (_, notes) = reopened(folder.path());
    assert!(notes[0].contains("had the permissions 666"), "{notes:?}");
    assert_eq!(mode("audit.jsonl"), 0o640, "a group may collect it");
}
