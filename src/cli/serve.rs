//! `stillhouse serve`

mod reread;
mod signals;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use stillhouse_engine::{Priority, prepare};

use super::{
    ConfigSource, banner,
    caller::end_with_the_caller,
    joined_causes,
    log::{self, LogFilter},
    standalone::StandaloneNetwork,
    validate::{confine, say_verdict},
};
use crate::{
    app::App,
    config::{Config, ConfigError},
    control::{
        Standalone, StartError,
        validation::{Validated, Validation, ValidationError},
    },
    version::try_out,
};
use signals::Signals;

/// Serve the model repository, or one ONNX file.
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    standalone: StandaloneNetwork,
    #[command(flatten)]
    source: ConfigSource,
    /// Address of the data plane.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Address of the admin plane.
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
    /// The model repository.
    #[arg(long)]
    models: Option<PathBuf>,
    /// `auto`, `onnxruntime` or `tract`.
    #[arg(long)]
    engine: Option<String>,
    /// `cpu`, `cuda:0`, `tensorrt:0`.
    #[arg(long)]
    device: Option<String>,
    /// End when standard input ends: for a program that starts a server for its own use.
    #[arg(long, hide = true)]
    end_with_stdin: bool,
    /// Only try the file, within the limits of `[loading]`: the server calls itself like this before it reads it.
    #[arg(long, hide = true, requires = "onnx")]
    try_out: bool,
}

/// How long threads that do blocking work get to end, after the drain.
const BLOCKING_WORK: Duration = Duration::from_millis(250);

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config()?;
        let filter = log::start(&config.log)?;
        if self.try_out {
            end_with_the_caller(|| std::process::abort());
            confine(config.loading.memory_bytes)?;
            return say_verdict(self.tried_here(&config));
        }
        if self.end_with_stdin {
            end_with_the_caller(|| std::process::exit(0));
        }
        let validated = self.tried(&config)?;
        let standalone = self.standalone.read(&config.engine.resolve()?)?;
        // The sample pictures of a single file must exist until the end, at the paths in the banner.
        let (standalone, folder) = standalone
            .map(|standalone| {
                let files = standalone.files;
                (Standalone { files, validated }, standalone.folder)
            })
            .unzip();
        let signals = signals::listen(Duration::from_secs(config.server.drain_timeout_seconds))?;
        let runtime = super::runtime(&config.server)?;
        let served = runtime.block_on(Arc::new(self).serve(config, standalone, filter, signals));
        // A network's load may be among it; then it would last as long as that.
        runtime.shutdown_timeout(BLOCKING_WORK);
        drop(folder);
        match served {
            Ok(Ending::Idle) => Ok(ExitCode::SUCCESS),
            Ok(Ending::Running) => {
                tracing::warn!("a network is still running: the process ends without it");
                signals::end_now(0)
            }
            // Other versions may still be on their way in.
            Err(error) if error.is::<StartError>() => {
                note!("error: {}", joined_causes(&error));
                signals::end_now(1)
            }
            Err(error) => Err(error),
        }
    }

    /// Has a child try the file that is to be served, if there is one: reading it runs its network.
    fn tried(&self, config: &Config) -> anyhow::Result<Option<Validated>> {
        if !self.standalone.is_given() || !config.loading.child_process {
            return Ok(None);
        }
        let validation = Validation::new(std::env::current_exe()?, &config.loading);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let arguments = std::env::args_os().skip(1);
        match runtime.block_on(validation.check_file(arguments)) {
            // It neither hung nor swelled, so what is wrong can be said here, at full length.
            Err(error @ ValidationError::Refused(_)) => {
                self.standalone.read(&config.engine.resolve()?)?;
                Err(error.into())
            }
            tried => Ok(Some(tried?)),
        }
    }

    /// In that child: everything that the server would run.
    fn tried_here(&self, config: &Config) -> anyhow::Result<Validated> {
        let standalone = self.standalone.read(&config.engine.resolve()?)?;
        let files = standalone.context("no file is given")?.files;
        let own = config.models.get(files.model.as_str());
        let own = own.cloned().unwrap_or_default();
        let engine = own.engine.as_ref().unwrap_or(&config.engine);
        let batch = own.batch.as_ref().unwrap_or(&config.batch);
        let found = try_out(&files, engine, batch, &prepare, Priority::Foreground)?;
        Ok(Validated {
            engine: found.engine,
            sha256: files.manifest.file.sha256,
            warmup: found.warmup,
        })
    }

    /// The configuration, read now.
    fn config(&self) -> Result<Config, ConfigError> {
        let text = |value: &Option<PathBuf>| value.as_ref().map(|path| path.display().to_string());
        self.source.load(&[
            (
                "server.listen",
                "--listen",
                self.listen.map(|address| address.to_string()),
            ),
            (
                "server.admin_listen",
                "--admin-listen",
                self.admin_listen.map(|address| address.to_string()),
            ),
            ("repository.path", "--models", text(&self.models)),
            ("engine.backend", "--engine", self.engine.clone()),
            ("engine.device", "--device", self.device.clone()),
        ])
    }

    async fn serve(
        self: Arc<Self>,
        config: Config,
        standalone: Option<Standalone>,
        filter: LogFilter,
        mut signals: Signals,
    ) -> anyhow::Result<Ending> {
        let build = App::build(
            config.clone(),
            standalone,
            Arc::new(stillhouse_engine::prepare),
        );
        let app = tokio::select! {
            app = build => app?,
            // Nothing is served yet, so there is nothing to drain.
            _ = &mut signals.stop => {
                tracing::info!("ended while the models were loaded");
                return Ok(Ending::Running);
            }
        };
        say_text!("{}", banner::text(&app)?);
        let reread = reread::run(signals.reread, self, config, app.rereadable(), filter);
        tokio::spawn(reread);
        let watchdog = app.watchdog().clone();
        app.serve(async move {
            let _ = signals.stop.await;
        })
        .await?;
        Ok(match watchdog.is_any_running() {
            true => Ending::Running,
            false => Ending::Idle,
        })
    }
}

/// Whether a network may still be running at the end.
enum Ending {
    Idle,
    Running,
}
