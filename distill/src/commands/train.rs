//! `train-teacher` and `train-student`.

use anyhow::{Context, Result, ensure};
use clap::Args;
use std::path::PathBuf;
use stillhouse_distill::{
    config::Config,
    datasets::Splits,
    devices,
    run::Run,
    teacher::{self, Teacher},
    train::train,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The experiment's TOML file
    #[arg(required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// Set one key of the file, e.g. --set train.epochs=5 (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Directory for configuration, metrics, curves and checkpoints
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Where to train
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Go on from the run's last checkpoint
    #[arg(long, conflicts_with_all = ["config", "set", "force"])]
    resume: bool,
    /// Replace the run's directory
    #[arg(long)]
    force: bool,
}

impl Arguments {
    pub(crate) fn run(self, student: bool) -> Result<()> {
        let device = devices::parse(&self.device)?;
        let (run, config) = match &self.config {
            Some(path) if !self.resume => {
                let config = Config::load(path, &self.set)?;
                check(&config, student)?;
                (None, config)
            }
            _ => {
                let (run, config) = Run::open(&self.run)?;
                check(&config, student)?;
                (Some(run), config)
            }
        };
        let data = Splits::read(&config.data, &config.transform, config.seed)?;
        println!(
            "{} pictures to learn from, {} held out, {} to measure on; {}",
            data.train.len(),
            data.holdout.len(),
            data.test.len(),
            config
                .architecture
                .describe(config.transform.row_len(), data.labels.len())
        );
        let mut teacher: Option<Box<dyn Teacher>> = config
            .distill
            .as_ref()
            .map(|distill| teacher::open(&distill.teacher, &config.transform, &device))
            .transpose()?;
        let run = match run {
            Some(run) => run,
            None => Run::create(&self.run, &config, self.force)?,
        };
        let network = train(
            &config,
            &data,
            teacher.as_deref_mut().map(|t| t as &mut dyn Teacher),
            &device,
            &run,
            self.resume,
        )?;
        let weights = burn::module::Module::num_params(&network);
        println!(
            "{weights} weights, input {:?}: {}",
            config.shape(data.labels.len()).picture,
            run.folder().display()
        );
        Ok(())
    }
}

fn check(config: &Config, student: bool) -> Result<()> {
    if student {
        config
            .distill
            .as_ref()
            .context("a student needs a [distill] table with teacher, temperature and alpha")?;
    } else {
        ensure!(
            config.distill.is_none(),
            "train-teacher learns from labels alone: use train-student for [distill]"
        );
    }
    Ok(())
}
