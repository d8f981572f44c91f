//! `stillhouse models show`

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::{Size, Source, Target, directories};

#[derive(Args)]
pub(in crate::cli) struct Show {
    /// MODEL/VERSION, or MODEL if it has only one
    target: Target,
    #[command(flatten)]
    source: Source,
}

impl Show {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (repository, _) = self.source.open()?;
        let mut found = directories(&repository, Some(&self.target))?;
        if found.len() > 1 {
            let names: Vec<&str> = found
                .iter()
                .map(|(_, directory)| directory.version.as_str())
                .collect();
            bail!(
                "{} has the versions {}: name one, e.g. {}/{}",
                self.target.model,
                names.join(", "),
                self.target.model,
                names[0]
            );
        }
        let (model, directory) = found.remove(0);
        let files = repository.read(&model, &directory.version)?;
        if self.source.json {
            let labels = files.labels.to_vec();
            let all = json!({"model": model, "version": files.version, "path": files.path, "labels": labels, "manifest": files.manifest});
            say!("{}", serde_json::to_string_pretty(&all)?);
        } else {
            say!(
                "# {}: {}, hashed as its manifest says",
                files.path.display(),
                Size(files.manifest.file.size_bytes)
            );
            say_text!("{}", toml::to_string(&files.manifest)?);
        }
        Ok(ExitCode::SUCCESS)
    }
}
