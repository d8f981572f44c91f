//! `stillhouse doctor`: what it looks at, how it says it, how it ends.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

use serde_json::Value;

use super::{run, stderr, stdout, verb};
use crate::{
    engines::backends,
    process::Process,
    toy::{golden, network, write, write_version},
};

/// The findings as JSON, with the exit code.
fn findings(folder: &Path, more: &str) -> (i32, Vec<Value>) {
    let output = run(folder, &format!("doctor --json {more}"));
    let text = stdout(&output);
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error} in {text}{}", stderr(&output)));
    let code = output.status.code().expect("a code");
    assert_eq!(report["good"], code == 0, "{report}");
    (code, report["findings"].as_array().expect("a list").clone())
}

/// The finding with these words.
fn find<'a>(findings: &'a [Value], words: &str) -> &'a Value {
    let has = |finding: &&Value| {
        finding["text"]
            .as_str()
            .is_some_and(|text| text.contains(words))
    };
    findings
        .iter()
        .find(has)
        .unwrap_or_else(|| panic!("{words}: {findings:#?}"))
}

#[test]
fn e_the_doctor_finds_a_healthy_place_healthy() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("models"), golden());
    let output = run(folder.path(), "doctor");
    let text = stdout(&output);
    assert!(output.status.success(), "{text}");
    for area in [
        "configuration",
        "models",
        "state",
        "limits",
        "engine",
        "server",
    ] {
        let ok = format!("ok       {area}");
        let warning = format!("warning  {area}");
        assert!(
            text.contains(&ok) || text.contains(&warning),
            "{area}: {text}"
        );
    }
    assert!(
        text.contains("toy/v1 (stable) reproduces its golden samples"),
        "{text}"
    );
    assert!(
        text.trim_end()
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("0 failed"))
    );
    // It reads only.
    assert!(!folder.path().join("state").exists());
}

#[test]
fn e_the_doctor_names_each_illness_and_what_to_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let models = place.join("models");
    write(&models, golden());
    write_version(&models, "v2", network(), golden());
    fs::write(models.join("toy/v2/model.onnx"), "not what was hashed").expect("written");
    fs::create_dir(place.join("state")).expect("a folder");
    fs::write(place.join("state/state.json"), "{}").expect("written");
    fs::set_permissions(
        place.join("state/state.json"),
        Permissions::from_mode(0o644),
    )
    .expect("set");
    let (code, found) = findings(place, "");
    assert_eq!(code, 1);
    let cases = [
        (
            "toy/v2 is not complete",
            "warning",
            "stillhouse models check toy/v2",
        ),
        ("is open to others (mode 0644)", "warning", "chmod 600 "),
    ];
    for (words, health, next) in cases {
        let finding = find(&found, words);
        assert_eq!(finding["health"], health, "{finding}");
        assert!(
            finding["next"]
                .as_str()
                .is_some_and(|text| text.starts_with(next)),
            "{finding}"
        );
    }
    let failed = found
        .iter()
        .any(|one| one["area"] == "state" && one["health"] == "failed");
    assert!(failed, "{found:#?}");

    // A pipe in the place of the log would be waited for.
    fs::remove_dir_all(place.join("state")).expect("removed");
    fs::create_dir(place.join("state")).expect("a folder");
    let pipe = place.join("state/audit.jsonl");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("runs")
            .success()
    );
    let (_, found) = findings(place, "");
    assert_eq!(find(&found, "is no regular file")["health"], "failed");
    fs::remove_dir_all(place.join("state")).expect("removed");

    // The version that answers is broken.
    let (code, found) = findings(place, "--set models.toy.stable=v2");
    assert_eq!(code, 1);
    assert!(
        found.iter().any(|one| one["health"] == "failed"),
        "{found:#?}"
    );

    let (code, found) = findings(place, "--set shadow.rate=7");
    assert_eq!((code, found.len()), (1, 1), "{found:#?}");
    assert_eq!(found[0]["area"], "configuration");
    let (_, found) = findings(place, "--set connections.max_connections=1000000");
    let limits = find(&found, "open files");
    assert_eq!(limits["health"], "warning", "{limits}");
    assert!(
        limits["next"]
            .as_str()
            .is_some_and(|text| text.contains("2000064") || text.contains("max_connections = "))
    );
    let (code, found) = findings(
        place,
        "--set engine.library=nowhere.so --set engine.backend=onnxruntime",
    );
    if stillhouse_engine::Backend::compiled_in().contains(&stillhouse_engine::Backend::Ort) {
        assert_eq!(code, 1);
        assert!(
            found
                .iter()
                .any(|one| one["area"] == "engine" && one["health"] == "failed"),
            "{found:#?}"
        );
    }
}

#[test]
fn e_the_doctor_visits_the_running_server() {
    let secret = "operator-secret-1";
    let process = Process::start_with(backends()[0], &[], &[("STILLHOUSE_OPERATOR_TOKEN", secret)]);
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("models"), golden());
    let address = |label: &str, end: &str| {
        let url = process.address(label).trim_end_matches(end);
        url.trim_start_matches("http://").to_owned()
    };
    let doctor = |token: &str| {
        let mut doctor = verb(folder.path(), "doctor");
        doctor
            .args([
                "--set",
                &format!("server.listen={}", address("predictions", "/predict")),
            ])
            .args([
                "--set",
                &format!("server.admin_listen={}", address("metrics", "/metrics")),
            ])
            .env("STILLHOUSE_TOKEN", token);
        stdout(&doctor.output().expect("runs"))
    };
    let text = doctor(secret);
    assert!(
        text.contains("is ready") && text.contains("serves toy (stable v1)"),
        "{text}"
    );
    let text = doctor("no-such-secret-at-all");
    assert!(
        text.contains("warning  server") && text.contains("is wrong"),
        "{text}"
    );
}
