//! A running version: its transform, its labels, its batcher, its metrics.

mod examine;
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
use stillhouse_drift::independent::sigmoid;
use stillhouse_image::{Input, Normalization};
use stillhouse_metrics::Scope;
use stillhouse_store::{
    ModelName, VersionName,
    manifest::{Element, Manifest, OutputKind},
};

pub use examine::{Prepare, TriedOut, try_out};
pub use launch::{LaunchError, Launcher};
pub use settings::{BatchSettings, EngineSettings, SettingsError, engines};

/// One trained network, loaded, checked and ready to answer. Immutable; dropping the last `Arc` finishes the rows in
/// its queue.
pub struct Version {
    /// The model it belongs to.
    pub model: ModelName,
    /// Its name in the repository.
    pub name: VersionName,
    /// Its directory.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// Engine, device and batch handling as text.
    pub engine: String,
    /// How its batches are formed, after measurement.
    pub batching: crate::batch::BatchOptions,
    /// Of independent scores: from which probability on each class applies; none where exactly one class does.
    pub thresholds: Option<Box<[f32]>>,
    /// What was measured at warm-up.
    pub warmup: Vec<warmup::BatchTiming>,
    normalization: Arc<Normalization>,
    blueprint: Arc<dyn Blueprint>,
    batcher: Batcher<Input>,
    /// The series of all roles that it has had; they end with it.
    series: Mutex<Scope>,
}

impl Version {
    /// The first 12 digits of the network's sha256, to distinguish versions.
    pub fn sha256_prefix(&self) -> &str {
        self.manifest.file.sha256.get(..12).unwrap_or("")
    }

    /// Per-channel normalisation, shared with every queued picture.
    pub fn normalization(&self) -> &Arc<Normalization> {
        &self.normalization
    }

    /// Where this version's series are created.
    pub fn series(&self) -> MutexGuard<'_, Scope> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a place in the queue for one picture, before any work is done for it: bounded, lock-free, never waits.
    ///
    /// # Errors
    /// As many pictures as allowed are waiting or being decoded.
    pub fn admit(&self) -> Result<Place<'_, Input>, SubmitError> {
        self.batcher.admit()
    }

    /// Checks whether the queue would take a picture now; reserves nothing.
    ///
    /// # Errors
    /// Like [`Version::admit`].
    pub fn check_room(&self) -> Result<(), SubmitError> {
        self.batcher.check_room()
    }

    /// Whether the network reads whole numbers from 0 to 255.
    pub fn reads_bytes(&self) -> bool {
        self.manifest.input.element == Element::U8
    }

    /// The temperature at which T²·KL is measured: the one that the version was trained at.
    pub fn temperature(&self) -> f64 {
        let training = self.manifest.training.as_ref();
        let temperature = training.and_then(|training| training.temperature);
        temperature
            .filter(|t| t.is_finite() && *t > 0.0)
            .unwrap_or(1.0)
    }

    /// Another engine of this version, for shadows; it must stay on the calling thread.
    ///
    /// # Errors
    /// The engine's.
    pub fn engine(&self, max_batch: usize) -> Result<Box<dyn Engine>, EngineError> {
        self.blueprint.build(max_batch)
    }

    /// How many rows such an engine may be given at a time.
    pub fn batch_limit(&self) -> usize {
        self.blueprint.batch_limit().unwrap_or(usize::MAX)
    }

    /// Rows that wait for a worker now: none on a machine with free time.
    pub fn waiting(&self) -> usize {
        self.batcher.waiting()
    }

    /// Raw outputs → probabilities, `[classes]`; `None` when any output isn't finite.
    pub fn probabilities(&self, scores: &[f32]) -> Option<Vec<f32>> {
        probabilities(scores, self.manifest.output.kind)
    }
}

/// Softmax for exclusive logits (the maximum is subtracted first), a sigmoid for each independent one; probabilities are
/// returned unchanged. `None` for non-finite scores.
pub fn probabilities(scores: &[f32], kind: OutputKind) -> Option<Vec<f32>> {
    if !scores.iter().all(|score| score.is_finite()) {
        return None;
    }
    Some(match kind {
        OutputKind::Probabilities | OutputKind::Independent => scores.to_vec(),
        OutputKind::IndependentLogits => scores.iter().map(|score| sigmoid(*score)).collect(),
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
        let given = probabilities(&[0.9, 0.75], OutputKind::Independent).expect("finite");
        assert_eq!(given, [0.9, 0.75], "b1: no softmax over independent scores");
        let logits = probabilities(&[0.0, 200.0, -200.0], OutputKind::IndependentLogits);
        assert_eq!(logits.expect("finite"), [0.5, 1.0, 0.0]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(probabilities(&[0.0, bad], OutputKind::Logits), None);
        }
    }
}
