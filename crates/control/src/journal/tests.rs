use std::{fs, path::Path};

use super::*;

mod crash;
mod damage;
mod full;
mod record;
mod tampering;

fn name(text: &str) -> ModelName {
    text.parse().expect("a name")
}

/// The nth change of a model.
fn nth(generation: u64) -> Assignment {
    let stable = format!("v{generation}").parse().expect("a name");
    Assignment {
        generation,
        ..Assignment::first(stable)
    }
}

fn note(reason: &str) -> Entry {
    Entry {
        time: "2025-03-14T09:26:53.589Z".parse().expect("a time"),
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

fn change(model: &str, generation: u64) -> Entry {
    Entry {
        action: "promote".into(),
        model: Some(name(model)),
        from: (generation > 1).then(|| nth(generation - 1)),
        to: Some(nth(generation)),
        ..note("better")
    }
}

fn open(folder: &Path) -> (Journal, Recovered) {
    Journal::open(folder).unwrap_or_else(|error| panic!("{error}"))
}

/// A folder with these entries.
fn written(entries: &[Entry]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open(folder.path());
    for entry in entries {
        journal.record(entry).expect("recorded");
    }
    folder
}

fn log(folder: &Path) -> String {
    fs::read_to_string(audit::path(folder)).expect("a log")
}

/// What `fashion` has after a start, and what there is to say about it.
fn reopened(folder: &Path) -> (Option<Assignment>, Vec<String>) {
    let (_, recovered) = open(folder);
    (
        recovered.assignments.get("fashion").cloned(),
        recovered.notes,
    )
}

/// Failpoints and limits are a whole process's: runs this test again in a process of its own, behind `shell` if that
/// says something; true in there.
fn alone(test: &str, shell: &str) -> bool {
    const ALONE: &str = "STILLHOUSE_TEST_ALONE";
    if std::env::var(ALONE).is_ok_and(|name| name == test) {
        return true;
    }
    let output = again(test, shell).env(ALONE, test).output().expect("runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// This test binary, running this one test.
fn again(test: &str, shell: &str) -> std::process::Command {
    let module = module_path!().split_once("::").expect("below the crate").1;
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().expect("a path"))
        .args(["--exact", &format!("{module}::{test}"), "--nocapture"]);
    command
}
