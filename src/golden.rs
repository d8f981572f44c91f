//! Golden samples: pictures with the outputs that a version must reproduce before it is seen.

use std::sync::Arc;

use stillhouse_engine::{Engine, EngineError, Sample};

use crate::{
    image::{self, ImageError, Input, Limits, Normalization, Transform},
    store::{Golden, Mismatch},
};

/// Why a golden sample was not reproduced.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// Its picture can't be used.
    #[error("golden sample {sample}: {source}")]
    Image {
        /// Its name.
        sample: String,
        /// What is wrong with it.
        source: ImageError,
    },
    /// The engine failed on it.
    #[error("golden sample {sample}: {source}")]
    Engine {
        /// Its name.
        sample: String,
        /// The engine's words.
        source: EngineError,
    },
    /// Other outputs than were written down.
    #[error("golden sample {sample}: {source}")]
    Mismatch {
        /// Its name.
        sample: String,
        /// Both values.
        source: Mismatch,
    },
}

/// Runs one picture through transform and engine; the raw outputs, `[classes]`.
///
/// # Errors
/// A picture that can't be used, or the engine's failure.
pub fn outputs(
    engine: &mut dyn Engine,
    transform: &Transform,
    normalization: &Arc<Normalization>,
    sample: &str,
    picture: &[u8],
) -> Result<Vec<f32>, GoldenError> {
    let picture = image::decode(picture, &Limits::default(), transform).map_err(|source| {
        GoldenError::Image {
            sample: sample.to_owned(),
            source,
        }
    })?;
    let input = Input::Pixels {
        pixels: transform.apply(picture),
        normalization: normalization.clone(),
    };
    input.write(engine.input(1));
    match engine.run(1) {
        Ok(scores) => Ok(scores.to_vec()),
        Err(source) => Err(GoldenError::Engine {
            sample: sample.to_owned(),
            source,
        }),
    }
}

/// Reproduces every sample.
///
/// # Errors
/// The first that comes out differently, with both values.
pub fn verify(
    engine: &mut dyn Engine,
    transform: &Transform,
    normalization: &Arc<Normalization>,
    samples: &[Golden],
) -> Result<(), GoldenError> {
    for golden in samples {
        let got = outputs(
            engine,
            transform,
            normalization,
            &golden.name,
            &golden.image,
        )?;
        golden
            .matches(&got)
            .map_err(|source| GoldenError::Mismatch {
                sample: golden.name.clone(),
                source,
            })?;
    }
    Ok(())
}
