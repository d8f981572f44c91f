//! The composition root: from a configuration to a server that answers; the only module that names every other.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    config::Config,
    http::{
        DataPlane, admin_router, data_router,
        listener::{ConnectionMetrics, Listener},
    },
    metrics::Metrics,
    registry::{Model, Registry},
    rollout::{Assignment, Deployment, RolloutMetrics, Slot},
    store::{Directory, ModelName, Repository, VersionFiles, VersionName},
    version::{Launcher, Prepare},
};

/// A server that is loaded and bound, and not yet answering.
pub struct App {
    plane: Arc<DataPlane>,
    data: Listener,
    admin: Listener,
    drain: Duration,
    /// A picture that the default model can be tried with.
    pub sample: Option<PathBuf>,
}

impl App {
    /// Binds both listeners, loads every model, starts its workers. `guest` is a version that stands in no repository
    /// (`stillhouse serve model.onnx`) and is then the only one served.
    ///
    /// # Errors
    /// An address in use, or a version that can't be trusted: a server starts with all it was told to serve, or not.
    pub async fn build(
        config: Config,
        guest: Option<VersionFiles>,
        prepare: Prepare,
    ) -> Result<Self> {
        // First: an address in use is known at once, and early connections wait in the backlog instead of failing.
        let data = bind(config.server.listen).await?;
        let admin = bind(config.server.admin_listen).await?;

        let metrics = Metrics::new();
        let launcher = Launcher::new(&metrics, prepare);
        let rollout = RolloutMetrics::new(&metrics);
        let chosen = match guest {
            Some(files) => vec![files],
            None => choose(&config)?,
        };
        let sample = chosen.first().and_then(sample);
        let loads = chosen.into_iter().map(|files| {
            let (launcher, rollout) = (launcher.clone(), rollout.clone());
            let own = config.models.get(files.model.as_str());
            let engine = own
                .and_then(|own| own.engine.as_ref())
                .unwrap_or(&config.engine)
                .clone();
            let batch = own
                .and_then(|own| own.batch.as_ref())
                .unwrap_or(&config.batch)
                .clone();
            let routing = own
                .and_then(|own| own.routing.as_ref())
                .unwrap_or(&config.routing)
                .clone();
            tokio::task::spawn_blocking(move || -> Result<Model> {
                let (model, stable) = (files.model.clone(), files.version.clone());
                let labels = files.labels.to_vec().into();
                let version = launcher
                    .launch(files, &engine, &batch)
                    .with_context(|| format!("{model}/{stable} can't be served"))?;
                let name: Arc<str> = model.as_str().into();
                let loaded = |_: &VersionName| Some(version.clone());
                let assignment = Assignment::first(stable);
                let deployment = Deployment::new(&name, assignment, None, loaded, &rollout)?;
                rollout.traffic().published(&name, &deployment, None);
                Ok(Model {
                    name,
                    labels,
                    routing,
                    slot: Slot::new(deployment),
                })
            })
        });
        let mut models = Vec::new();
        for load in loads.collect::<Vec<_>>() {
            models.push(load.await??);
        }
        let default = Some(config.repository.default_model.clone()).filter(|name| !name.is_empty());
        let registry = Registry::new(models, default);

        let plane = Arc::new(DataPlane::new(
            registry,
            config.requests,
            config.image,
            metrics.clone(),
        ));
        let [data_metrics, admin_metrics] = ConnectionMetrics::new(&metrics, ["data", "admin"]);
        let listener = |socket, metrics, router| Listener {
            socket,
            settings: config.connections.clone(),
            metrics,
            router,
        };
        Ok(Self {
            data: listener(data, data_metrics, data_router(&plane)),
            admin: listener(admin, admin_metrics, admin_router(&plane)),
            drain: Duration::from_secs(config.server.drain_timeout_seconds),
            plane,
            sample,
        })
    }

    /// Where the data plane and the admin plane listen.
    ///
    /// # Errors
    /// The operating system's.
    pub fn addresses(&self) -> Result<(SocketAddr, SocketAddr)> {
        Ok((self.data.address()?, self.admin.address()?))
    }

    /// What is served.
    pub fn registry(&self) -> &Registry {
        self.plane.registry()
    }

    /// Answers until `stop` ends; then readiness goes off at once, requests in flight are answered, stuck connections
    /// are cut at the deadline. The admin listener goes last, so that the end can be watched.
    ///
    /// # Errors
    /// None at present; kept for what later parts of the server may have to say at their end.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<()> {
        let (stop_data, data_stopped) = watch::channel(false);
        let (stop_admin, admin_stopped) = watch::channel(false);
        let data = tokio::spawn(self.data.serve(data_stopped, self.drain));
        let admin = tokio::spawn(self.admin.serve(admin_stopped, Duration::from_secs(1)));
        self.plane.set_ready(true);

        stop.await;
        self.plane.set_ready(false);
        tracing::info!(timeout_seconds = self.drain.as_secs(), "draining");
        stop_data.send_replace(true);
        let cut = data.await?;
        stop_admin.send_replace(true);
        admin.await?;
        tracing::info!(connections_cut = cut, "ended");
        Ok(())
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("can't listen on {address}; choose another with --listen or --admin-listen")
    })
}

/// The stable version of every model in the repository, read and hashed.
fn choose(config: &Config) -> Result<Vec<VersionFiles>> {
    let repository = Repository::open(&config.repository.path)?;
    let models = repository.models()?;
    for name in config.models.keys() {
        if !models.iter().any(|model| model.as_str() == name) {
            bail!(
                "the configuration names a model `{name}`, which is not in {}",
                repository.root().display()
            );
        }
    }
    if models.is_empty() {
        bail!(
            "there is no model in {}; make one with `stillhouse import model.onnx --model NAME --version v1 --labels labels.txt`",
            repository.root().display()
        );
    }
    models
        .iter()
        .map(|model| {
            let wanted = config
                .models
                .get(model.as_str())
                .map_or("", |own| own.stable.as_str());
            let version = stable(&repository, model, wanted)?;
            Ok(repository.read(model, &version)?)
        })
        .collect()
}

fn stable(repository: &Repository, model: &ModelName, wanted: &str) -> Result<VersionName> {
    if !wanted.is_empty() {
        return Ok(wanted.parse()?);
    }
    let mut versions = repository.versions(model)?;
    let names: Vec<&str> = versions.iter().map(VersionName::as_str).collect();
    match names[..] {
        [_] => Ok(versions.remove(0)),
        [] => bail!(
            "{model} has no complete version{}",
            incomplete(&repository.directories(model)?)
        ),
        _ => bail!(
            "{model} has the versions {}, and nothing says which one answers; add to the configuration:\n[models.{model}]\nstable = \"{}\"",
            names.join(", "),
            names[names.len() - 1]
        ),
    }
}

/// Why none of these directories is a version, one a line.
fn incomplete(directories: &[Directory]) -> String {
    let mistakes = directories.iter().filter_map(|directory| {
        let error = directory.manifest.as_ref().err()?;
        Some(format!("\n{}: {error}", directory.version))
    });
    mistakes.collect()
}

fn sample(files: &VersionFiles) -> Option<PathBuf> {
    let golden = files.manifest.golden.first()?;
    Some(files.path.join(&golden.image))
}
