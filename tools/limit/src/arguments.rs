//! The command line.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::ensure;
use clap::Parser;

use stillhouse::{
    cli::{ConfigSource, network::Network},
    config::Config,
};
use stillhouse_limit::{
    report,
    rounds::Extent,
    subject::{self, Subject},
};

/// Measures what a prediction costs at least on this machine, step by step, and what the server spends on it.
#[derive(Parser)]
#[command(name = "stillhouse-limit", version, arg_required_else_help = true)]
pub(super) struct Arguments {
    /// MODEL/VERSION of the repository, MODEL where it has one version, or an ONNX file as `serve` takes it
    target: String,
    /// With an ONNX file: its labels, one per line, class 0 first
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Seconds of each load
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// Rounds of steps, HTTP floor and server in turns; medians over them are reported
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// The picture that is sent [default: the version's first golden sample]
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The model repository [default: repository.path of the configuration]
    #[arg(long, value_name = "FOLDER")]
    models: Option<PathBuf>,
    /// `auto`, `onnxruntime` or `tract`
    #[arg(long)]
    engine: Option<String>,
    #[command(flatten)]
    source: ConfigSource,
    #[command(flatten)]
    network: Network,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number between 0.1 and 600".into()),
    }
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if cfg!(debug_assertions) {
            eprintln!(
                "warning: this is a debug build; its figures say nothing about a release\n\
                 next: cargo run --release -p stillhouse-limit -- {}",
                self.target
            );
        }
        let models = self.models.as_ref().map(|path| path.display().to_string());
        let mut config = self.source.load(&[
            ("repository.path", "--models", models),
            ("engine.backend", "--engine", self.engine.clone()),
        ])?;
        let most = config.connections.max_connections;
        ensure!(
            usize::from(self.connections) <= most,
            "--connections {} is more than connections.max_connections = {most}\n\
             next: stillhouse-limit {} --connections {0} --set connections.max_connections={0}",
            self.connections,
            self.target
        );
        let subject = self.subject(&config)?;
        if let (Some(engine), Some(own)) = (
            &self.engine,
            config.models.get_mut(subject.files.model.as_str()),
        ) && let Some(table) = &mut own.engine
        {
            table.backend.clone_from(engine);
        }
        let extent = Extent {
            connections: self.connections.into(),
            time: Duration::from_secs_f64(self.seconds),
            rounds: self.rounds.into(),
        };
        let report = report(&std::env::current_exe()?, &config, &subject, &extent)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{report}");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn subject(&self, config: &Config) -> anyhow::Result<Subject> {
        let onnx = Path::new(&self.target);
        let files = if onnx.extension().is_some_and(|word| word == "onnx") {
            let engine = config.engine.resolve()?;
            subject::from_onnx(onnx, self.labels.as_deref(), &self.network, &engine)?
        } else {
            subject::from_repository(config, &self.target)?
        };
        Subject::new(files, self.picture.as_deref(), &config.image)
    }
}
