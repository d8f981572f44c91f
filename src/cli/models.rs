//! `stillhouse models`: what stands in the repository, and whether it can be trusted.

use std::{fmt, path::PathBuf, process::ExitCode, str::FromStr};

use anyhow::bail;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::json;
use stillhouse_engine::{Backend, EngineOptions};

use super::ConfigSource;
use crate::{
    config::Config,
    golden::word,
    import::{engines, trial},
    store::{Directory, Manifest, ModelName, Repository, VersionName},
    version::EngineSettings,
};

/// Look at the model repository.
#[derive(Subcommand)]
pub(super) enum Models {
    /// A table of every version.
    List(List),
    /// One version's manifest, its file hashed.
    Show(Show),
    /// Load every version on every engine that is here and reproduce its golden samples.
    Check(Check),
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
        Ok((Repository::open(&config.repository.path)?, config))
    }
}

/// `model` or `model/version`.
#[derive(Clone, Debug)]
struct Target {
    model: ModelName,
    version: Option<VersionName>,
}

impl FromStr for Target {
    type Err = crate::store::NameError;

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

/// Every directory that `target` means, all of them without one.
fn directories(
    repository: &Repository,
    target: Option<&Target>,
) -> anyhow::Result<Vec<(ModelName, Directory)>> {
    let models = match target {
        Some(target) => vec![target.model.clone()],
        None => repository.models()?,
    };
    let mut found = Vec::new();
    for model in models {
        let wanted = target.and_then(|target| target.version.as_ref());
        let directories = repository.directories(&model)?;
        let directories = directories
            .into_iter()
            .filter(|one| wanted.is_none_or(|name| *name == one.version));
        found.extend(directories.map(|directory| (model.clone(), directory)));
    }
    match (found.is_empty(), target) {
        (
            true,
            Some(Target {
                model,
                version: Some(version),
            }),
        ) => bail!("{model} has no version {version}"),
        (true, Some(Target { model, .. })) => bail!("{model} has no versions"),
        _ => Ok(found),
    }
}

#[derive(Args)]
pub(super) struct List {
    /// Only these: MODEL or MODEL/VERSION
    target: Option<Target>,
    #[command(flatten)]
    source: Source,
}

impl List {
    fn run(self) -> anyhow::Result<ExitCode> {
        let (repository, _) = self.source.open()?;
        let found = directories(&repository, self.target.as_ref())?;
        if self.source.json {
            let rows: Vec<_> = found
                .iter()
                .map(|(model, directory)| as_json(model, directory))
                .collect();
            println!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([
            "model",
            "version",
            "sha256",
            "size",
            "input",
            "classes",
            "output",
            "golden",
            "taught by",
        ]);
        for (model, directory) in &found {
            if let Ok(manifest) = &directory.manifest {
                let mut row = vec![model.to_string(), directory.version.to_string()];
                row.extend(cells(manifest));
                table.add_row(row);
            }
        }
        println!("{table}");
        for (model, Directory { version, manifest }) in &found {
            if let Err(error) = manifest {
                println!("{model}/{version} is not complete: {error}");
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
        word(manifest.output.kind).to_owned(),
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

/// A length for people; multiples of 1000, as disks and networks count.
struct Size(u64);

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

#[derive(Args)]
pub(super) struct Show {
    /// MODEL/VERSION, or MODEL where it has only one
    target: Target,
    #[command(flatten)]
    source: Source,
}

impl Show {
    fn run(self) -> anyhow::Result<ExitCode> {
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
            println!("{}", serde_json::to_string_pretty(&all)?);
        } else {
            println!(
                "# {}: {}, hashed as its manifest says",
                files.path.display(),
                Size(files.manifest.file.size_bytes)
            );
            print!("{}", toml::to_string(&files.manifest)?);
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub(super) struct Check {
    /// Only these: MODEL or MODEL/VERSION
    target: Option<Target>,
    /// Only this engine: onnxruntime or tract [default: every one that is here]
    #[arg(long)]
    engine: Option<Backend>,
    #[command(flatten)]
    source: Source,
}

impl Check {
    fn run(self) -> anyhow::Result<ExitCode> {
        let (repository, config) = self.source.open()?;
        let engines: Vec<EngineOptions> = match self.engine {
            Some(backend) => vec![
                EngineSettings {
                    backend: backend.to_string(),
                    ..config.engine
                }
                .resolve()?,
            ],
            None => engines(&config.engine)?,
        };
        let mut all_good = true;
        let mut rows = Vec::new();
        for (model, Directory { version, manifest }) in
            directories(&repository, self.target.as_ref())?
        {
            let read = manifest.and_then(|_| repository.read(&model, &version));
            let verdicts: Vec<(String, Result<String, String>)> = match read {
                Err(error) => vec![("files".into(), Err(error.to_string()))],
                Ok(files) => {
                    let one = |options: &EngineOptions| {
                        let verdict = trial(&files, options, &stillhouse_engine::prepare);
                        (
                            options.backend.to_string(),
                            verdict.map_err(|error| error.to_string()),
                        )
                    };
                    engines.iter().map(one).collect()
                }
            };
            let good = verdicts.iter().all(|(_, verdict)| verdict.is_ok());
            all_good &= good;
            if self.source.json {
                let verdicts = verdicts.iter().map(|(what, verdict)| match verdict {
                    Ok(engine) => json!({"checked": what, "good": true, "engine": engine}),
                    Err(error) => json!({"checked": what, "good": false, "error": error}),
                });
                rows.push(json!({"model": model, "version": version, "good": good, "checks": verdicts.collect::<Vec<_>>()}));
            } else {
                println!("{model}/{version}: {}", line(&verdicts));
            }
        }
        if self.source.json {
            println!("{}", serde_json::to_string_pretty(&rows)?);
        }
        Ok(if all_good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn line(verdicts: &[(String, Result<String, String>)]) -> String {
    let one = |(what, verdict): &(String, Result<String, String>)| match verdict {
        Ok(_) => format!("good on {what}"),
        Err(error) => format!("NOT GOOD on {what}: {error}"),
    };
    verdicts.iter().map(one).collect::<Vec<_>>().join("; ")
}
