//! `stillhouse audit verify`, as a user who doesn't trust the server would run it.

use std::{fs, path::Path, process::Command};

use stillhouse::control::journal::{Entry, Journal, Seal};

use crate::{engines::backends, process};

/// Exit code, standard output, standard error.
fn verify(folder: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stillhouse"))
        .args(["audit", "verify", "--state"])
        .arg(folder)
        .args(more)
        .output()
        .expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn entry(reason: &str) -> Entry {
    Entry {
        time: "2025-03-14T09:26:53Z".parse().expect("a time"),
        actor: "ada".into(),
        action: "upload".into(),
        model: None,
        reason: reason.into(),
        request_id: "r-1".into(),
        from: None,
        to: None,
        detail: None,
    }
}

#[test]
fn the_exit_code_shows_whether_the_log_is_intact_and_the_text_names_the_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (code, _, printed) = verify(folder, &[]);
    assert_eq!(code, Some(1));
    assert!(printed.contains("audit.jsonl is missing"), "{printed}");

    let (mut journal, _) = Journal::open(folder).expect("opens");
    for reason in ["first", "second", "third"] {
        journal.record(&entry(reason)).expect("recorded");
    }
    // A running server doesn't disturb the check.
    let (code, good, printed) = verify(folder, &[]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(good.starts_with("3 lines"), "{good}");
    let (code, json, _) = verify(folder, &["--json"]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["good"], &json["lines"]), (&true.into(), &3.into()));
    assert!(
        good.contains(json["head"].as_str().expect("a hash")),
        "{good}"
    );

    let path = folder.join("audit.jsonl");
    let text = fs::read_to_string(&path).expect("a log");
    fs::write(&path, text.replacen("second", "zecond", 1)).expect("written");
    let (code, _, printed) = verify(folder, &[]);
    assert_eq!(code, Some(1));
    assert!(
        printed.contains("audit.jsonl, line 2: it states the hash"),
        "{printed}"
    );
    let (code, json, _) = verify(folder, &["--json"]);
    assert_eq!(code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["good"], &json["line"]), (&false.into(), &2.into()));
}

#[test]
fn d2_with_a_key_the_log_is_verified_by_those_who_have_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let key = folder.path().join("key");
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").expect("written");
    let seal = Seal::of(Some(&key)).expect("a key");
    let (mut journal, _) = Journal::open_with(&state, seal).expect("opens");
    for reason in ["first", "second"] {
        journal.record(&entry(reason)).expect("recorded");
    }
    drop(journal);
    let key = key.to_str().expect("UTF-8");
    let (code, good, printed) = verify(&state, &["--key-file", key]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(good.contains("every line was made with the key"), "{good}");
    let (code, _, printed) = verify(&state, &[]);
    assert_eq!(code, Some(1));
    assert!(printed.contains("has a key from line 1 on"), "{printed}");
    assert!(printed.contains("--key-file"), "{printed}");
    let (code, _, printed) = verify(&state, &["--key-file", "/dev/null"]);
    assert_eq!(code, Some(1));
    assert!(printed.contains("it is no ordinary file"), "{printed}");

    // Anybody can make such a line, but not its key.
    let path = state.join("audit.jsonl");
    let text = fs::read_to_string(&path).expect("a log");
    fs::write(&path, text.replacen("second", "zecond", 1)).expect("written");
    let (code, json, _) = verify(&state, &["--key-file", key, "--json"]);
    assert_eq!(code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["good"], &json["line"]), (&false.into(), &2.into()));
}

/// What `serve` prints where it doesn't start.
fn failed_start(models: &Path, folder: &Path, more: &[&str]) -> String {
    let mut serve = process::serve(backends()[0], models, folder);
    let output = serve.args(more).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The log is read and locked once; a start that fails before it loads anything repairs nothing.
#[test]
fn d2_a_failing_start_leaves_the_log_as_it_is_and_names_the_first_cause() {
    let models = process::repository(&["v1"]);
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let (mut journal, _) = Journal::open(&state).expect("opens");
    journal.record(&entry("first")).expect("recorded");
    let path = state.join("audit.jsonl");
    let torn = format!("{}{{\"seq\":2,", fs::read_to_string(&path).expect("a log"));

    // Another process has the folder. A name that isn't there is noticed before, what the log decides after.
    let unknown = ["--set", "repository.default_model=fashon"];
    let printed = failed_start(models.path(), folder.path(), &unknown);
    assert!(printed.contains("`fashon`"), "{printed}");
    let missing = ["--set", "models.toy.stable=v9"];
    let printed = failed_start(models.path(), folder.path(), &missing);
    assert!(printed.contains("another process"), "{printed}");
    drop(journal);

    fs::write(&path, &torn).expect("written");
    let printed = failed_start(models.path(), folder.path(), &missing);
    assert!(printed.contains("v9"), "{printed}");
    assert_eq!(fs::read_to_string(&path).expect("a log"), torn);
}
