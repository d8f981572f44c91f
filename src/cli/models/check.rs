//! `stillhouse models check`

use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use stillhouse_engine::{Backend, EngineOptions, Priority, prepare};

use super::{Source, Target, directories};
use crate::{
    config::Config,
    golden::preflight,
    store::{StoreError, VersionFiles},
    version::{EngineSettings, engines},
};

#[derive(Args)]
pub(in crate::cli) struct Check {
    /// Only these: MODEL or MODEL/VERSION
    target: Option<Target>,
    /// Only this engine: onnxruntime or tract [default: all that are available]
    #[arg(long)]
    engine: Option<Backend>,
    #[command(flatten)]
    source: Source,
}

/// What was checked, an engine or the files, and the result.
struct EngineCheck {
    checked: String,
    found: Result<String, String>,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (repository, config) = self.source.open()?;
        let engines = self.engines(config)?;
        let directories = directories(&repository, self.target.as_ref())?;
        ensure!(
            !directories.is_empty(),
            "there is no version in {}",
            repository.root().display()
        );

        let mut good = true;
        let mut rows = Vec::new();
        for (model, directory) in directories {
            let version = directory.version;
            let engine_checks = engine_checks(
                directory
                    .manifest
                    .and_then(|_| repository.read(&model, &version)),
                &engines,
            );
            good &= is_good(&engine_checks);
            if self.source.json {
                let checks: Vec<Value> = engine_checks.iter().map(EngineCheck::to_json).collect();
                rows.push(json!({"model": model, "version": version, "good": is_good(&engine_checks), "checks": checks}));
            } else {
                let texts: Vec<String> = engine_checks.iter().map(EngineCheck::to_text).collect();
                say!("{model}/{version}: {}", texts.join("; "));
            }
        }
        if self.source.json {
            say!("{}", serde_json::to_string_pretty(&rows)?);
        }
        Ok(if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn engines(&self, config: Config) -> anyhow::Result<Vec<EngineOptions>> {
        if let Some(backend) = self.engine {
            let settings = EngineSettings {
                backend: backend.to_string(),
                ..config.engine
            };
            return Ok(vec![settings.resolve()?]);
        }
        let here = engines(&config.engine)?;
        for backend in Backend::compiled_in() {
            if !here.iter().any(|engine| engine.backend == *backend) {
                note!("skipped: {backend}, whose library wasn't found");
            }
        }
        if here.is_empty() {
            bail!(
                "no engine is available: set engine.library or ORT_DYLIB_PATH, or build with --features tract"
            );
        }
        Ok(here)
    }
}

fn engine_checks(
    read: Result<VersionFiles, StoreError>,
    engines: &[EngineOptions],
) -> Vec<EngineCheck> {
    match read {
        Err(error) => vec![EngineCheck {
            checked: "files".into(),
            found: Err(error.to_string()),
        }],
        Ok(files) => engines
            .iter()
            .map(|engine| {
                let found = preflight(&files, engine, &prepare, Priority::Foreground);
                EngineCheck {
                    checked: engine.backend.to_string(),
                    found: found.map_err(|error| error.to_string()),
                }
            })
            .collect(),
    }
}

fn is_good(engine_checks: &[EngineCheck]) -> bool {
    engine_checks.iter().all(|check| check.found.is_ok())
}

impl EngineCheck {
    fn to_json(&self) -> Value {
        match &self.found {
            Ok(engine) => json!({"checked": self.checked, "good": true, "engine": engine}),
            Err(error) => json!({"checked": self.checked, "good": false, "error": error}),
        }
    }

    fn to_text(&self) -> String {
        match &self.found {
            Ok(_) => format!("good on {}", self.checked),
            Err(error) => format!("NOT GOOD on {}: {error}", self.checked),
        }
    }
}
