//! Reads an ONNX graph before any back end does: refuses what must not be served and returns the graph's signature.
//!
//! | module    | holds                                                          |
//! |-----------|----------------------------------------------------------------|
//! | `parts`   | one traversal of every node and tensor, wherever they hide       |
//! | `ports`   | the choice of input and output, and what makes them suitable     |
//! | `softmax` | whether the scores are probabilities already                    |

mod parts;
mod ports;
pub(crate) mod softmax;

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message;

use crate::{
    EngineError, Signature, foreign,
    onnx::{ModelProto, NodeProto, TensorProto},
};
use parts::Part;

/// What the walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// What the graph takes and gives.
    pub signature: Signature,
    /// Every operator named in the graph, its subgraphs and functions: `Operator` or `domain.Operator`, sorted.
    pub operators: Vec<String>,
}

impl Graph {
    /// Whether the graph has a convolution of any kind.
    pub fn convolves(&self) -> bool {
        self.operators.iter().any(|name| name.contains("Conv"))
    }
}

/// Reads the graph in `bytes`; `output` names the scores where the graph has several outputs, otherwise the first
/// suitable one is taken.
///
/// Depth is bounded by the protobuf decoder (100 nested messages), weights are not copied.
///
/// # Errors
/// [`EngineError::Decode`], [`EngineError::ExternalData`] or [`EngineError::Unsuitable`].
pub fn read(bytes: &Bytes, output: Option<&str>) -> Result<Graph, EngineError> {
    let model = decode(bytes)?;
    let mut operators = BTreeSet::new();
    parts::each(&model, &mut |part| match part {
        Part::Tensor { tensor, owner } => refuse_external(tensor, owner),
        Part::Node(node) => {
            operators.insert(operator(node));
            refuse_foreign_context(node)
        }
    })?;
    Ok(Graph {
        signature: ports::signature(&model, output)?,
        operators: operators.into_iter().collect(),
    })
}

fn decode(bytes: &Bytes) -> Result<ModelProto, EngineError> {
    if let Some(foreign) = foreign::recognise(bytes) {
        return Err(EngineError::Foreign(foreign));
    }
    let model = ModelProto::decode(bytes.clone())
        .map_err(|error| EngineError::Decode(undecodable(&error)))?;
    match model.graph {
        Some(_) => Ok(model),
        None => Err(EngineError::Decode("there is no graph in it".to_owned())),
    }
}

fn undecodable(error: &prost::DecodeError) -> String {
    format!(
        "{error}; it was cut short, or it is another kind of file: docs/bring-your-own.md shows how networks are exported"
    )
}

fn operator(node: &NodeProto) -> String {
    match node.domain.as_str() {
        "" | "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// Any sign of external data counts: the specification wants both fields, loaders differ in which one they believe.
fn refuse_external(tensor: &TensorProto, owner: &str) -> Result<(), EngineError> {
    if tensor.data_location == 0 && tensor.external_data.is_empty() {
        return Ok(());
    }
    let location = tensor
        .external_data
        .iter()
        .find(|entry| entry.key == "location");
    Err(EngineError::ExternalData {
        tensor: if tensor.name.is_empty() {
            owner
        } else {
            &tensor.name
        }
        .to_owned(),
        location: location
            .map_or("not named", |entry| &entry.value)
            .to_owned(),
    })
}

/// ONNX Runtime's `EPContext` nodes carry, or point at, a compiled engine instead of a graph: nothing in it can be read.
fn refuse_foreign_context(node: &NodeProto) -> Result<(), EngineError> {
    if node.op_type != "EPContext" {
        return Ok(());
    }
    Err(EngineError::Unsuitable(format!(
        "node `{}` is an EPContext, a network compiled for one device; give the ONNX model it was compiled from",
        node.name
    )))
}

#[cfg(test)]
mod tests;
