//! The loaded versions of one model: those in a role, and those without one until their grace time is over.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use stillhouse_core::{
    rollout::{Assignment, Share},
    version::{BatchSettings, EngineSettings, Version},
};
use stillhouse_store::{ModelName, VersionName};

use super::settings::Arrivals;

/// A model's loaded versions, and how new ones are loaded.
pub(super) struct VersionPool {
    pub(super) model: ModelName,
    pub(super) engine: EngineSettings,
    pub(super) batch: BatchSettings,
    pub(super) arrivals: (Arrivals, Share),
    /// Held from reading a deployment to publishing the next: one writer at a time.
    gate: Mutex<()>,
    loaded: Mutex<BTreeMap<VersionName, Held>>,
}

struct Held {
    version: Arc<Version>,
    unused_since: Option<Instant>,
}

/// What a sweep did.
pub(super) struct Swept {
    pub(super) gone: Vec<Arc<Version>>,
    /// In how long the next version is due; zero where it is already, and still held.
    pub(super) next: Option<Duration>,
}

impl VersionPool {
    pub(super) fn new(
        model: ModelName,
        engine: EngineSettings,
        batch: BatchSettings,
        arrivals: (Arrivals, Share),
    ) -> Self {
        Self {
            model,
            engine,
            batch,
            arrivals,
            gate: Mutex::default(),
            loaded: Mutex::default(),
        }
    }

    /// Waits until no other order is changing this model's deployment.
    pub(super) fn gate(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, version: &VersionName) -> Option<Arc<Version>> {
        self.loaded().get(version).map(|held| held.version.clone())
    }

    pub(super) fn names(&self) -> Vec<VersionName> {
        self.loaded().keys().cloned().collect()
    }

    /// Takes in a version that fills no role yet.
    pub(super) fn insert(&self, name: VersionName, version: Arc<Version>, now: Instant) {
        let unused_since = Some(now);
        let held = Held {
            version,
            unused_since,
        };
        self.loaded().insert(name, held);
    }

    /// Notes since when versions have had no role; call it with each new assignment.
    pub(super) fn assigned(&self, assignment: &Assignment, now: Instant) {
        for (name, held) in self.loaded().iter_mut() {
            let used = assignment.versions().any(|version| version == name);
            held.unused_since = match held.unused_since {
                _ if used => None,
                since => since.or(Some(now)),
            };
        }
    }

    /// Lets go of a version; its workers end when the last request that holds it has its answer.
    pub(super) fn remove(&self, version: &VersionName) -> Option<Arc<Version>> {
        self.loaded().remove(version).map(|held| held.version)
    }

    /// Removes versions that have had no role for `grace` and that nothing holds: neither a request in flight nor an order that is about
    /// to give it a role. What is held is left for the next sweep.
    pub(super) fn sweep(&self, grace: Duration, now: Instant) -> Swept {
        let due = |held: &Held| {
            let unused = now.saturating_duration_since(held.unused_since?);
            Some(grace.saturating_sub(unused))
        };
        let mut loaded = self.loaded();
        let free = |held: &mut Held| {
            due(held) == Some(Duration::ZERO) && Arc::strong_count(&held.version) == 1
        };
        let gone = loaded.extract_if(.., |_, held| free(held));
        let gone = gone.map(|(_, held)| held.version).collect();
        let next = loaded.values().filter_map(due).min();
        Swept { gone, next }
    }

    fn loaded(&self) -> MutexGuard<'_, BTreeMap<VersionName, Held>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
