//! Reads an ONNX graph before any back end does: refuses what must not be served and returns the graph's signature.
//!
//! | module    | holds                                                          |
//! |-----------|----------------------------------------------------------------|
//! | `parts`   | one traversal of every node and tensor, wherever they hide       |
//! | `ports`   | the input, the batch, and what makes them suitable               |
//! | `scores`  | the choice of the output, and what is said about the others      |
//! | `ending`  | what the scores come out of                                     |
//! | `folded`  | a batch of 1 that an exporter has folded into a shape             |
//! | `hints`   | what is known beside the graph                                  |

pub(crate) mod ending;
mod folded;
mod hints;
mod parts;
mod ports;
mod scores;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use prost::Message;

use crate::{
    EngineError, Port, Signature, foreign,
    onnx::{ModelProto, NodeProto, TensorProto},
};
pub use folded::folded_batch;
pub use hints::Hints;
use parts::Part;

/// What the walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// What the graph takes and gives.
    pub signature: Signature,
    /// Why a run must get a single row, whatever the graph takes: rows that share one would be answered otherwise.
    pub one_row: Option<Arc<str>>,
    /// Every operator named in the graph, its subgraphs and functions: `Operator` or `domain.Operator`, sorted.
    pub operators: Vec<String>,
}

impl Graph {
    /// Whether the graph has a convolution of any kind.
    pub fn convolves(&self) -> bool {
        self.operators.iter().any(|name| name.contains("Conv"))
    }
}

/// Reads the graph in `bytes`; `hints` choose among several outputs, otherwise the first suitable one is taken, and fill
/// in what the graph leaves open.
///
/// Depth is bounded by the protobuf decoder (100 nested messages), weights are not copied.
///
/// # Errors
/// [`EngineError::Decode`], [`EngineError::ExternalData`] or [`EngineError::Unsuitable`].
pub fn read(bytes: &Bytes, hints: &Hints) -> Result<Graph, EngineError> {
    let model = decode(bytes)?;
    let mut operators = BTreeSet::new();
    parts::each(&model, &mut |part| match part {
        Part::Tensor { tensor, owner } => refuse_external(tensor, owner),
        Part::Node(node) => {
            operators.insert(operator(node));
            refuse_foreign_context(node)
        }
    })?;
    let (signature, without_batch) = ports::signature(&model, hints)?;
    let one_row = hints.one_row.clone().or_else(|| coupled(&operators));
    Ok(Graph {
        signature,
        one_row: one_row.or(without_batch),
        operators: operators.into_iter().collect(),
    })
}

/// The input of the graph in `bytes` as it is declared, symbols included: what a picture's size is chosen by.
///
/// # Errors
/// [`EngineError::Decode`] or [`EngineError::Unsuitable`].
pub fn input(bytes: &Bytes) -> Result<Port, EngineError> {
    ports::open_input(&decode(bytes)?)
}

/// Why rows that share a run would change each other's answers, where an operator says so.
fn coupled(operators: &BTreeSet<String>) -> Option<Arc<str>> {
    // They take one scale from the smallest and the largest number of the whole batch.
    let dynamic = |name: &&String| {
        name.rsplit('.')
            .next()
            .is_some_and(|name| name.starts_with("DynamicQuantize"))
    };
    let name = operators.iter().find(dynamic)?;
    Some(format!("dynamic quantisation: {name} scales a batch as a whole").into())
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
