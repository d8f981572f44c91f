//! The directory of a run: configuration, metrics and checkpoints.

mod curves;

use anyhow::{Context, Result, bail, ensure};
use burn::{module::Module, optim::ModuleOptimizer, tensor::Device};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    config::Config,
    files::replace,
    measure::{Score, TeacherComparison},
    network::{Network, Shape},
};

const NETWORK: &str = "network.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const PROGRESS: &str = "progress.json";
const METRICS: &str = "metrics.jsonl";

/// One line of `metrics.jsonl`: an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Epochs finished, counted from 1.
    pub epoch: usize,
    /// Steps finished.
    pub step: usize,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The mean loss while training.
    pub loss: f64,
    /// Wall time of the epoch.
    pub seconds: f64,
    /// The hold-out's loss at T = 1: (1−α)·NLL + α·KL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout_loss: Option<f64>,
    /// The hold-out against its labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<Score>,
    /// The test pictures against their labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Score>,
    /// The test pictures against the teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likeness: Option<TeacherComparison>,
}

/// The progress of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs finished.
    pub epoch: usize,
    /// Steps finished.
    pub step: usize,
    /// The best hold-out loss so far and the epoch it was reached in.
    #[serde(default)]
    pub best: Option<(f64, usize)>,
    /// Whether the run is finished.
    pub finished: bool,
}

/// A run's directory.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
}

impl Run {
    /// Creates the directory of a new run; with `force` an existing run is deleted first.
    ///
    /// # Errors
    /// A directory that exists already, unless `force`; I/O errors.
    pub fn create(folder: &Path, config: &Config, force: bool) -> Result<Self> {
        if folder.exists() {
            ensure!(
                force,
                "{} exists: continue it with --resume, or replace it with --force",
                folder.display()
            );
            ensure!(
                folder.join("config.toml").exists(),
                "{} is not a run's directory, so it is not deleted",
                folder.display()
            );
            fs::remove_dir_all(folder).with_context(|| format!("emptying {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let run = Self {
            folder: folder.to_owned(),
        };
        run.write("config.toml", toml::to_string_pretty(config)?.as_bytes())?;
        run.write(
            "environment.json",
            serde_json::to_string_pretty(&environment())?.as_bytes(),
        )?;
        Ok(run)
    }

    /// Opens a run and reads its configuration.
    ///
    /// # Errors
    /// A directory without a run.
    pub fn open(folder: &Path) -> Result<(Self, Config)> {
        let config = Config::load(&folder.join("config.toml"), &[])
            .with_context(|| format!("{} holds no run", folder.display()))?;
        Ok((
            Self {
                folder: folder.to_owned(),
            },
            config,
        ))
    }

    /// Its path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends one epoch to the metrics.
    ///
    /// # Errors
    /// I/O errors; a partly written line is removed.
    pub fn record(&self, metrics: &EpochMetrics) -> Result<()> {
        let path = self.folder.join(METRICS);
        let line = serde_json::to_string(metrics)? + "\n";
        let append = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            let before = file.metadata()?.len();
            file.write_all(line.as_bytes())
                .inspect_err(|_| _ = file.set_len(before))
        };
        append().with_context(|| format!("writing {}", path.display()))
    }

    /// All epochs recorded so far; an incomplete last line is ignored.
    ///
    /// # Errors
    /// Lines that can't be read back.
    pub fn metrics(&self) -> Result<Vec<EpochMetrics>> {
        let path = self.folder.join(METRICS);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let read = || -> Result<Vec<EpochMetrics>> {
            let text = fs::read_to_string(&path)?;
            let whole = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            whole.map(|line| Ok(serde_json::from_str(line)?)).collect()
        };
        read().with_context(|| format!("reading {}", path.display()))
    }

    /// Draws `curves.svg` from the metrics.
    ///
    /// # Errors
    /// I/O errors.
    pub fn draw(&self) -> Result<()> {
        curves::draw(&self.folder.join("curves.svg"), &self.metrics()?)
    }

    /// Writes a checkpoint beside the old one, then renames it into place: a crash leaves one of the two.
    ///
    /// # Errors
    /// I/O errors; the old checkpoint is kept then, and nothing of the new one.
    pub fn save(
        &self,
        name: &str,
        network: &Network,
        optimizer: Option<&ModuleOptimizer>,
        progress: &Progress,
    ) -> Result<()> {
        let folder = self.folder.join(name);
        let fresh = self.folder.join(format!("{name}.new"));
        let save = || -> Result<()> {
            let _ = fs::remove_dir_all(&fresh);
            fs::create_dir(&fresh)?;
            network.clone().save_file(fresh.join(NETWORK))?;
            if let Some(optimizer) = optimizer {
                optimizer.save(fresh.join(OPTIMIZER))?;
            }
            fs::write(fresh.join(PROGRESS), serde_json::to_string(progress)?)?;
            for file in fs::read_dir(&fresh)? {
                File::open(file?.path())?.sync_all()?;
            }
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            Ok(fs::rename(&fresh, &folder)?)
        };
        save()
            .inspect_err(|_| _ = fs::remove_dir_all(&fresh))
            .with_context(|| format!("writing the checkpoint {}", folder.display()))
    }

    /// The network of checkpoint `name` on `device`.
    ///
    /// # Errors
    /// A checkpoint that is missing, damaged or of another architecture.
    pub fn load(
        &self,
        name: &str,
        config: &Config,
        shape: Shape,
        device: &Device,
    ) -> Result<(Network, Progress)> {
        let folder = self.folder.join(name);
        let read = || -> Result<(Network, Progress)> {
            let network = Network::new(&config.architecture, shape, config.seed, device);
            let network = network.try_load_file(folder.join(NETWORK))?;
            Ok((
                network,
                serde_json::from_str(&fs::read_to_string(folder.join(PROGRESS))?)?,
            ))
        };
        read().with_context(|| format!("reading the checkpoint {}", folder.display()))
    }

    /// Restores the optimiser's state from checkpoint `name`.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn load_optimizer(
        &self,
        name: &str,
        optimizer: ModuleOptimizer,
    ) -> Result<ModuleOptimizer> {
        let path = self.folder.join(name).join(OPTIMIZER);
        optimizer
            .load(&path)
            .with_context(|| format!("reading {}", path.display()))
    }

