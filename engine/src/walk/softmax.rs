//! Whether the scores are probabilities already.

use std::collections::HashMap;

use crate::onnx::{GraphProto, NodeProto};

/// Operators that leave the values of a row as they are, or as near as their type allows.
const TRANSPARENT: [&str; 10] = [
    "Squeeze",
    "Unsqueeze",
    "Reshape",
    "Flatten",
    "Identity",
    "Cast",
    "Dropout",
    "Transpose",
    "QuantizeLinear",
    "DequantizeLinear",
];

/// Whether `output` comes out of a Softmax, at most reshaped, cast or quantised on the way.
///
/// LogSoftmax doesn't count: a softmax over its scores gives the probabilities, as over any logits.
pub(super) fn ends_in(graph: &GraphProto, output: &str) -> bool {
    let producers: HashMap<&str, &NodeProto> = graph
        .node
        .iter()
        .flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)))
        .collect();
    let mut name = output;
    // A valid graph has no cycle; this one may be anything, so the steps are counted.
    for _ in 0..=graph.node.len() {
        let Some(node) = producers.get(name) else {
            return false;
        };
        match (node.op_type.as_str(), node.input.first()) {
            ("Softmax", _) => return true,
            (kind, Some(input)) if TRANSPARENT.contains(&kind) => name = input,
            _ => return false,
        }
    }
    false
}
