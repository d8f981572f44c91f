//! `stillhouse config check`

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;

use super::{ConfigSource, exit::Exit};
use crate::app::check;

/// Inspect the configuration.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Check the file, the environment and the flags as `serve` does before it starts; report everything that is wrong,
    /// or print the result
    Check {
        #[command(flatten)]
        source: ConfigSource,
        /// Print JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
}

impl Verb {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let Self::Check { source, json } = self;
        let config = source.load(&[])?;
        let found = check::examine(&config, check::Served::Repository);
        for warning in &found.warnings {
            note!("warning: {warning}");
        }
        if !found.faults.is_empty() {
            bail!(found.faults.join("\n"));
        }
        match json {
            true => say!("{}", serde_json::to_string_pretty(&config)?),
            false => say_text!("{}", toml::to_string(&config)?),
        }
        Ok(Exit::Done.into())
    }
}
