//! Running a graph on every back end that is here, and comparing.

use std::{env, sync::Arc};

use bytes::Bytes;
use stillhouse_engine::{
    Backend, Blueprint, Device, EngineError, EngineOptions, find_library, prepare,
};

/// The back ends that can run here: those compiled in, ONNX Runtime only with its library.
pub(crate) fn backends() -> Vec<Backend> {
    let is_here = |backend: &Backend| *backend != Backend::Ort || find_library(None).is_some();
    let here: Vec<Backend> = Backend::compiled_in()
        .iter()
        .copied()
        .filter(is_here)
        .collect();
    if !here.contains(&Backend::Ort) {
        println!(
            "skipped: ONNX Runtime, whose library isn't here (scripts/onnxruntime.sh fetches it)"
        );
    }
    here
}

/// `backend` with its usual options. `STILLHOUSE_TEST_DEVICE` (`cuda:0`, say) moves ONNX Runtime off the processor,
/// and so makes every test here compare that device with tract on the processor.
pub(crate) fn options(backend: Backend) -> EngineOptions {
    let device = env::var("STILLHOUSE_TEST_DEVICE")
        .ok()
        .filter(|_| backend == Backend::Ort);
    let device = device.map_or(Device::Cpu, |text| text.parse().unwrap());
    EngineOptions {
        device,
        ..EngineOptions::new(backend)
    }
}

pub(crate) fn blueprint(
    backend: Backend,
    bytes: &Bytes,
) -> Result<Arc<dyn Blueprint>, EngineError> {
    prepare(bytes, &options(backend))
}

/// The answers of `backend` to `input`, which holds `rows` rows, as one batch.
pub(crate) fn answers(
    backend: Backend,
    bytes: &Bytes,
    input: &[f32],
    rows: usize,
) -> Result<Vec<f32>, EngineError> {
    let mut engine = blueprint(backend, bytes)?.build(rows)?;
    engine.input(rows).copy_from_slice(input);
    Ok(engine.run(rows)?.to_vec())
}

/// Runs batches of several sizes on every back end: a row must be answered the same in any company and anywhere,
/// within `tolerance` relative to the largest score (or to one, where that is larger). Returns the answers to `rows`.
pub(crate) fn agree(name: &str, bytes: &Bytes, tolerance: f32) -> Vec<f32> {
    const ROWS: usize = 7;
    let mut first: Option<(Backend, Vec<f32>)> = None;
    for backend in backends() {
        let blueprint = blueprint(backend, bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (row_len, classes) = (blueprint.signature().row_len, blueprint.signature().classes);
        let input = noise(ROWS * row_len, 1);
        let mut engine = blueprint.build(ROWS).unwrap();
        let mut alone = Vec::new();
        for row in input.chunks_exact(row_len) {
            engine.input(1).copy_from_slice(row);
            alone.extend_from_slice(engine.run(1).unwrap());
        }
        assert_eq!(alone.len(), ROWS * classes, "{name}");
        for rows in [ROWS, 1, 4, 2, 5, ROWS] {
            engine.input(rows).copy_from_slice(&input[..rows * row_len]);
            let together = engine.run(rows).unwrap();
            close(
                &format!("{name}: {rows} rows on {backend}"),
                together,
                &alone[..rows * classes],
                tolerance,
            );
        }
        match &first {
            None => first = Some((backend, alone)),
            Some((other, right)) => close(
                &format!("{name}: {backend} against {other}"),
                &alone,
                right,
                tolerance,
            ),
        }
    }
    first
        .map(|(_, answers)| answers)
        .expect("a back end is compiled in")
}

pub(crate) fn close(what: &str, found: &[f32], right: &[f32], tolerance: f32) {
    assert_eq!(found.len(), right.len(), "{what}");
    let scale = right
        .iter()
        .fold(1.0_f32, |largest, value| largest.max(value.abs()));
    for (i, (found, right)) in found.iter().zip(right).enumerate() {
        // Written so that NaN is not close to anything.
        let is_close = (found - right).abs() <= tolerance * scale;
        assert!(is_close, "{what}: {found} at {i}, {right} would be right");
    }
}

/// Numbers from -1 to 1 that are the same everywhere (a linear congruential generator, Knuth's MMIX constants).
pub(crate) fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}
