//! What becomes of versions that appear in the repository while the server runs.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{ControlError, ControlPlane, EventKind, Order, settings::Arrivals};
use crate::{
    rollout::{Change, Plan, Share},
    store::{Arrival, ModelName, VersionName, Watch},
};

impl ControlPlane {
    /// Begins to watch the repository; it ends when the watch is dropped. None without a repository.
    pub(super) fn watch(&self) -> Option<(Watch, mpsc::UnboundedReceiver<Arrival>)> {
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
        let (sender, arrivals) = mpsc::unbounded_channel();
        let watch = Watch::start(repository, poll, move |arrival| {
            let _ = sender.send(arrival);
        });
        Some((watch, arrivals))
    }

    /// Handles one arrival after the other, until the thread that watches has ended.
    pub(super) async fn run_arrivals(
        self: Arc<Self>,
        mut arrivals: mpsc::UnboundedReceiver<Arrival>,
    ) {
        while let Some(arrival) = arrivals.recv().await {
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
            change: Change::StartCanary {
                version,
                share,
                plan,
            },
            expected: None,
            dry_run: false,
            actor: "stillhouse".into(),
            reason: "on_arrival".into(),
            request_id: String::new(),
            detail: None,
        };
        self.execute(order).await.map(drop)
    }
}
