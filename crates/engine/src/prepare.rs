//! From bytes to a blueprint, whatever the back end.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Backend, Blueprint, EngineError, EngineOptions, Graph, binary::Binary, one_row_at_a_time, walk,
};

/// Checks the graph in `bytes`, hands it to the back end that `options` name and returns what workers build from.
///
/// The graph is optimised here, once, so this may take as long as loading a model takes: keep it off serving threads.
///
/// # Errors
/// Those of [`walk::read`], then whatever the back end says: [`EngineError::Backend`] where it isn't there,
/// [`EngineError::Device`] where the device isn't, [`EngineError::Operator`] and [`EngineError::Load`] against the graph.
pub fn prepare(bytes: &Bytes, options: &EngineOptions) -> Result<Arc<dyn Blueprint>, EngineError> {
    let graph = walk::read(bytes, &options.hints)?;
    let (single_score, one_row) = (graph.signature.single_score, graph.one_row.clone());
    let blueprint = match options.backend {
        Backend::Ort => onnxruntime(bytes, graph, options),
        Backend::Tract => tract(bytes, graph, options),
    }?;
    let blueprint: Arc<dyn Blueprint> = match single_score {
        Some(score) => Arc::new(Binary::new(blueprint, score)),
        None => blueprint,
    };
    Ok(match one_row {
        Some(why) => one_row_at_a_time(blueprint, why),
        None => blueprint,
    })
}

#[cfg(feature = "ort")]
fn onnxruntime(
    bytes: &Bytes,
    graph: Graph,
    options: &EngineOptions,
) -> Result<Arc<dyn Blueprint>, EngineError> {
    Ok(Arc::new(crate::ort::prepare(bytes, graph, options)?))
}

#[cfg(not(feature = "ort"))]
fn onnxruntime(_: &Bytes, _: Graph, _: &EngineOptions) -> Result<Arc<dyn Blueprint>, EngineError> {
    Err(not_compiled_in(Backend::Ort, "ort"))
}

#[cfg(feature = "tract")]
fn tract(
    bytes: &Bytes,
    graph: Graph,
    options: &EngineOptions,
) -> Result<Arc<dyn Blueprint>, EngineError> {
    Ok(Arc::new(crate::tract::prepare(bytes, graph, options)?))
}

#[cfg(not(feature = "tract"))]
fn tract(_: &Bytes, _: Graph, _: &EngineOptions) -> Result<Arc<dyn Blueprint>, EngineError> {
    Err(not_compiled_in(Backend::Tract, "tract"))
}

#[cfg(not(all(feature = "ort", feature = "tract")))]
fn not_compiled_in(backend: Backend, feature: &str) -> EngineError {
    EngineError::Backend {
        backend,
        detail: format!("this build leaves it out; build with --features {feature}"),
    }
}
