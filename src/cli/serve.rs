//! `stillhouse serve`

mod reread;
mod signals;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Args;

use super::{
    ConfigSource, banner,
    caller::end_with_the_caller,
    log::{self, LogFilter},
    standalone::StandaloneNetwork,
};
use crate::{
    app::App,
    config::{Config, ConfigError},
    store::VersionFiles,
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
}

/// How long threads that do blocking work get to end, after the drain.
const BLOCKING_WORK: Duration = Duration::from_millis(250);

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config()?;
        let filter = log::start(&config.log)?;
        if self.end_with_stdin {
            end_with_the_caller(|| std::process::exit(0));
        }
        let standalone = self.standalone.read(&config.engine.resolve()?)?;
        // The sample pictures of a single file must exist until the end, at the paths in the banner.
        let (standalone, folder) = standalone
            .map(|standalone| (standalone.files, standalone.folder))
            .unzip();
        let signals = signals::listen(Duration::from_secs(config.server.drain_timeout_seconds))?;
        let runtime = super::runtime(&config.server)?;
        let served = runtime.block_on(Arc::new(self).serve(config, standalone, filter, signals));
        // A network's load may be among it; then it would last as long as that.
        runtime.shutdown_timeout(BLOCKING_WORK);
        drop(folder);
        match served? {
            Ending::Idle => Ok(ExitCode::SUCCESS),
            Ending::Running => {
                tracing::warn!("a network is still running: the process ends without it");
                signals::end_now(0)
            }
        }
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
        standalone: Option<VersionFiles>,
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
