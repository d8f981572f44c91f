//! The real binary in a process of its own.

use std::{path::Path, process::Command};

pub(crate) use stillhouse_child_server::Server;
use stillhouse_engine::Backend;

/// Starts it on free ports and waits until it prints that it answers.
pub(crate) fn start(models: &Path, engine: Backend, more: &[&str]) -> anyhow::Result<Server> {
    let log = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillhouse"));
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--admin-listen", "127.0.0.1:0"])
        .args(["--engine", &engine.to_string(), "--set", "log.filter=warn"])
        .arg("--models")
        .arg(models)
        .args(more)
        // The configuration of the working directory is for other models.
        .current_dir(models);
    Server::start(command, &log.path().join("log"))
}
