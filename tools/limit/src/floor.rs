//! `stillhouse-limit floor`: the server's listener, routes and layers with a constant as the answer. Only this program itself
//! starts it, to measure HTTP without predictions.

use std::{io::Write, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Parser;
use tokio::{net::TcpListener, sync::watch};

use stillhouse::{
    app::limits::bytes_in_flight,
    cli::{ConfigSource, caller::end_with_the_caller, runtime},
    http::{
        DataPlane,
        floor::{Constant, router},
        listener::{ConnectionMetrics, Listener},
    },
    metrics::Metrics,
    registry::Registry,
    rollout::RolloutMetrics,
    serving::{Budget, Serving},
};

/// Serve a constant answer.
#[derive(Parser)]
pub(super) struct Floor {
    /// The body of every answer
    #[arg(long)]
    answer: String,
    /// Its header of this name
    #[arg(long)]
    server_timing: String,
    #[command(flatten)]
    source: ConfigSource,
}

impl Floor {
    /// Serves until standard input ends.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.source.load(&[])?;
        let constant = Constant::new(self.answer, &self.server_timing)
            .context("--server-timing is not a header value")?;
        runtime(&config.server)?.block_on(async {
            let metrics = Metrics::new();
            let traffic = RolloutMetrics::new(&metrics).traffic().clone();
            let nothing = Arc::new(Registry::new([], None));
            let most = config.connections.max_connections;
            let budget = Budget::new(bytes_in_flight(&config), most);
            let serving = Serving::new(
                nothing,
                config.requests,
                config.image,
                budget.clone(),
                &metrics,
            );
            let plane = Arc::new(DataPlane::new(serving, metrics.clone(), traffic));
            let [connections] = ConnectionMetrics::new(&metrics, ["data"]);
            let listener = Listener {
                socket: TcpListener::bind(config.server.listen).await?.into_std()?,
                settings: config.connections,
                metrics: connections,
                max_connections: most,
                budget,
                routes: router(&plane, constant),
            };
            println!(
                "  predictions  http://{}/predict\n  curl ",
                listener.address()?
            );
            std::io::stdout().flush()?;
            end_with_the_caller(|| std::process::exit(0));
            let (_keep, never) = watch::channel(false);
            listener.serve(never, Duration::ZERO).await?;
            Ok(ExitCode::SUCCESS)
        })
    }
}
