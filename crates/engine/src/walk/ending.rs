//! What the scores come out of.

use std::collections::HashMap;

use crate::{
    Activation,
    onnx::{GraphProto, NodeProto},
};

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

/// The node that makes the values of `output`; they are at most reshaped, cast or quantised behind it.
pub(super) fn maker<'a>(graph: &'a GraphProto, output: &str) -> Option<&'a NodeProto> {
    let producers: HashMap<&str, &NodeProto> = graph
        .node
        .iter()
        .flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)))
        .collect();
    let mut name = output;
    // A valid graph has no cycle; this one may be anything, so the steps are counted.
    for _ in 0..=graph.node.len() {
        let node = *producers.get(name)?;
        name = match (node.op_type.as_str(), node.input.first()) {
            ("QuantizeLinear" | "DequantizeLinear", Some(input)) => input,
            (kind, Some(input)) if keeps_values(kind) => input,
            _ => return Some(node),
        };
    }
    None
}

/// The activation that a node is. LogSoftmax is none: a softmax over its scores gives the probabilities, as over any
/// logits.
pub(super) fn activation(maker: Option<&NodeProto>) -> Option<Activation> {
    match maker?.op_type.as_str() {
        "Softmax" => Some(Activation::Softmax),
        "Sigmoid" | "HardSigmoid" => Some(Activation::Sigmoid),
        _ => None,
    }
}

/// Why what a node makes is no row of scores, and what would help; `None` where nothing speaks against it.
pub(super) fn no_scores(maker: Option<&NodeProto>) -> Option<String> {
    let node = maker?;
    let before = node.input.first().map_or("its input", String::as_str);
    let helps = format!(
        "export without it, or add `{before}` to the graph's outputs and name it with --output-name"
    );
    match node.op_type.as_str() {
        kind @ ("ArgMax" | "ArgMin") => Some(format!(
            "is the number of the winning class ({kind}), not the scores of all: {helps}"
        )),
        "TopK" => Some(format!(
            "comes out of TopK, so that a place in it says nothing about the class: {helps}"
        )),
        "ZipMap" => Some(format!(
            "is a list of maps (ZipMap; skl2onnx leaves it out with options={{\"zipmap\": False}}): {helps}"
        )),
        _ => None,
    }
}
