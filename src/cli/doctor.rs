//! `stillhouse doctor`: everything that a server needs, each with how it is and what to type. Reads only.

mod engine;
mod finding;
mod limits;
mod models;
mod server;
mod state;

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{ConfigSource, exit::Exit};
use crate::{app::check, config::Config};
use finding::{Finding, Health};

/// Check everything that a server needs.
#[derive(Args)]
pub(super) struct Doctor {
    /// Load every version, not only those with a role
    #[arg(long)]
    every_version: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The model repository [default: repository.path of the configuration]
    #[arg(long, value_name = "FOLDER")]
    models: Option<std::path::PathBuf>,
    #[command(flatten)]
    source: ConfigSource,
}

impl Doctor {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let models = self.models.as_ref().map(|path| path.display().to_string());
        let mut report = Report {
            json: self.json,
            findings: Vec::new(),
        };
        match self.source.load(&[("repository.path", "--models", models)]) {
            Ok(config) => self.examine(&config, &mut report)?,
            // What else there is depends on it.
            Err(error) => report.add([Finding::failed(
                "configuration",
                error.to_string(),
                "correct the line; `stillhouse config check` shows the result",
            )]),
        }
        Ok(report.end())
    }

    /// Cheap things first: each is printed as soon as it is known.
    fn examine(&self, config: &Config, report: &mut Report) -> anyhow::Result<()> {
        report.add(configuration(config));
        report.add(limits::check(config));
        report.add(state::check(config));
        report.add(engine::check(config));
        report.add(models::check(config, self.every_version)?);
        report.add(server::check(config));
        Ok(())
    }
}

fn configuration(config: &Config) -> Vec<Finding> {
    let found = check::examine(config, check::Served::Repository);
    let mut findings = Vec::new();
    for fault in found.faults {
        let next = "correct it; `stillhouse config check` says the same";
        findings.push(Finding::failed("configuration", fault, next));
    }
    for warning in found.warnings {
        let (text, next) = warning
            .split_once(": ")
            .unwrap_or((&warning, "see docs/operations.md"));
        findings.push(Finding::warning("configuration", text, next));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            "configuration",
            "valid, and what it names is there",
        ));
    }
    findings
}

struct Report {
    json: bool,
    findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if !self.json {
                say!("{finding}");
            }
            self.findings.push(finding);
        }
    }

    fn end(&self) -> ExitCode {
        let count = |health: Health| {
            let of_it = self
                .findings
                .iter()
                .filter(|finding| finding.health == health);
            of_it.count()
        };
        let (failed, warnings) = (count(Health::Failed), count(Health::Warning));
        match self.json {
            true => say!(
                "{:#}",
                json!({"good": failed == 0, "failed": failed, "warnings": warnings, "findings": self.findings})
            ),
            false => say!("{failed} failed, {warnings} warnings"),
        }
        match failed {
            0 => Exit::Done.into(),
            _ => Exit::Failed.into(),
        }
    }
}
