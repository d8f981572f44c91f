//! Whether pictures that share a run are answered as they are alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use stillhouse_engine::{Engine, Priority};
use stillhouse_image::{Input, Normalization, Picture, Transform};
use stillhouse_store::{Golden, VersionFiles};

use crate::run;

/// How far outputs may differ where no golden sample says so.
const TOLERANCE: f32 = 1e-3;

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

    /// Compares up to `most_rows` of them in one run with what each is answered alone.
    ///
    /// # Errors
    /// What happened instead, in words: the rows must not share a run.
    pub(crate) fn together(
        &self,
        engine: &mut dyn Engine,
        most_rows: usize,
        priority: Priority,
    ) -> Result<(), String> {
        // Two rows at least.
        let rows = self.rows.len().max(2).min(most_rows);
        if rows < 2 || self.rows.is_empty() {
            return Ok(());
        }
        let all = || self.rows.iter().cycle().take(rows);
        let batch: Vec<Input> = all().map(|(input, _)| input.clone()).collect();
        let ran = catch_unwind(AssertUnwindSafe(|| priority.run(|| run(engine, &batch))));
        let outputs = match ran {
            Ok(Ok(outputs)) => outputs,
            Ok(Err(error)) => return Err(cause(&format!("a batch of {rows} fails: {error}"))),
            Err(_) => return Err(format!("a batch of {rows} panics")),
        };
        for ((_, golden), outputs) in all().zip(outputs) {
            golden.matches(&outputs).map_err(|mismatch| {
                cause(&format!(
                    "in a batch of {rows} `{}` is answered otherwise than alone: {mismatch}",
                    golden.name
                ))
            })?;
        }
        Ok(())
    }
}

/// A picture with the strongest contrast there is, and one that is dark and nearly flat.
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
    let strong = picture(|x, y| if (x / 2 + y / 3) % 2 == 0 { 255 } else { 0 });
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
