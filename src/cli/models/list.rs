//! `stillhouse models list`

use std::process::ExitCode;

use clap::Args;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::json;

use super::{Size, Source, Target, directories};
use crate::store::{Directory, Manifest, ModelName};

#[derive(Args)]
pub(in crate::cli) struct List {
    /// Only these: MODEL or MODEL/VERSION
    target: Option<Target>,
    #[command(flatten)]
    source: Source,
}

impl List {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (repository, _) = self.source.open()?;
        let found = directories(&repository, self.target.as_ref())?;
        if self.source.json {
            let rows: Vec<_> = found
                .iter()
                .map(|(model, directory)| as_json(model, directory))
                .collect();
            say!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([
            "model", "version", "sha256", "size", "input", "classes", "output", "golden", "teacher",
        ]);
        for (model, directory) in &found {
            if let Ok(manifest) = &directory.manifest {
                let mut row = vec![model.to_string(), directory.version.to_string()];
                row.extend(cells(manifest));
                table.add_row(row);
            }
        }
        say!("{table}");
        for (model, Directory { version, manifest }) in &found {
            if let Err(error) = manifest {
                say!("{model}/{version} is not complete: {error}");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn cells(manifest: &Manifest) -> [String; 7] {
    let transform = &manifest.transform;
    let color = format!("{:?}", transform.color).to_lowercase();
    [
        manifest.file.sha256.chars().take(12).collect(),
        Size(manifest.file.size_bytes).to_string(),
        format!("{}x{} {color}", transform.width, transform.height),
        manifest.output.classes.to_string(),
        manifest.output.kind.as_str().to_owned(),
        manifest.golden.len().to_string(),
        manifest
            .training
            .as_ref()
            .and_then(|training| training.teacher.clone())
            .unwrap_or_else(|| "-".into()),
    ]
}

fn as_json(model: &ModelName, Directory { version, manifest }: &Directory) -> serde_json::Value {
    match manifest {
        Ok(manifest) => {
            json!({"model": model, "version": version, "complete": true, "manifest": manifest})
        }
        Err(error) => {
            json!({"model": model, "version": version, "complete": false, "error": error.to_string()})
        }
    }
}
