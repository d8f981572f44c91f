//! `stillhouse-limit`: its figures add up, and its errors name the next command.

// Shared with the server's tests, which use more of it.
#[allow(dead_code, unused_imports)]
#[path = "../../../tests/all/toy.rs"]
mod toy;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use stillhouse_engine::Backend;
use toy::{LABELS, SIDE, golden, gray_png, network, write};

/// The program without the settings of the user who runs the tests.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillhouse-limit"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STILLHOUSE") {
            command.env_remove(name);
        }
    }
    command
        .stdin(Stdio::null())
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

/// The engines that can run here.
fn backends() -> Vec<Backend> {
    let available = |backend: &&Backend| {
        **backend != Backend::Ort || stillhouse_engine::find_library(None).is_some()
    };
    Backend::compiled_in()
        .iter()
        .filter(available)
        .copied()
        .collect()
}

fn limit(models: &Path, arguments: &[&str]) -> Output {
    command()
        .args(arguments)
        .arg("--models")
        .arg(models)
        .output()
        .expect("runs")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

/// Short: the sums are checked, not the figures.
const SHORT: [&str; 7] = [
    "--seconds",
    "0.3",
    "--rounds",
    "2",
    "--connections",
    "3",
    "--json",
];

#[test]
fn the_steps_add_up_on_every_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), golden());
    for backend in backends() {
        let engine = backend.to_string();
        let more = ["toy/v1", "--engine", &engine];
        let output = limit(folder.path(), &[&more[..], &SHORT].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(
            report["engine"].to_string().contains(&engine),
            "{}",
            report["engine"]
        );
        let steps = report["steps"].as_array().expect("steps");
        let names: Vec<&str> = steps
            .iter()
            .filter_map(|step| step["step"].as_str())
            .collect();
        let (first, last) = (names[0], names[names.len() - 1]);
        assert_eq!((first, names[1], last), ("HTTP floor", "decode", "JSON"));
        let sum: f64 = steps.iter().map(|step| number(&step["cpu_us"])).sum();
        let (limit, server) = (
            number(&report["limit_cpu_us"]),
            number(&report["server_cpu_us"]),
        );
        let near = |a: f64, b: f64| (a - b).abs() < 1e-6 * server;
        assert!(near(sum, limit), "{sum} {limit}");
        assert!(near(number(&report["gap_cpu_us"]), server - limit));
        assert!(steps.iter().all(|step| number(&step["cpu_us"]) > 0.0));
        // Both kinds of thread were found by their names, and together they are the server.
        let threads = report["threads"].as_array().expect("threads");
        assert!(
            threads
                .iter()
                .all(|one| number(&one["server_cpu_us"]) > 0.0),
            "{threads:?}"
        );
        let mean_batch = number(&report["mean_batch"]);
        assert!((1.0..=3.0).contains(&mean_batch), "{mean_batch}");
        let rounds = report["server_over_limit_rounds"].as_array();
        assert_eq!(rounds.map(Vec::len), Some(2));
        assert_eq!(report["picture"]["width"], SIDE);
    }
}

#[test]
fn an_onnx_file_and_a_picture_from_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (onnx, labels, picture) = (
        folder.path().join("net.onnx"),
        folder.path().join("labels.txt"),
        folder.path().join("large.png"),
    );
    fs::write(&onnx, network()).expect("written");
    fs::write(&labels, LABELS.join("\n")).expect("written");
    fs::write(&picture, gray_png(300, 128)).expect("written");
    let path = |path: &Path| path.display().to_string();
    let (onnx, labels, picture) = (path(&onnx), path(&labels), path(&picture));
    let own = [&*onnx, "--labels", &labels, "--picture", &picture];
    let arguments = [&own[..], &SHORT[..6]].concat();
    let output = command().args(arguments).output().expect("runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for part in [
        "net/local on ",
        "PNG of 300 x 300",
        "the limit",
        "gap",
        "times the limit",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn errors_name_the_next_command() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), golden());
    let no_picture = folder.path().join("toy/labels.txt").display().to_string();
    for (arguments, words) in [
        (
            &["toy/v9"][..],
            &["no version v9, only v1", "next: stillhouse-limit toy/v1"][..],
        ),
        (&["tea/v1"], &["next: stillhouse models list"]),
        (
            &["net.onnx"],
            &[
                "needs its labels",
                "next: stillhouse-limit net.onnx --labels",
            ],
        ),
        (
            &["toy/v1", "--connections", "2000"],
            &[
                "max_connections = 1024",
                "next: stillhouse-limit toy/v1 --connections 2000 --set connections.max_connections=2000",
            ],
        ),
        (
            &["toy/v1", "--picture", &no_picture],
            &["labels.txt", "next: name a picture"],
        ),
    ] {
        let output = limit(folder.path(), arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let error = String::from_utf8(output.stderr).expect("UTF-8");
        for word in words {
            assert!(
                error.contains(word),
                "{arguments:?}: {error} must say {word}"
            );
        }
        assert!(output.stdout.is_empty());
    }
}
