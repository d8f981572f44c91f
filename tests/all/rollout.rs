//! Roles, splits, swaps: changed by operators while requests are in flight.

mod admission;
mod blame;
mod deleting;
mod events;
mod fallback;
pub(crate) mod loading;
mod orders;
mod restart;
mod split;
mod swapping;

use stillhouse_engine::{EngineError, scripted::Scripted};

use crate::toy::{LABELS, SIDE};

/// An engine that always answers this class: a version that is recognised by its answer.
pub(crate) fn always(class: usize) -> Scripted {
    scripted(move |_, rows| Ok(favour(class, rows)))
}

/// Logits that favour one class.
pub(crate) fn favour(class: usize, rows: usize) -> Vec<f32> {
    let row = (0..LABELS.len()).map(|other| if other == class { 9.0 } else { 0.0 });
    row.cycle().take(rows * LABELS.len()).collect()
}

pub(crate) fn scripted(
    script: impl Fn(&[f32], usize) -> Result<Vec<f32>, EngineError> + Send + Sync + 'static,
) -> Scripted {
    Scripted::new((SIDE * SIDE) as usize, LABELS.len(), script)
}

/// The luma of the picture that tests use to make an engine misbehave; examinations never use it.
const TRIGGER: u8 = 200;

fn is_trigger(input: &[f32]) -> bool {
    let trigger = f32::from(TRIGGER) / 255.0;
    input.iter().all(|pixel| (pixel - trigger).abs() < 1e-4)
}
