//! Whether pictures that share a run are answered as they are alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use stillhouse_engine::{Engine, EngineError, Priority};
use stillhouse_image::{Input, Normalization, Picture, Transform};
use stillhouse_store::{Golden, VersionFiles};

use crate::run;

/// How far outputs may differ where no golden sample says so.
const TOLERANCE: f32 = 1e-3;

/// Rows of a run that is compared: enough to see what they do to each other, and no more than any batch has.
const TOGETHER: usize = 3;

/// A cause is part of a description, which is one line.
const CAUSE_CHARS: usize = 160;

/// Pictures with what the engine answers to each alone.
pub(crate) struct Alone {
    rows: Vec<(Input, Golden)>,
}

impl Alone {
    /// The golden samples of a version, `inputs` in their order, between two pictures that have nothing in common: rows
    /// that are alike would not show what one does to the other.
    ///
    /// One of the two is left out where the engine fails, or answers what isn't finite.
    pub(crate) fn new(
        engine: &mut dyn Engine,
        files: &VersionFiles,
        inputs: Vec<Input>,
        normalization: &Arc<Normalization>,
        priority: Priority,
    ) -> Self {
        let tolerances = files.golden.iter().map(|golden| golden.tolerance);
        let tolerance = tolerances.fold(0.0, f32::max);
        let tolerance = if tolerance > 0.0 {
            tolerance
        } else {
            TOLERANCE
        };
        let contrast = contrast(&files.manifest.transform, normalization);
        let mut measured = contrast.into_iter().filter_map(|(name, input)| {
            // What it makes of a picture that nobody sends is no reason to refuse it.
            let alone = || priority.run(|| run(engine, std::slice::from_ref(&input)));
            let outputs = catch_unwind(AssertUnwindSafe(alone)).ok()?.ok()?.remove(0);
            let finite = outputs.iter().all(|value| value.is_finite());
            let name = name.to_owned();
            let image = Default::default();
            finite.then_some((
                input,
                Golden {
                    name,
                    image,
                    outputs,
                    tolerance,
                },
            ))
        });
        let first = measured.next();
        let mut rows: Vec<(Input, Golden)> = first.into_iter().collect();
        rows.extend(inputs.into_iter().zip(files.golden.iter().cloned()));
        rows.extend(measured);
        Self { rows }
    }

    /// Compares runs that up to [`TOGETHER`] of them share with what each is answered alone; the rows that have nothing in
    /// common are in every run. In words, what happened instead: then the rows must not share a run.
    ///
    /// # Errors
    /// The engine lacks memory: less may not be tried where nothing limits it.
    pub(crate) fn together(
        &self,
        engine: &mut dyn Engine,
        most_rows: usize,
        priority: Priority,
    ) -> Result<Option<String>, EngineError> {
        let rows = most_rows.min(TOGETHER).min(self.rows.len().max(2));
        let (Some(first), true) = (self.rows.first(), rows >= 2) else {
            return Ok(None);
        };
        let last = self.rows.last().unwrap_or(first);
        let between = self.rows.get(1..self.rows.len().max(2) - 1);
        let between = between
            .filter(|rows| !rows.is_empty())
            .unwrap_or(&self.rows[..1]);
        for row in between {
            let run = match (rows, self.rows.len()) {
                (_, 2) => vec![first, last],
                (2, _) => vec![first, row],
                _ => vec![first, row, last],
            };
            if let Some(why) = share(engine, &run, priority)? {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }
}

/// What happens to these rows in one run, unless each is answered as it is alone.
fn share(
    engine: &mut dyn Engine,
    run_rows: &[&(Input, Golden)],
    priority: Priority,
) -> Result<Option<String>, EngineError> {
    let rows = run_rows.len();
    let batch: Vec<Input> = run_rows.iter().map(|(input, _)| input.clone()).collect();
    let ran = catch_unwind(AssertUnwindSafe(|| priority.run(|| run(engine, &batch))));
    let outputs = match ran {
        Ok(Ok(outputs)) => outputs,
        Ok(Err(error)) if error.to_string().to_lowercase().contains("alloc") => return Err(error),
        Ok(Err(error)) => return Ok(Some(cause(&format!("a batch of {rows} fails: {error}")))),
        Err(_) => return Ok(Some(format!("a batch of {rows} panics"))),
    };
    let found = run_rows
        .iter()
        .zip(outputs)
        .find_map(|((_, golden), outputs)| {
            let mismatch = golden.matches(&outputs).err()?;
            Some(cause(&format!(
                "in a batch of {rows} `{}` is answered otherwise than alone: {mismatch}",
                golden.name
            )))
        });
    Ok(found)
}

/// A picture with strong contrast, and one that is dark and nearly flat.
fn contrast(
    transform: &Transform,
    normalization: &Arc<Normalization>,
) -> Vec<(&'static str, Input)> {
    let (width, height) = (transform.width, transform.height);
    let picture = |luma: fn(u32, u32) -> u8| {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| luma(x, y)));
        let picture = Picture::from_luma(width, height, places.collect())?;
        Some(Input::Pixels {
            pixels: transform.apply(picture),
            normalization: normalization.clone(),
        })
    };
    let strong = picture(|x, y| if (x / 2 + y / 3) % 2 == 0 { 160 } else { 0 });
    let flat = picture(|x, y| 8 + ((x + y) % 5) as u8);
    [("a checkered picture", strong), ("a dark picture", flat)]
        .into_iter()
        .filter_map(|(name, input)| Some((name, input?)))
        .collect()
}

fn cause(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(CAUSE_CHARS).collect()
}