    /// Removes the metrics of epochs after `epoch`, which an interrupted run recorded after its last checkpoint.
    ///
    /// # Errors
    /// I/O errors.
    pub fn forget_after(&self, epoch: usize) -> Result<()> {
        let kept: Vec<EpochMetrics> = self
            .metrics()?
            .into_iter()
            .filter(|metrics| metrics.epoch <= epoch)
            .collect();
        let lines = kept
            .iter()
            .map(|metrics| Ok(serde_json::to_string(metrics)? + "\n"))
            .collect::<Result<String>>()?;
        self.write(METRICS, lines.as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        replace(&self.folder.join(name), bytes)
    }
}

/// Whether the run at `folder` is finished.
pub fn finished(folder: &Path) -> bool {
    let text = fs::read_to_string(folder.join(LAST).join(PROGRESS)).unwrap_or_default();
    serde_json::from_str::<Progress>(&text).is_ok_and(|progress| progress.finished)
}

/// The checkpoint to resume from.
pub const LAST: &str = "checkpoint";
/// The checkpoint with the best hold-out loss, if there is a hold-out.
pub const BEST: &str = "best";

/// The name of the checkpoint whose network is the run's result.
///
/// # Errors
/// A run that hasn't saved anything yet.
pub fn result(run: &Run) -> Result<&'static str> {
    match [BEST, LAST]
        .into_iter()
        .find(|name| run.folder().join(name).exists())
    {
        Some(name) => Ok(name),
        None => bail!("{} has no checkpoint yet", run.folder().display()),
    }
}

/// The environment of a run, for the record.
fn environment() -> serde_json::Value {
    let says = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success());
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    serde_json::json!({
        "tool": format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
        "git_commit": says("git", &["rev-parse", "HEAD"]),
        "git_changes": says("git", &["status", "--porcelain", "--untracked-files=no"]).map(|text| !text.is_empty()),
        "arguments": std::env::args().skip(1).collect::<Vec<_>>(),
        "started": jiff::Timestamp::now().to_string(),
        "system": std::env::consts::OS,
        "machine": std::env::consts::ARCH,
        "processor": processor,
        "threads": std::thread::available_parallelism().map(usize::from).ok(),
    })
}
