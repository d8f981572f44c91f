//! The verbs of operators: the real binary against a real server.

mod changes;
mod errors;
mod reading;
mod uploading;

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{server::TestServer, toy};

/// Three versions, v1 stable, that answer dark, middle and bright.
pub(crate) async fn server() -> TestServer {
    let always = |class: usize| {
        let row = (toy::SIDE * toy::SIDE) as usize;
        stillhouse_engine::scripted::Scripted::new(row, toy::LABELS.len(), move |_, rows| {
            let scores = (0..toy::LABELS.len()).map(|other| if other == class { 9.0 } else { 0.0 });
            Ok(scores.cycle().take(rows * toy::LABELS.len()).collect())
        })
    };
    let versions = vec![("v1", always(0)), ("v2", always(1)), ("v3", always(2))];
    TestServer::fleet(versions, |_| {}).await
}

/// Runs the binary as in a shell: without a terminal, and without the settings of the user who runs the tests.
pub(crate) fn command(admin: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillhouse"));
    clean(&mut command);
    command.env("STILLHOUSE_ADMIN", admin);
    command
}

fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STILLHOUSE") {
            command.env_remove(name);
        }
    }
    command
        .stdin(Stdio::null())
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
}

/// The output of a verb, which must succeed.
#[track_caller]
pub(crate) fn says(server: &TestServer, line: &str) -> String {
    let output = run(server, line);
    assert!(output.status.success(), "{line}: {}", stderr(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The output as JSON.
#[track_caller]
fn json(server: &TestServer, line: &str) -> Value {
    let text = says(server, &format!("{line} --json"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The error of a verb, which must fail.
#[track_caller]
pub(crate) fn fails(server: &TestServer, line: &str) -> String {
    let output = run(server, line);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{line}");
    stderr(&output)
}

fn run(server: &TestServer, line: &str) -> Output {
    let words = line.split_whitespace();
    let mut command = command(&server.admin.to_string());
    command.args(words).output().expect("runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a printed line in a shell whose only setting is the path of the binary.
#[track_caller]
fn paste(line: &str) {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_stillhouse"));
    let mut shell = Command::new("/bin/sh");
    clean(&mut shell);
    shell.env("PATH", binary.parent().expect("a folder"));
    let output = shell.args(["-c", line]).output().expect("runs");
    assert!(output.status.success(), "{line}: {}", stderr(&output));
}
