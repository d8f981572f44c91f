//! `stillhouse limit`: what a prediction costs at least on this machine, beside what the server spends on it.
//!
//! Every step is measured with the server's own functions: decoding to JSON in this process, HTTP by a server of the same
//! routes and layers that answers a constant, then the real server with the same picture under the same load. Both servers
//! are processes of their own, whose CPU time the kernel tells; the client's isn't in it.

pub mod alone;
mod clock;
mod floor;
pub mod house;
pub mod load;
mod progress;
pub mod report;
pub mod rounds;
pub mod subject;
pub mod waterfall;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::ensure;
use clap::Args;

use super::{ConfigSource, network::Network};
use crate::config::Config;
use alone::Steps;
pub(super) use floor::Floor;
use house::House;
use report::Report;
use rounds::Extent;
use subject::Subject;

/// Say what a prediction costs at least on this machine, step by step, and what the server spends on it.
#[derive(Args)]
pub(super) struct Limit {
    /// MODEL/VERSION of the repository, MODEL where it has one version, or an ONNX file as `serve` takes it
    target: String,
    /// Of an ONNX file: its labels, one a line, class 0 first
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Connections, each with one request on its way
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Seconds of each load
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// Alternations of steps, floor and server; medians are told
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// What is sent [default: the version's first golden sample]
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

impl Limit {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if cfg!(debug_assertions) {
            eprintln!(
                "warning: this binary was built for debugging, its figures say nothing of a server\n\
                 next: cargo run --release --bin stillhouse -- limit {}",
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
             next: stillhouse limit {} --connections {0} --set connections.max_connections={0}",
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

/// Starts both servers from the binary `program`, measures and tells.
///
/// # Errors
/// A server that doesn't start, a network that fails, an answer that isn't one.
pub fn report(
    program: &Path,
    config: &Config,
    subject: &Subject,
    extent: &Extent,
) -> anyhow::Result<Report> {
    let house = House::start(program, config, subject)?;
    report_of(&house, config, subject, extent)
}

/// The same with servers that run already.
///
/// # Errors
/// As [`report()`].
pub fn report_of(
    house: &House,
    config: &Config,
    subject: &Subject,
    extent: &Extent,
) -> anyhow::Result<Report> {
    let own = config.models.get(subject.files.model.as_str());
    let engine = own.and_then(|own| own.engine.as_ref());
    let options = engine.unwrap_or(&config.engine).resolve()?;
    let mut steps = Steps::new(
        subject,
        &options,
        config.image.clone(),
        house.serving.sizes.clone(),
        house.sighted.clone(),
    )?;
    let rounds = rounds::measure(house, subject, &mut steps, extent)?;
    Report::new(subject, &house.serving, extent, &rounds)
}
