//! One traversal of a model: every node and every tensor, wherever the format lets them hide.

use crate::{
    EngineError,
    onnx::{AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto},
};

/// What the traversal meets.
pub(super) enum Part<'a> {
    Node(&'a NodeProto),
    /// `owner` is the graph's, node's or attribute's name, for tensors that have none.
    Tensor {
        tensor: &'a TensorProto,
        owner: &'a str,
    },
}

type Seen<'f> = dyn FnMut(Part<'_>) -> Result<(), EngineError> + 'f;

/// Calls `seen` with every part of `model`, until it objects.
pub(super) fn each(model: &ModelProto, seen: &mut Seen<'_>) -> Result<(), EngineError> {
    let training = model.training_info.iter();
    let training = training.flat_map(|info| [&info.initialization, &info.algorithm]);
    for graph in std::iter::once(&model.graph).chain(training).flatten() {
        graph_parts(graph, seen)?;
    }
    for function in &model.functions {
        node_parts(&function.node, seen)?;
        attribute_parts(&function.attribute_proto, &function.name, seen)?;
    }
    Ok(())
}

fn graph_parts(graph: &GraphProto, seen: &mut Seen<'_>) -> Result<(), EngineError> {
    for tensor in &graph.initializer {
        let owner = &graph.name;
        seen(Part::Tensor { tensor, owner })?;
    }
    sparse_parts(&graph.sparse_initializer, &graph.name, seen)?;
    node_parts(&graph.node, seen)
}

fn node_parts(nodes: &[NodeProto], seen: &mut Seen<'_>) -> Result<(), EngineError> {
    for node in nodes {
        seen(Part::Node(node))?;
        let owner = [&node.name, &node.op_type]
            .into_iter()
            .find(|name| !name.is_empty());
        attribute_parts(&node.attribute, owner.map_or("", String::as_str), seen)?;
    }
    Ok(())
}

/// Looks at every field that may hold a tensor, whatever the attribute says its type is.
fn attribute_parts(
    attributes: &[AttributeProto],
    owner: &str,
    seen: &mut Seen<'_>,
) -> Result<(), EngineError> {
    for attribute in attributes {
        for tensor in attribute.t.iter().chain(&attribute.tensors) {
            seen(Part::Tensor { tensor, owner })?;
        }
        sparse_parts(&attribute.sparse_tensor, owner, seen)?;
        sparse_parts(&attribute.sparse_tensors, owner, seen)?;
        for graph in attribute.g.iter().chain(&attribute.graphs) {
            graph_parts(graph, seen)?;
        }
    }
    Ok(())
}

fn sparse_parts<'a>(
    tensors: impl IntoIterator<Item = &'a SparseTensorProto>,
    owner: &str,
    seen: &mut Seen<'_>,
) -> Result<(), EngineError> {
    for sparse in tensors {
        for tensor in sparse.values.iter().chain(&sparse.indices) {
            seen(Part::Tensor { tensor, owner })?;
        }
    }
    Ok(())
}
