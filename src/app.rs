//! The composition root: from a configuration to a server that answers; the only module that uses every other.

mod afterwards;
pub mod check;
mod choice;
mod first_version;
pub mod identity;
pub mod limits;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{
    net::TcpSocket,
    runtime::Handle,
    sync::{oneshot, watch},
};

use crate::{
    batch::Delivery,
    config::Config,
    control::{
        ControlPlane, Dependencies, EventLog, JudgeMetrics, LoadMetrics, Standalone, Supervisor,
        journal::{OpenJournal, Seal},
        validation::Validation,
    },
    http::{
        DataPlane,
        admin::{AdminPlane, Tokens},
        admin_router, data_router,
        listener::{ConnectionMetrics, Descriptors, Listener},
    },
    metrics::Metrics,
    registry::Registry,
    rollout::RolloutMetrics,
    serving::{Budget, Serving},
    shadow::{DriftSettings, ShadowMetrics},
    store::{Trigger, Watch},
    version::{Launcher, Prepare},
    watchdog::Watchdog,
};
use choice::{Chosen, choose, model_spec};

/// A server that is loaded and bound, and doesn't answer yet.
pub struct App {
    plane: Arc<DataPlane>,
    data: Listener,
    admin: Listener,
    drain: Duration,
    control: Arc<ControlPlane>,
    events: Arc<EventLog>,
    operators: Arc<AdminPlane>,
    watchdog: Watchdog,
    tasks: Supervisor,
    /// Watches the repository as long as this exists.
    watch: Option<Watch>,
}

impl App {
    /// Binds both listeners, loads every model, starts its workers. `standalone` is a version outside of any repository
    /// (`stillhouse serve model.onnx`) and is then the only one served.
    ///
    /// # Errors
    /// An address is in use, or a version fails a check: a server starts with everything that is configured, or not at
    /// all.
    pub async fn build(
        config: Config,
        standalone: Option<Standalone>,
        prepare: Prepare,
    ) -> Result<Self> {
        let unfit = check::relations(&config);
        if !unfit.is_empty() {
            bail!(unfit.join("\n"));
        }
        for warning in check::warnings(&config) {
            tracing::warn!(warning, "configuration");
        }
        let tokens = admission(&config)?;
        let descriptors = Descriptors::secure(&config.connections)?;
        // First: an address in use is noticed at once, and early connections wait in the backlog instead of failing.
        let data = bind(config.server.listen)?;
        let admin = bind(config.server.admin_listen)?;

        let metrics = Metrics::new();
        let repository = match &standalone {
            Some(_) => None,
            None => Some(check::repository(&config)?),
        };
        let seal = Seal::of(config.control.key_file())?;
        let mut journal = None;
        let Chosen { specs, left_out } = match (standalone, &repository) {
            (Some(standalone), _) => Chosen {
                specs: vec![model_spec(
                    &config,
                    standalone.files.model.clone(),
                    standalone.files.version.clone(),
                    Some(standalone),
                )?],
                ..Chosen::default()
            },
            (None, Some(repository)) => {
                let models = choice::models(&config, repository)?;
                let read = OpenJournal::read(&config.control.state_path, seal.clone())?;
                let chosen = choose(&config, repository, models, read.assignments())?;
                journal = Some(read);
                chosen
            }
            (None, None) => Chosen::default(),
        };
        let parts = Dependencies {
            repository,
            left_out,
            journal,
            state_path: config.control.state_path.clone(),
            seal,
            launcher: Launcher::new(&metrics, prepare, delivery()),
            rollout: RolloutMetrics::new(&metrics),
            loads: LoadMetrics::new(&metrics),
            validation: Validation::new(std::env::current_exe()?, &config.loading),
            settings: config.loading.clone(),
            shadowing: ShadowMetrics::new(&metrics),
            judging: JudgeMetrics::new(&metrics),
            limits: config.image.clone(),
        };
        announce(&metrics, &config.drift);
        identity::announce(&metrics);
        let default = Some(config.repository.default_model.clone()).filter(|name| !name.is_empty());
        let traffic = parts.rollout.traffic().clone();
        let control = ControlPlane::start(parts, specs, default).await?;
        let mut tasks = Supervisor::new(&metrics);
        let watch = control.start_background(&mut tasks);
        let operators = Arc::new(AdminPlane::new(control.clone(), tokens));

        let budget = Budget::new(limits::bytes_in_flight(&config), descriptors.data);
        let seen = budget.clone();
        tasks.spawn_restarted("memory", move || afterwards::run(seen.clone()), || {});
        let plane = Arc::new(DataPlane::new(
            Serving::new(
                control.registry().clone(),
                config.requests,
                config.image,
                budget.clone(),
                &metrics,
            ),
            metrics.clone(),
            traffic,
        ));
        let [data_metrics, admin_metrics] = ConnectionMetrics::new(&metrics, ["data", "admin"]);
        let data = Listener {
            socket: data,
            settings: config.connections.clone(),
            metrics: data_metrics,
            max_connections: descriptors.data,
            budget,
            routes: data_router(&plane),
        };
        let admin = Listener {
            socket: admin,
            settings: config.connections,
            metrics: admin_metrics,
            max_connections: descriptors.admin,
            budget: Budget::new(ADMIN_BYTES, descriptors.admin),
            routes: admin_router(&plane, &operators),
        };
        Ok(Self {
            data,
            admin,
            drain: Duration::from_secs(config.server.drain_timeout_seconds),
            plane,
            events: control.events().clone(),
            operators,
            watchdog: control.watchdog().clone(),
            control,
            tasks,
            watch,
        })
    }

