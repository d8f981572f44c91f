//! Golden samples at work: an engine is trusted once it has reproduced them.
//!
//! | module      | holds                                                          |
//! |-------------|----------------------------------------------------------------|
//! | [`contract`]| manifest against graph                                          |
//! | [`kind`]    | what rows of outputs can be: logits, probabilities, independent   |
//! | `rows`      | whether pictures that share a run are answered as they are alone   |
//! | `preflight` | all checks of a version on one engine                           |

pub mod contract;
pub mod kind;
mod preflight;
mod rows;

use std::sync::Arc;

use stillhouse_engine::{Engine, EngineError, Priority, Sample};

use stillhouse_image::{
    self as image, ImageError, Input, Limits, Normalization, Transform, TransformError,
};
use stillhouse_store::{Golden, Mismatch, VersionFiles, manifest::OutputKind};

use kind::Contradiction;
pub use preflight::{PreflightError, Prepare, Proof, Proven, preflight};
use rows::Alone;

/// Why an engine isn't trusted with a version.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// The manifest's transform can't be applied.
    #[error("the manifest's transform: {0}")]
    Transform(#[from] TransformError),
    /// A sample's picture can't be decoded.
    #[error("golden sample `{sample}`: {source}")]
    Image {
        /// Its name.
        sample: String,
        /// Why.
        source: ImageError,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine answers something else.
    #[error("golden sample `{sample}` is not reproduced: {source}")]
    Mismatch {
        /// Its name.
        sample: String,
        /// Both values.
        source: Mismatch,
    },
    /// Logits declared as probabilities, or the like.
    #[error("the manifest's `output.kind` is `{declared}`, but the network answers {found}: {why}")]
    Kind {
        /// By the manifest.
        declared: &'static str,
        /// What was seen.
        found: &'static str,
        /// By which it was recognised.
        why: String,
    },
}

/// Runs every sample of a version alone and compares raw outputs, not labels: one flipped bit in a network often leaves
/// the label as it was. A version without samples is run once on a gray picture: finite numbers of the declared kind is
/// the least it has to give. Returns what is to be compared with runs that pictures share.
///
/// # Errors
/// The first sample that is not reproduced, and every other reason not to trust the engine with this version.
fn verify(
    engine: &mut dyn Engine,
    files: &VersionFiles,
    normalization: &Arc<Normalization>,
    priority: Priority,
) -> Result<Alone, GoldenError> {
    let transform = &files.manifest.transform;
    let kind = files.manifest.output.kind;
    if files.golden.is_empty() {
        let outputs = run(engine, &[gray(transform)])?.remove(0);
        finite("a gray picture", &outputs)?;
        agree(kind, &[outputs])?;
        return Ok(Alone::new(
            engine,
            files,
            Vec::new(),
            normalization,
            priority,
        ));
    }
    let inputs = files
        .golden
        .iter()
        .map(|golden| input(golden, transform, normalization));
    let inputs = inputs.collect::<Result<Vec<Input>, _>>()?;
    let mut alone = Vec::with_capacity(inputs.len());
    for (golden, input) in files.golden.iter().zip(&inputs) {
        let outputs = priority
            .run(|| run(engine, std::slice::from_ref(input)))?
            .remove(0);
        compare(golden, &outputs)?;
        alone.push(outputs);
    }
    agree(kind, &alone)?;
    Ok(Alone::new(engine, files, inputs, normalization, priority))
}

/// The raw outputs for each picture, run alone: what is recorded as golden.
///
/// # Errors
/// A picture that can't be decoded, an engine that fails or answers something that is not finite.
pub fn record(
    engine: &mut dyn Engine,
    transform: &Transform,
    pictures: &mut [Golden],
) -> Result<(), GoldenError> {
    let normalization = Arc::new(Normalization::new(transform)?);
    for golden in pictures {
        let input = input(golden, transform, &normalization)?;
        golden.outputs = run(engine, &[input])?.remove(0);
        finite(&golden.name, &golden.outputs)?;
    }
    Ok(())
}

fn agree(declared: OutputKind, outputs: &[Vec<f32>]) -> Result<(), GoldenError> {
    let rows: Vec<&[f32]> = outputs.iter().map(Vec::as_slice).collect();
    kind::contradiction(declared, &rows).map_or(Ok(()), |Contradiction { found, why }| {
        let (declared, found) = (declared.as_str(), found.as_str());
        Err(GoldenError::Kind {
            declared,
            found,
            why,
        })
    })
}

fn input(
    golden: &Golden,
    transform: &Transform,
    normalization: &Arc<Normalization>,
) -> Result<Input, GoldenError> {
    let picture =
        image::decode(&golden.image, &Limits::default(), transform).map_err(|source| {
            GoldenError::Image {
                sample: golden.name.clone(),
                source,
            }
        })?;
    Ok(Input::Pixels {
        pixels: transform.apply(picture),
        normalization: normalization.clone(),
    })
}

/// A row of zeros: with the usual mean and standard deviation, a gray picture.
fn gray(transform: &Transform) -> Input {
    Input::Numbers(vec![0.0; transform.row_len()].into())
}

fn run(engine: &mut dyn Engine, inputs: &[Input]) -> Result<Vec<Vec<f32>>, EngineError> {
    let rows = inputs.len();
    let buffer = engine.input(rows);
    let row_len = buffer.len() / rows;
    for (input, row) in inputs.iter().zip(buffer.chunks_exact_mut(row_len)) {
        input.write(row);
    }
    let outputs = engine.run(rows)?;
    Ok(outputs
        .chunks_exact(outputs.len() / rows)
        .map(<[f32]>::to_vec)
        .collect())
}

fn compare(golden: &Golden, outputs: &[f32]) -> Result<(), GoldenError> {
    let sample = || golden.name.clone();
    golden
        .matches(outputs)
        .map_err(|source| GoldenError::Mismatch {
            sample: sample(),
            source,
        })
}

fn finite(sample: &str, outputs: &[f32]) -> Result<(), GoldenError> {
    match outputs.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(class) => Err(GoldenError::Mismatch {
            sample: sample.into(),
            source: Mismatch::NonFinite {
                class,
                got: outputs[class],
            },
        }),
    }
}

#[cfg(test)]
mod tests;
