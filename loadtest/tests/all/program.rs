//! Runs the program to its end.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

/// The program's output.
pub(crate) struct RunResult {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Placeholder picture files: the scripted server doesn't decode them.
pub(crate) struct Pictures(tempfile::TempDir);

impl Pictures {
    pub(crate) fn named(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            std::fs::write(folder.path().join(name), name).expect("a file");
        }
        Self(folder)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Writes another file in the same folder and returns its path.
    pub(crate) fn put(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }
}

/// The command for the program with these arguments, separated by spaces.
pub(crate) fn command(arguments: &str, pictures: &Pictures) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillhouse-loadtest"));
    command
        .args(arguments.split_whitespace())
        .arg("--pictures")
        .arg(pictures.path())
        .env_remove("STILLHOUSE_ADMIN")
        .env_remove("STILLHOUSE_TOKEN")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &str, pictures: &Pictures) -> RunResult {
    finished(command(arguments, pictures).spawn().expect("the program"))
}

pub(crate) fn finished(child: std::process::Child) -> RunResult {
    let output = child.wait_with_output().expect("the program ends");
    RunResult {
        ok: output.status.success(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

impl RunResult {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// The last phase of a report.
    pub(crate) fn phase(&self) -> Value {
        let report = self.json();
        report["phases"]
            .as_array()
            .and_then(|phases| phases.last())
            .expect("a phase")
            .clone()
    }

    /// The checks that weren't met, with the measured values.
    pub(crate) fn missed(&self) -> Vec<String> {
        let report = self.json();
        let checks = report["checks"].as_array().expect("checks");
        let missed = checks.iter().filter(|check| check["ok"] == false);
        missed
            .map(|check| format!("{}: {}", text(&check["what"]), text(&check["found"])))
            .collect()
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// `503 queue_full` → how often, from a phase.
pub(crate) fn count(phase: &Value, reason: &str) -> u64 {
    let reasons = phase["reasons"].as_array().expect("reasons");
    let found = reasons.iter().find(|one| one["reason"] == reason);
    found.and_then(|one| one["count"].as_u64()).unwrap_or(0)
}
