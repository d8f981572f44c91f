//! `stillhouse audit verify`: checks that the audit log is what the server wrote. Needs no running server.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::json;

use super::ConfigSource;
use crate::control::journal::{self, JournalError};

/// Inspect the audit log.
#[derive(Subcommand)]
pub(super) enum Audit {
    /// Check every line's hash and number, and that state.json matches the last one; otherwise exit with code 1 and
    /// print the first bad line.
    Verify(Verify),
}

impl Audit {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Verify(verify) => verify.run(),
        }
    }
}

#[derive(Args)]
pub(super) struct Verify {
    /// The folder of state.json and audit.jsonl [default: control.state_path of the configuration]
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigSource,
}

impl Verify {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let state = self.state.as_ref().map(|path| path.display().to_string());
        let config = self
            .config
            .load(&[("control.state_path", "--state", state)])?;
        let verified = journal::verify(&config.control.state_path);
        if self.json {
            let (good, answer) = match &verified {
                Ok(verified) => (
                    true,
                    json!({"good": true, "lines": verified.lines, "head": verified.head}),
                ),
                Err(error) => (
                    false,
                    json!({"good": false, "line": bad_line(error), "error": error.to_string()}),
                ),
            };
            say!("{answer:#}");
            return Ok(if good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        let verified = verified?;
        say!("{} lines, every hash and number is correct", verified.lines);
        say!("head {}", verified.head);
        Ok(ExitCode::SUCCESS)
    }
}

fn bad_line(error: &JournalError) -> Option<u64> {
    match error {
        JournalError::BadLine { line, .. } => Some(*line),
        _ => None,
    }
}
