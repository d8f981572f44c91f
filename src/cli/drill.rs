//! `stillhouse drill`: a rollout that goes wrong, one that goes well, a rollback and a crash, on its own server with
//! the models in the repository. Every number is measured while it runs.

mod acts;
mod narration;
mod pictures;
mod server;
mod stage;
mod traffic;
mod variants;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;

use super::ConfigSource;
use crate::store::Repository;
use narration::Narration;
use server::DrillServer;
use stage::Stage;
use traffic::Traffic;

/// The versions that the drill uses.
const MODEL: &str = "fashion";
const STABLE: &str = "s1";
const BAD: &str = "bad-blind";
const GOOD: &str = "s2";
const SURE: &str = "bad-overconfident";
const TEACHER: &str = "teacher-1";

/// Walk through a rollout in five minutes: a bad canary, a good one, a rollback, a crash.
#[derive(Args)]
pub(super) struct Drill {
    /// The model repository with the model `fashion` [default: repository.path of the configuration]
    #[arg(long, value_name = "FOLDER")]
    models: Option<PathBuf>,
    /// Pictures named after their labels [default: samples/fashion beside the model repository]
    #[arg(long, value_name = "FOLDER")]
    samples: Option<PathBuf>,
    /// Requests in each burst of traffic
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    requests: u64,
    /// Don't wait for Enter
    #[arg(long, short)]
    yes: bool,
    /// Print the steps with their results as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: ConfigSource,
}

impl Drill {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let models = self.models.as_ref().map(|path| path.display().to_string());
        let config = self
            .source
            .load(&[("repository.path", "--models", models)])?;
        let models = std::path::absolute(&config.repository.path)?;
        let labels = cast(&models)?;
        let samples = match &self.samples {
            Some(samples) => samples.clone(),
            None => models.with_file_name("samples").join(MODEL),
        };
        let pictures = pictures::read(&samples, &labels)?;

        let folder = tempfile::tempdir().context("a folder for the drill's server")?;
        DrillServer::configure(folder.path(), &models)?;
        let mut stage = Stage {
            narration: Narration::new(self.json, self.yes),
            server: DrillServer::start(folder.path())?,
            traffic: Traffic::new(pictures)?,
            requests: self.requests,
        };
        stage.first(folder.path())?;
        stage.bad_canary()?;
        stage.judged_canary()?;
        stage.good_canary()?;
        stage.crash(folder.path())?;
        stage.narration.say(LEARNT);
        stage.narration.end()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The labels of the model, if every version of the drill is there.
fn cast(models: &Path) -> anyhow::Result<Vec<String>> {
    let place = || {
        format!(
            "the drill needs the model {MODEL} with the versions {STABLE}, {BAD}, {SURE}, {GOOD} and {TEACHER}, which the \
             repository of Stillhouse has in models/; say where it is with --models"
        )
    };
    let repository = Repository::open(models).with_context(place)?;
    let model = MODEL.parse()?;
    let mut labels = Vec::new();
    for version in [STABLE, BAD, SURE, GOOD, TEACHER] {
        let files = repository.read(&model, &version.parse()?);
        labels = files.with_context(place)?.labels.to_vec();
    }
    Ok(labels)
}

const LEARNT: &str = "
=== What you have seen
- A canary gets a share of the requests; its answers, not its health, say whether it is good.
- A judge that compares them with the teacher's decides without a person, and shows its evidence.
- `canary abort`, `promote` and `rollback` are one step each, take effect with the next request, and print the step back.
- Deployment and audit log survive kill -9; `stillhouse history` says who did what and why.

To read on: README.md (the tour), ARCHITECTURE.md (why), `stillhouse canary start --help` (every flag), and /docs of a
running server (the same over HTTP). `stillhouse serve` starts one of your own.";
