//! `stillhouse drill` from its first step to its last, with the shipped models.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::operator::command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_alive(process: &Value) -> bool {
    let id = process.as_u64().expect("a process").to_string();
    let status = Command::new("kill").args(["-0", &id]).output();
    status.expect("kill").status.success()
}

#[test]
fn the_drill_shows_a_bad_canary_a_good_one_and_a_crash() {
    let models = root().join("models");
    if !models.join("fashion").is_dir() {
        eprintln!("skipped: {} has no models", models.display());
        return;
    }
    let output = command("127.0.0.1:1")
        .args(["drill", "--yes", "--json", "--requests", "600", "--models"])
        .arg(&models)
        .output()
        .expect("runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let steps: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list");
    assert_eq!(steps.len(), 8);
    let done = |step: usize| steps[step]["done"].as_array().expect("what was done");
    let traffic = |step: usize| {
        let found = done(step).iter().find_map(|one| one.get("traffic"));
        found.unwrap_or_else(|| panic!("traffic in step {step}"))
    };
    for step in 0..steps.len() {
        assert_eq!(traffic(step)["requests"], 600, "{step}");
        assert_eq!(traffic(step)["failed"], 0);
    }
    // The point of the drill: the bad canary's wrong answers are visible.
    let count = |step: usize, role: &str, version: &str, what: &str| {
        let count = &traffic(step)["roles"][role][version][what];
        count
            .as_u64()
            .unwrap_or_else(|| panic!("{}", traffic(step)))
    };
    let (stable, canary) = (
        count(1, "stable", "s1", "answers"),
        count(1, "canary", "bad-blind", "answers"),
    );
    assert_eq!(stable + canary, 600);
    assert!((20..=120).contains(&canary), "a tenth of 600: {canary}");
    let mistakes = &traffic(1)["roles"]["canary"]["bad-blind"]["mistakes"];
    let blind = ["bag-1", "sandal-1"].iter();
    assert!(
        blind.clone().any(|picture| mistakes[picture].is_string()),
        "{mistakes}"
    );
    let commands: Vec<&str> = (0..steps.len())
        .flat_map(done)
        .filter_map(|one| one["command"].as_str())
        .collect();
    for words in [
        "canary start bad-blind --share 10%",
        "canary abort",
        "promote",
        "rollback",
        "kill -9",
    ] {
        assert!(
            commands.iter().any(|command| command.contains(words)),
            "{commands:?}"
        );
    }
    // The canary that no operator watched was judged, on the evidence gathered.
    let evidence = done(3).iter().find(|one| one["answer"]["last"].is_object());
    let last = &evidence.expect("evidence")["answer"]["last"];
    assert_eq!(last["trial"]["canary"], "bad-overconfident");
    assert_eq!(last["trial"]["decision"], "roll_back");
    assert_eq!(count(5, "stable", "s2", "answers"), 600);
    assert_eq!(count(7, "stable", "s1", "answers"), 600);
    for step in [0, 7] {
        let server = done(step)
            .iter()
            .find(|one| one["answer"]["process"].is_u64());
        let process = &server.expect("a server")["answer"]["process"];
        assert!(
            !is_alive(process),
            "the drill's server {process} is still there"
        );
    }
}

#[test]
fn without_its_versions_the_drill_names_them() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, words) in [
        (
            vec!["--models", folder.path().to_str().expect("UTF-8")],
            "bad-blind",
        ),
        (vec!["--models", "/nonexistent"], "--models"),
    ] {
        let output = command("127.0.0.1:1")
            .args(["drill", "--yes"])
            .args(&arguments)
            .output()
            .expect("runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(words), "{error}");
    }
}
