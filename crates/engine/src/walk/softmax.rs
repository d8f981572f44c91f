//! Whether the scores are probabilities already.

use std::collections::HashMap;

use crate::onnx::{GraphProto, NodeProto};

/// Whether an operator leaves the values of its first input as they are, or as near as their type allows.
pub(crate) fn keeps_values(op_type: &str) -> bool {
    matches!(
        op_type,
        "Squeeze"
            | "Unsqueeze"
            | "Reshape"
            | "Flatten"
            | "Identity"
            | "Cast"
            | "Dropout"
            | "Transpose"
    )
}

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
            ("QuantizeLinear" | "DequantizeLinear", Some(input)) => name = input,
            (kind, Some(input)) if keeps_values(kind) => name = input,
            _ => return false,
        }
    }
    false
}
