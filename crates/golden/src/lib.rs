//! Golden samples at work: an engine is trusted once it has reproduced them, alone and in a batch.

pub mod contract;
mod preflight;

use std::sync::Arc;

use stillhouse_engine::{Engine, EngineError, Priority, Sample};

use stillhouse_image::{
    self as image, ImageError, Input, Limits, Normalization, Transform, TransformError,
};
use stillhouse_store::{Golden, Mismatch, VersionFiles, manifest::OutputKind};

pub use preflight::{PreflightError, Prepare, preflight};

/// How far a sum of probabilities may be from 1: half precision and approximate exponentials are this far off.
const SUM_TOLERANCE: f64 = 1e-3;

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
    #[error("golden sample `{sample}` is not reproduced{}: {source}", batch(*.rows))]
    Mismatch {
        /// Its name.
        sample: String,
        /// How many pictures were in the batch.
        rows: usize,
        /// Both values.
        source: Mismatch,
    },
    /// Logits declared as probabilities or the other way round.
    #[error(
        "the manifest's `output.kind` is `{}`, but the network answers {}: {found}",
        word(*.declared), word(other(*.declared))
    )]
    Kind {
        /// By the manifest.
        declared: OutputKind,
        /// What was seen.
        found: String,
    },
}

fn batch(rows: usize) -> String {
    if rows == 1 {
        String::new()
    } else {
        format!(" in a batch of {rows}")
    }
}

/// A kind as the manifest writes it.
pub fn word(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Logits => "logits",
        OutputKind::Probabilities => "probabilities",
    }
}

fn other(kind: OutputKind) -> OutputKind {
    match kind {
        OutputKind::Logits => OutputKind::Probabilities,
        OutputKind::Probabilities => OutputKind::Logits,
    }
}

/// Runs every sample of a version, each alone and then together, and compares raw outputs, not labels: one flipped bit
/// in a network often leaves the label as it was. `most_rows` is what the engine was built for. A version without
/// samples is run once on a gray picture: finite numbers of the declared kind is the least it has to give.
///
/// # Errors
/// The first sample that is not reproduced, and every other reason not to trust the engine with this version.
pub fn verify(
    engine: &mut dyn Engine,
    most_rows: usize,
    files: &VersionFiles,
    normalization: &Arc<Normalization>,
    priority: Priority,
) -> Result<(), GoldenError> {
    let transform = &files.manifest.transform;
    let kind = files.manifest.output.kind;
    if files.golden.is_empty() {
        let outputs = run(engine, &[gray(transform)])?.remove(0);
        finite("a gray picture", &outputs)?;
        return agree(kind, &[outputs]);
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
        compare(golden, 1, &outputs)?;
        alone.push(outputs);
    }
    agree(kind, &alone)?;

    // Two rows at least: some exporters fold a batch of 1 into the graph, and rows then leak into each other.
    let rows = inputs.len().max(2).min(most_rows);
    if rows > 1 {
        let batch: Vec<Input> = inputs.iter().cycle().take(rows).cloned().collect();
        for (golden, outputs) in files
            .golden
            .iter()
            .cycle()
            .zip(priority.run(|| run(engine, &batch))?)
        {
            compare(golden, rows, &outputs)?;
        }
    }
    Ok(())
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

/// What the outputs for several pictures are: probabilities where each is non-negative and sums to 1 ± 1e-3.
pub fn kind_of(outputs: &[&[f32]]) -> OutputKind {
    match outputs.iter().all(|row| refute(row).is_none()) {
        true => OutputKind::Probabilities,
        false => OutputKind::Logits,
    }
}

/// Why a row of outputs is no distribution, in words.
pub fn refute(row: &[f32]) -> Option<String> {
    if let Some(class) = row.iter().position(|value| *value < 0.0) {
        return Some(format!("output {class} is {:?}", row[class]));
    }
    let sum: f64 = row.iter().map(|value| f64::from(*value)).sum();
    let near = (sum - 1.0).abs() <= SUM_TOLERANCE;
    (!near).then(|| format!("a row sums to {sum:.4}"))
}

fn agree(declared: OutputKind, outputs: &[Vec<f32>]) -> Result<(), GoldenError> {
    let refuted = outputs.iter().find_map(|row| refute(row));
    let found = match (declared, refuted) {
        (OutputKind::Logits, None) => "every row is non-negative and sums to 1".to_owned(),
        (OutputKind::Probabilities, Some(found)) => found,
        _ => return Ok(()),
    };
    Err(GoldenError::Kind { declared, found })
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

fn compare(golden: &Golden, rows: usize, outputs: &[f32]) -> Result<(), GoldenError> {
    let sample = || golden.name.clone();
    golden
        .matches(outputs)
        .map_err(|source| GoldenError::Mismatch {
            sample: sample(),
            rows,
            source,
        })
}

fn finite(sample: &str, outputs: &[f32]) -> Result<(), GoldenError> {
    match outputs.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(class) => Err(GoldenError::Mismatch {
            sample: sample.into(),
            rows: 1,
            source: Mismatch::NonFinite {
                class,
                got: outputs[class],
            },
        }),
    }
}

#[cfg(test)]
mod tests;
