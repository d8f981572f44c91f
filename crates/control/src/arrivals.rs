//! What becomes of versions that appear in the repository while the server runs.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{ControlError, ControlPlane, EventKind, Order, settings::Arrivals};
use stillhouse_core::rollout::{Authority, Plan, Share, StartCanary};
use stillhouse_store::{
    Arrival, ModelName, Seen, StoreError, Unpacked, VersionFiles, VersionName, Watch,
};

/// The ways by which arrivals become known.
pub(super) struct Sources {
    watched: mpsc::UnboundedReceiver<Arrival>,
    uploaded: mpsc::UnboundedReceiver<Arrival>,
}

/// How an upload reports its version: to the watch, which then doesn't, and to the task that handles arrivals.
pub(super) struct Uploads {
    seen: Seen,
    arrived: mpsc::UnboundedSender<Arrival>,
}

impl Uploads {
    /// Makes an uploaded version visible and reports its arrival, once.
    pub(super) fn publish(&self, upload: Unpacked) -> Result<VersionFiles, StoreError> {
        let (model, version) = (upload.files().model.clone(), upload.files().version.clone());
        let publish = || upload.publish();
        let files = self.seen.publish_unreported(&model, &version, publish)?;
        // The receiver is gone only where the server is ending.
        let _ = self.arrived.send(Arrival::Came { model, version });
        Ok(files)
    }
}

impl ControlPlane {
    /// Begins to watch the repository; it ends when the watch is dropped. None without a repository.
    pub(super) fn watch(&self) -> Option<(Watch, Sources)> {
        let repository = self.repository.clone()?;
        match repository.sweep() {
            Ok(0) => {}
            Ok(left) => tracing::info!(left, "removed what an earlier process had left half done"),
            Err(error) => {
                tracing::warn!(%error, "what an earlier process may have left half done stays")
            }
        }
        let poll = Duration::from_secs(self.settings.poll_seconds);
        // Unbounded, as the thread that looks must not wait: an arrival is two short names, and few come.
        let (sender, watched) = mpsc::unbounded_channel();
        let watch = Watch::start(repository, poll, move |arrival| {
            let _ = sender.send(arrival);
        });
        let (arrived, uploaded) = mpsc::unbounded_channel();
        let seen = watch.seen().clone();
        let uploads = self.uploads.set(Uploads { seen, arrived });
        assert!(uploads.is_ok(), "the repository is watched once");
        Some((watch, Sources { watched, uploaded }))
    }

    /// Handles one arrival after the other, until the thread that watches has ended.
    pub(super) async fn run_arrivals(self: Arc<Self>, mut sources: Sources) {
        loop {
            let arrival = tokio::select! {
                Some(uploaded) = sources.uploaded.recv() => uploaded,
                watched = sources.watched.recv() => match watched {
                    Some(watched) => watched,
                    None => return,
                },
            };
            match arrival {
                Arrival::Came { model, version } => {
                    if let Err(error) = self.arrived(model.clone(), version.clone()).await {
                        tracing::warn!(%model, %version, %error, "an arrived version stays out");
                    }
                }
                Arrival::Gone { model, version } => {
                    let loaded = self
                        .model(&model)
                        .ok()
                        .and_then(|model| model.pool.get(&version));
                    if loaded.is_some() {
                        tracing::warn!(%model, %version, "the files of a loaded version are gone; it goes on serving until it is replaced");
                    }
                }
            }
        }
    }

    async fn arrived(
        self: &Arc<Self>,
        model: ModelName,
        version: VersionName,
    ) -> Result<(), ControlError> {
        let Ok(controlled) = self.model(&model) else {
            tracing::info!(%model, %version, "a version of a model that is not served: models are read at the start");
            return Ok(());
        };
        let pool = &controlled.pool;
        if pool.get(&version).is_some() {
            tracing::warn!(%model, %version, "the files of a loaded version have changed; what was loaded goes on serving");
            return Ok(());
        }
        let (arrivals, share) = pool.arrivals;
        tracing::info!(%model, %version, on_arrival = ?arrivals, "a version has arrived");
        let arrived = EventKind::Arrived {
            version: version.clone(),
        };
        self.events.publish(&model, arrived);
        let (share, plan) = match arrivals {
            Arrivals::Ignore => return Ok(()),
            Arrivals::Load => return self.load(&model, &version).await.map(drop),
            Arrivals::DarkCanary => (Share::default(), Plan::Manual),
            Arrivals::Canary => (share, Plan::Manual),
            Arrivals::AutomaticCanary => (Share::default(), Plan::Automatic),
        };
        let order = Order {
            model,
            change: StartCanary {
                version,
                share: Some(share),
                plan,
            }
            .into(),
            expected: None,
            dry_run: false,
            actor: "stillhouse".into(),
            by: Authority::Server,
            reason: "on_arrival".into(),
            request_id: String::new(),
            detail: None,
        };
        self.execute(order).await.map(drop)
    }
}
