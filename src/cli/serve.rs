//! `stillhouse serve`

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    ConfigSource, banner, caller::end_with_the_caller, log, standalone::StandaloneNetwork,
};
use crate::app::App;

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

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let text = |value: &Option<PathBuf>| value.as_ref().map(|path| path.display().to_string());
        let config = self.source.load(&[
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
        ])?;
        log::start(&config.log)?;
        if self.end_with_stdin {
            end_with_the_caller(|| std::process::exit(0));
        }
        let standalone = self.standalone.read(&config.engine.resolve()?)?;
        // The sample pictures of a single file must exist until the end, at the paths in the banner.
        let (standalone, _folder) = standalone
            .map(|standalone| (standalone.files, standalone.folder))
            .unzip();
        super::runtime(&config.server)?.block_on(async move {
            let stop = stop()?;
            let app = App::build(config, standalone, Arc::new(stillhouse_engine::prepare)).await?;
            say_text!("{}", banner::text(&app)?);
            app.serve(stop).await
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Completes at the first SIGTERM or SIGINT; a second one ends the process immediately.
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    Ok(async move {
        either(&mut terminate, &mut interrupt).await;
        tokio::spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            tracing::warn!("a second signal: ending now");
            std::process::exit(130);
        });
    })
}