    /// The addresses of the data plane and the admin plane.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn addresses(&self) -> Result<(SocketAddr, SocketAddr)> {
        Ok((self.data.address()?, self.admin.address()?))
    }

    /// A sample picture for the default model, or for the first one.
    pub fn sample(&self) -> Option<PathBuf> {
        let registry = self.registry();
        let model = registry
            .default_model()
            .or_else(|| registry.iter().next())?;
        let deployment = model.slot.load();
        let version = &deployment.stable.version;
        Some(version.path.join(&version.manifest.golden.first()?.image))
    }

    /// Looks after the threads in which networks run.
    pub fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    /// What can be changed while it serves.
    pub fn rereadable(&self) -> Rereadable {
        Rereadable {
            operators: self.operators.clone(),
            repository: self.watch.as_ref().map(|watch| watch.trigger().clone()),
        }
    }

    /// All models.
    pub fn registry(&self) -> &Registry {
        self.plane.registry()
    }

    /// Answers until `stop` completes; then readiness is withdrawn at once, requests in flight are answered, and stuck
    /// connections are closed at the deadline. The admin listener stops last, so that the shutdown can be watched.
    ///
    /// # Errors
    /// A background task that the server needs has ended. Everything that still works was drained as above.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<()> {
        let mut tasks = self.tasks;
        let (stop_data, data_stopped) = watch::channel(false);
        let (stop_admin, admin_stopped) = watch::channel(false);
        let data = supervised(
            &mut tasks,
            "data_listener",
            self.data.serve(data_stopped, self.drain),
        );
        let admin = self
            .admin
            .serve_apart("admin", admin_stopped, Duration::from_secs(1));
        let admin = supervised(&mut tasks, "admin_listener", admin);
        self.plane.set_ready(true);

        let failed = tokio::select! {
            () = stop => None,
            ended = tasks.failure() => Some(ended),
        };
        if let Some(ended) = &failed {
            tracing::error!(error = %ended, "the server can't go on and ends");
        }
        self.plane.set_ready(false);
        tracing::info!(timeout_seconds = self.drain.as_secs(), "draining");
        stop_data.send_replace(true);
        // A listener that has failed has no further result.
        let cut = data.await.unwrap_or_default();
        // Streams of events would keep the admin listener from ending.
        self.events.close();
        stop_admin.send_replace(true);
        let _ = admin.await;
        drop(self.watch);
        tasks.shutdown().await;
        self.control.keep_evidence().await;
        // Nobody waits for an answer any more.
        self.watchdog.stop_all();
        tracing::info!(connections_cut = cut, "ended");
        failed.map_or(Ok(()), |ended| Err(ended.into()))
    }
}

