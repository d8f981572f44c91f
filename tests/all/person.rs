//! What a person stumbles over: texts, help, exit codes, output that fits, one command that says what is wrong.

mod doctor;
mod documents;
mod errors;
mod output;
mod promoting;
mod settings;
mod starting;

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::operator::command;

/// A verb in a folder, without a server.
fn verb(folder: &Path, line: &str) -> Command {
    let mut verb = command("127.0.0.1:1");
    verb.env_remove("STILLHOUSE_ADMIN")
        .args(line.split_whitespace())
        .current_dir(folder);
    verb
}

fn run(folder: &Path, line: &str) -> Output {
    verb(folder, line).output().expect("runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The repository of the source, with its documentation and the shipped models.
fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
