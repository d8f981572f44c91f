//! Everything that can be wrong with a graph or its run.

use crate::{Backend, Device, foreign::Foreign};

/// Why a graph was refused, or why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Not an ONNX protobuf.
    #[error("not an ONNX model: {0}")]
    Decode(String),
    /// Another kind of file.
    #[error("not an ONNX model: {}", .0.explained())]
    Foreign(Foreign),
    /// The graph keeps weights outside its file; those would escape the hash.
    #[error(
        "tensor `{tensor}` keeps its data in another file (`{location}`): export the model as one file, e.g. onnx.save(m, path, save_as_external_data=False)"
    )]
    ExternalData {
        /// The tensor's name, or the node's that holds it.
        tensor: String,
        /// The location the graph names.
        location: String,
    },
    /// Not an image classifier as this server understands one.
    #[error("not an image classifier: {0}")]
    Unsuitable(String),
    /// The back end can't run an operator of the graph.
    #[error("{backend} can't run operator {operator}: {detail}")]
    Operator {
        /// The back end.
        backend: Backend,
        /// `domain.Operator` or `Operator`.
        operator: String,
        /// The back end's own words.
        detail: String,
    },
    /// The back end isn't compiled in, or its library isn't there.
    #[error("{backend} can't be had: {detail}")]
    Backend {
        /// The back end.
        backend: Backend,
        /// Why.
        detail: String,
    },
    /// The device can't be had.
    #[error("device {device} can't be had: {detail}")]
    Device {
        /// The device.
        device: Device,
        /// Why.
        detail: String,
    },
    /// The back end refused the graph, in its own words.
    #[error("{backend} refused the model: {detail}")]
    Load {
        /// The back end.
        backend: Backend,
        /// Why.
        detail: String,
    },
    /// A run failed.
    #[error("inference failed: {0}")]
    Run(String),
}
