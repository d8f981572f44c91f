//! A running version: what its pictures become, its labels, its batcher, its metrics.

mod expected;
mod launch;
mod settings;
pub mod warmup;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use stillhouse_engine::{Blueprint, Engine, EngineError};

use crate::batch::{Batcher, Place, SubmitError};
use stillhouse_image::{Input, Normalization};
use stillhouse_metrics::Scope;
use stillhouse_store::{
    ModelName, VersionName,
    manifest::{Manifest, OutputKind},
};

pub use launch::{LaunchError, Launcher, Prepare};
pub use settings::{BatchSettings, EngineSettings, SettingsError, engines};

/// One trained network, loaded, checked and ready to answer. Immutable; the last `Arc` to go drains its queue.
pub struct Version {
    /// The model it belongs to.
    pub model: ModelName,
    /// Its name in the repository.
    pub name: VersionName,
    /// Its directory.
    pub path: PathBuf,
    /// What its manifest says.
    pub manifest: Manifest,
    /// Engine, device and batch handling in words.
    pub engine: String,
    /// How its batches are formed, after measurement.
    pub batching: crate::batch::BatchOptions,
    /// What was measured at warm-up.
    pub warmup: Vec<warmup::BatchTiming>,
    normalization: Arc<Normalization>,
    blueprint: Arc<dyn Blueprint>,
    batcher: Batcher<Input>,
    /// Of all roles that it has had; they end with it.
    series: Mutex<Scope>,
}

impl Version {
    /// The first 12 digits of the network's sha256: enough to tell versions apart.
    pub fn sha256_prefix(&self) -> &str {
        self.manifest.file.sha256.get(..12).unwrap_or("")
    }

    /// Per-channel normalisation, shared with every queued picture.
    pub fn normalization(&self) -> &Arc<Normalization> {
        &self.normalization
    }

    /// Where the series are made that are this version's.
    pub fn series(&self) -> MutexGuard<'_, Scope> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the queue for one picture, before work is done for it: immediate, bounded, lock-free.
    ///
    /// # Errors
    /// As many are waiting, or being decoded, as may.
    pub fn admit(&self) -> Result<Place<'_, Input>, SubmitError> {
        self.batcher.admit()
    }

    /// Whether the queue would take a picture now; reserves nothing.
    ///
    /// # Errors
    /// As [`Version::admit`].
    pub fn check_room(&self) -> Result<(), SubmitError> {
        self.batcher.check_room()
    }

    /// At which T²·KL is measured: the temperature that it was trained at.
    pub fn temperature(&self) -> f64 {
        let training = self.manifest.training.as_ref();
        let temperature = training.and_then(|training| training.temperature);
        temperature
            .filter(|t| t.is_finite() && *t > 0.0)
            .unwrap_or(1.0)
    }

    /// Another engine of this version, for a thread that runs what isn't a caller's; it must stay on that thread.
    ///
    /// # Errors
    /// The engine's.
    pub fn engine(&self, max_batch: usize) -> Result<Box<dyn Engine>, EngineError> {
        self.blueprint.build(max_batch)
    }

    /// The rows that such an engine may be given at a time.
    pub fn batch_limit(&self) -> usize {
        self.blueprint.batch_limit().unwrap_or(usize::MAX)
    }

    /// Rows that wait for a worker now: a machine with time to spare has none.
    pub fn waiting(&self) -> usize {
        self.batcher.waiting()
    }

    /// Raw outputs → probabilities, `[classes]`; `None` when any output isn't finite.
    pub fn probabilities(&self, scores: &[f32]) -> Option<Vec<f32>> {
        probabilities(scores, self.manifest.output.kind)
    }
}

/// Softmax for logits (the maximum subtracted first); probabilities pass as they are. `None` for non-finite scores.
pub fn probabilities(scores: &[f32], kind: OutputKind) -> Option<Vec<f32>> {
    if !scores.iter().all(|score| score.is_finite()) {
        return None;
    }
    Some(match kind {
        OutputKind::Probabilities => scores.to_vec(),
        OutputKind::Logits => {
            let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut shares: Vec<f32> = scores.iter().map(|score| (score - top).exp()).collect();
            let sum: f32 = shares.iter().sum();
            shares.iter_mut().for_each(|share| *share /= sum);
            shares
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_is_stable_and_refuses_what_is_not_finite() {
        let huge = probabilities(&[1e30, 1e30, -1e30], OutputKind::Logits).expect("finite");
        assert_eq!(huge, [0.5, 0.5, 0.0]);
        let given = probabilities(&[0.25, 0.75], OutputKind::Probabilities).expect("finite");
        assert_eq!(given, [0.25, 0.75]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(probabilities(&[0.0, bad], OutputKind::Logits), None);
        }
    }
}
