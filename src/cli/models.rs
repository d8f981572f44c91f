//! `stillhouse models`: lists, shows and checks the versions in the model repository.

mod check;
mod list;
mod show;

use std::{fmt, path::PathBuf, process::ExitCode, str::FromStr};

use anyhow::bail;
use clap::{Args, Subcommand};

use super::ConfigSource;
use crate::{
    app,
    config::Config,
    store::{Directory, ModelName, NameError, Repository, VersionName},
    strict::suggest,
};

/// Inspect the model repository.
#[derive(Subcommand)]
pub(super) enum Models {
    /// A table of every version.
    List(list::List),
    /// One version's manifest, its file hashed.
    Show(show::Show),
    /// Load every version on every available engine and reproduce its golden samples.
    Check(check::Check),
}

impl Models {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(list) => list.run(),
            Self::Show(show) => show.run(),
            Self::Check(check) => check.run(),
        }
    }
}

#[derive(Args)]
struct Source {
    /// The model repository [default: repository.path of the configuration]
    #[arg(long, value_name = "FOLDER")]
    models: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigSource,
}

impl Source {
    fn open(&self) -> anyhow::Result<(Repository, Config)> {
        let models = self.models.as_ref().map(|path| path.display().to_string());
        let config = self
            .config
            .load(&[("repository.path", "--models", models)])?;
        Ok((app::check::repository(&config)?, config))
    }
}

/// `model` or `model/version`.
#[derive(Clone, Debug)]
struct Target {
    model: ModelName,
    version: Option<VersionName>,
}

impl FromStr for Target {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once('/') {
            Some((model, version)) => Self {
                model: model.parse()?,
                version: Some(version.parse()?),
            },
            None => Self {
                model: text.parse()?,
                version: None,
            },
        })
    }
}

/// Every directory that `target` names; without a target, all of them.
fn directories(
    repository: &Repository,
    target: Option<&Target>,
) -> anyhow::Result<Vec<(ModelName, Directory)>> {
    let known = repository.models()?;
    let models = match target {
        Some(target) if !known.contains(&target.model) => {
            let names: Vec<&str> = known.iter().map(ModelName::as_str).collect();
            bail!(
                "there is no model `{}` in {}: {}",
                target.model,
                repository.root().display(),
                suggest(target.model.as_str(), &names)
            )
        }
        Some(target) => vec![target.model.clone()],
        None => known,
    };
    let mut found = Vec::new();
    for model in models {
        let wanted = target.and_then(|target| target.version.as_ref());
        let directories = repository.directories(&model)?;
        if let Some(wanted) = wanted
            && !directories.iter().any(|one| one.version == *wanted)
        {
            let names: Vec<&str> = directories.iter().map(|one| one.version.as_str()).collect();
            let there = match names.is_empty() {
                true => "none".to_owned(),
                false => names.join(", "),
            };
            bail!("{model} has no version {wanted}; it has {there}");
        }
        let directories = directories
            .into_iter()
            .filter(|one| wanted.is_none_or(|name| *name == one.version));
        found.extend(directories.map(|directory| (model.clone(), directory)));
    }
    match target {
        Some(Target { model, .. }) if found.is_empty() => bail!("{model} has no versions"),
        _ => Ok(found),
    }
}

/// A size for people to read; in multiples of 1000, like disks and networks.
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1000 => write!(f, "{bytes} B"),
            bytes @ 1000..1_000_000 => write!(f, "{:.1} kB", bytes as f64 / 1e3),
            bytes @ 1_000_000..1_000_000_000 => write!(f, "{:.1} MB", bytes as f64 / 1e6),
            bytes => write!(f, "{:.2} GB", bytes as f64 / 1e9),
        }
    }
}
