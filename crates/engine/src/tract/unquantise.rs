//! Takes the quantisation off what comes out of a Softmax.
//!
//! tract fuses Softmax and the QuantizeLinear behind it into a quantised Softmax whose answers are wrong (near one for
//! every class, in 0.23.9). Without the pair of QuantizeLinear and DequantizeLinear they are right, and finer.

use std::collections::HashSet;

use tract_onnx::pb::{GraphProto, NodeProto};

use crate::walk::ending::keeps_values;

/// Turns every QuantizeLinear behind a Softmax, and every DequantizeLinear behind that, into Identity; reshapes and
/// the like between them don't matter (tract moves the quantisation past them).
pub(super) fn softmax(graph: &mut GraphProto) {
    // Elsewhere than behind a DequantizeLinear the integers themselves are wanted.
    let wanted = graph
        .node
        .iter()
        .filter(|node| node.op_type != "DequantizeLinear")
        .flat_map(|node| &node.input);
    let wanted: HashSet<String> = wanted
        .chain(graph.output.iter().map(|value| &value.name))
        .cloned()
        .collect();
    let (mut probabilities, mut quantised) = (HashSet::new(), HashSet::new());
    // Nodes come in the order of their computation.
    for node in &mut graph.node {
        let reads =
            |names: &HashSet<String>| node.input.first().is_some_and(|name| names.contains(name));
        let outputs = node.output.iter().cloned();
        match node.op_type.as_str() {
            "Softmax" => probabilities.extend(outputs),
            "QuantizeLinear"
                if reads(&probabilities)
                    && !node.output.iter().any(|name| wanted.contains(name)) =>
            {
                quantised.extend(outputs);
                pass_through(node);
            }
            "DequantizeLinear" if reads(&quantised) => {
                probabilities.extend(outputs);
                pass_through(node);
            }
            kind if keeps_values(kind) && reads(&probabilities) => probabilities.extend(outputs),
            _ => {}
        }
    }
}

fn pass_through(node: &mut NodeProto) {
    node.op_type = "Identity".to_owned();
    node.input.truncate(1);
    node.attribute.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op_type: &str, input: &[&str], output: &str) -> NodeProto {
        NodeProto {
            op_type: op_type.to_owned(),
            input: input.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            ..NodeProto::default()
        }
    }

    fn kinds(node: Vec<NodeProto>) -> Vec<String> {
        let mut graph = GraphProto {
            node,
            ..GraphProto::default()
        };
        softmax(&mut graph);
        assert!(
            graph
                .node
                .iter()
                .all(|node| node.op_type != "Identity" || node.input.len() == 1)
        );
        graph.node.into_iter().map(|node| node.op_type).collect()
    }

    fn pair(from: &str, to: &str) -> [NodeProto; 2] {
        let between = format!("{to}_integers");
        [
            node("QuantizeLinear", &[from, "s", "z"], &between),
            node("DequantizeLinear", &[&between, "s", "z"], to),
        ]
    }

    #[test]
    fn only_pairs_behind_a_softmax_go() {
        let check = |first: &str, right: [&str; 6]| {
            let mut nodes = vec![node(first, &["x"], "p")];
            nodes.extend(pair("p", "a"));
            nodes.push(node("Reshape", &["a", "shape"], "b"));
            nodes.extend(pair("b", "y"));
            assert_eq!(kinds(nodes), right);
        };
        check(
            "Softmax",
            [
                "Softmax", "Identity", "Identity", "Reshape", "Identity", "Identity",
            ],
        );
        let untouched = [
            "QuantizeLinear",
            "DequantizeLinear",
            "Reshape",
            "QuantizeLinear",
            "DequantizeLinear",
        ];
        check(
            "Relu",
            [&["Relu"], &untouched[..]].concat().try_into().unwrap(),
        );
    }

    #[test]
    fn integers_that_are_wanted_stay() {
        let quantise = node("QuantizeLinear", &["p", "s", "z"], "q");
        let found = kinds(vec![
            node("Softmax", &["x"], "p"),
            quantise,
            node("QLinearAdd", &["q", "s"], "y"),
        ]);
        assert_eq!(found, ["Softmax", "QuantizeLinear", "QLinearAdd"]);
    }
}
