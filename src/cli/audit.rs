//! `stillhouse audit verify`: checks that the audit log is what the server wrote. Needs no running server.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::json;

use super::ConfigSource;
use crate::control::journal::{self, JournalError, Seal};

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
    /// The file of the log's key [default: control.audit_key_file of the configuration]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigSource,
}

impl Verify {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let text = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let config = self.config.load(&[
            ("control.state_path", "--state", text(&self.state)),
            ("control.audit_key_file", "--key-file", text(&self.key_file)),
        ])?;
        let seal = Seal::of(config.control.key_file())?;
        let verified = journal::verify_with(&config.control.state_path, &seal);
        if self.json {
            let (good, answer) = match &verified {
                Ok(verified) => (
                    true,
                    json!({"good": true, "lines": verified.lines, "keyed_from": verified.keyed_from, "head": verified.head}),
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
        match verified.keyed_from {
            Some(1) => say!("every line was made with the key"),
            Some(line) => say!(
                "from line {line} on, every line was made with the key; the lines before prove nothing against somebody who can write the file"
            ),
            None => say!(
                "there is no key: somebody who can write the file could have made all of it anew; compare the head with one that you kept"
            ),
        }
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
