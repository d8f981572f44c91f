//! A batch that an exporter has folded into a shape: why a network that declares any batch takes only one row.

use std::collections::{HashMap, HashSet};

use super::decode;
use crate::onnx::TensorProto;

/// The first Reshape in the graph in `bytes` that always makes one row, in words; only a likely cause, as some reshape what
/// isn't the batch.
pub fn folded_batch(bytes: &bytes::Bytes) -> Option<String> {
    let graph = decode(bytes).ok()?.graph?;
    let weights = graph.initializer.iter().map(|tensor| tensor.name.as_str());
    let weights: HashSet<&str> = weights.collect();
    let constants = graph.node.iter().filter(|node| node.op_type == "Constant");
    let constants = constants.filter_map(|node| {
        let tensor = node
            .attribute
            .iter()
            .find_map(|attribute| attribute.t.as_ref())?;
        Some((node.output.first()?.as_str(), tensor))
    });
    let shapes: HashMap<&str, &TensorProto> = graph
        .initializer
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor))
        .chain(constants)
        .collect();
    graph.node.iter().find_map(|node| {
        let [data, shape, ..] = &node.input[..] else {
            return None;
        };
        let shape = integers(shapes.get(shape.as_str())?)?;
        let folds = node.op_type == "Reshape"
            && !weights.contains(data.as_str())
            && shape.len() > 1
            && shape[0] == 1;
        folds.then(|| format!("a Reshape to {shape:?} has the batch 1 in it"))
    })
}

/// The numbers of an int64 tensor.
fn integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    const INT64: i32 = 7;
    let (numbers, rest) = tensor.raw_data.as_chunks::<8>();
    let whole = tensor.data_type == INT64 && rest.is_empty() && !numbers.is_empty();
    whole.then(|| {
        numbers
            .iter()
            .map(|bytes| i64::from_le_bytes(*bytes))
            .collect()
    })
}