/// The memory of the admin plane's requests: its own, so that the data plane's never takes it away.
const ADMIN_BYTES: usize = 64 << 20;

/// What SIGHUP has a running server look at again.
pub struct Rereadable {
    operators: Arc<AdminPlane>,
    repository: Option<Trigger>,
}

impl Rereadable {
    /// From now on these tokens count, and the repository is looked at.
    pub fn apply(&self, tokens: Tokens) {
        self.operators.replace_tokens(tokens);
        if let Some(repository) = &self.repository {
            repository.look();
        }
    }
}

/// Joins the error chain, skipping causes already in the text.
pub fn joined_causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match (text.is_empty(), text.contains(&cause)) {
            (true, _) => cause,
            (_, true) => text,
            _ => format!("{text}: {cause}"),
        }
    })
}

/// Runs a listener as a task that the server needs; the returned future yields its result.
fn supervised(
    tasks: &mut Supervisor,
    name: &'static str,
    serving: impl Future<Output = std::io::Result<usize>> + Send + 'static,
) -> oneshot::Receiver<usize> {
    let (result, ended) = oneshot::channel();
    tasks.spawn_required(name, async move {
        match serving.await {
            Ok(cut) => drop(result.send(cut)),
            Err(error) => tracing::error!(%error, name, "a listener can't serve"),
        }
    });
    ended
}

/// The tokens of the admin plane. There may be none only if the admin plane can't be reached from other machines.
///
/// # Errors
/// The tokens can't be read, or there are none where there must be some.
pub fn admission(config: &Config) -> Result<Tokens> {
    let tokens = Tokens::load(&config.admin, |name| std::env::var(name).ok())?;
    let address = config.server.admin_listen;
    if tokens.is_empty() && !address.ip().is_loopback() {
        bail!(
            "the admin listener on {address} would let everybody change what is served: set STILLHOUSE_OPERATOR_TOKEN \
             (`openssl rand -hex 24` makes one) or admin.tokens_file, or listen on 127.0.0.1"
        );
    }
    Ok(tokens)
}

/// One task of this runtime sends a batch's answers, where the requests that wait for them are tasks as well.
fn delivery() -> Delivery {
    let runtime = Handle::current();
    Delivery::Carried(Arc::new(move |deliver| {
        runtime.spawn(async move { deliver() });
    }))
}

/// The kernel's buffer for what a peer has not read yet; it would otherwise grow to megabytes for each of many peers.
const SEND_BUFFER_BYTES: u32 = 64 << 10;

/// Connections that the kernel accepts before the process does.
const BACKLOG: u32 = 1024;

fn bind(address: SocketAddr) -> Result<std::net::TcpListener> {
    let bound = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        // Connections inherit it.
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    bound().with_context(|| {
        format!("can't listen on {address}; choose another with --listen or --admin-listen")
    })
}

/// The thresholds of alarms as metrics, so that no rule repeats a number of the configuration.
fn announce(metrics: &Metrics, drift: &DriftSettings) {
    for (name, help, value) in [
        (
            "drift_effect_nats",
            "Nats above its bias from which a shift is worth an alarm.",
            drift.effect_nats,
        ),
        (
            "drift_answers_min",
            "A shift is worth an alarm only with more answers than this.",
            drift.answers as f64,
        ),
        (
            "detector_alarm_log",
            "An alarm if detector_log_statistic reaches this.",
            drift.alarm_log(),
        ),
    ] {
        let no_labels: [&str; 0] = [];
        let gauge = metrics.real_gauges(name, help, &[]);
        gauge.with_label_values(&no_labels).set(value);
    }
}
