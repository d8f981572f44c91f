//! Routing from a model to the seat that answers: one pointer load and one hash.

use std::{hint::black_box, time::Instant};

use super::slot;

const ROUTES: u32 = 2_000_000;

/// Mean over many routes, with 36 different keys of a UUID's length, canary at 10 % and teacher at 5 %.
pub(crate) fn nanoseconds() -> anyhow::Result<f64> {
    let slot = slot::slot()?;
    let keys: Vec<String> = (0..36)
        .map(|key| format!("0193e5a0-7c41-7000-8000-{key:012}"))
        .collect();
    let begun = Instant::now();
    for route in 0..ROUTES {
        let deployment = slot.load_full();
        let key = keys[route as usize % keys.len()].as_bytes();
        black_box(deployment.route(black_box(key)).role);
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(ROUTES))
}
