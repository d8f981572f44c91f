//! Exports weights to an ONNX graph; batch normalisation is folded into the preceding convolution.

use burn::{nn::Linear, tensor::Tensor};

use super::{
    Body, Network,
    cells::{Cell, ConvNorm},
};
use crate::onnx::{Conv, Graph, INPUT};

impl Network {
    /// Appends the network to `graph` and returns the name of its logits.
    pub fn to_graph(&self, graph: &mut Graph) -> String {
        match &self.body {
            Body::Mlp(mlp) => {
                let mut x = graph.flatten(INPUT);
                for (i, layer) in mlp.layers.iter().enumerate() {
                    if i > 0 {
                        x = graph.node("Relu", &[&x], Vec::new());
                    }
                    x = linear(graph, &x, layer);
                }
                x
            }
            Body::Cnn(cnn) => {
                let stem = conv(graph, INPUT, &cnn.stem);
                let mut x = graph.node("Relu", &[&stem], Vec::new());
                for layer in &cnn.cells {
                    x = cell(graph, &x, layer);
                }
                let mean = graph.node("GlobalAveragePool", &[&x], Vec::new());
                let features = graph.flatten(&mean);
                linear(graph, &features, &cnn.head)
            }
        }
    }
}

fn cell(graph: &mut Graph, input: &str, cell: &Cell) -> String {
    match cell {
        Cell::Plain(only) => {
            let x = conv(graph, input, only);
            graph.node("Relu", &[&x], Vec::new())
        }
        Cell::Residual(cell) => {
            let x = conv(graph, input, &cell.first);
            let x = graph.node("Relu", &[&x], Vec::new());
            let x = conv(graph, &x, &cell.second);
            let short = cell
                .shortcut
                .as_ref()
                .map(|short| conv(graph, input, short));
            let sum = graph.node("Add", &[&x, short.as_deref().unwrap_or(input)], Vec::new());
            graph.node("Relu", &[&sum], Vec::new())
        }
        Cell::Depthwise(cell) => {
            let x = conv(graph, input, &cell.spatial);
            let x = graph.node("Relu", &[&x], Vec::new());
            let x = conv(graph, &x, &cell.across);
            let x = graph.node("Relu", &[&x], Vec::new());
            if cell.shortcut {
                graph.node("Add", &[&x, input], Vec::new())
            } else {
                x
            }
        }
    }
}

/// `γ (w·x − μ)/√(σ² + ε) + β` is a convolution with weight `w γ/√(σ² + ε)` and bias `β − μ γ/√(σ² + ε)`.
fn conv(graph: &mut Graph, input: &str, layer: &ConvNorm) -> String {
    let dims = layer.conv.weight.dims();
    let mut weight = numbers(layer.conv.weight.val());
    let (gamma, beta) = (
        numbers(layer.norm.gamma.val()),
        numbers(layer.norm.beta.val()),
    );
    let (mean, variance) = (
        numbers(layer.norm.running_mean.value()),
        numbers(layer.norm.running_var.value()),
    );
    let mut bias = Vec::with_capacity(dims[0]);
    let kernel = weight.len() / dims[0];
    for (i, filter) in weight.chunks_exact_mut(kernel).enumerate() {
        let factor = f64::from(gamma[i]) / (f64::from(variance[i]) + layer.norm.epsilon).sqrt();
        filter
            .iter_mut()
            .for_each(|w| *w = (f64::from(*w) * factor) as f32);
        bias.push((f64::from(beta[i]) - f64::from(mean[i]) * factor) as f32);
    }
    graph.conv(
        input,
        &Conv {
            weight,
            bias,
            dims,
            stride: layer.conv.stride[0],
            groups: layer.conv.groups,
        },
    )
}

fn linear(graph: &mut Graph, input: &str, layer: &Linear) -> String {
    let dims = layer.weight.dims();
    let bias = layer
        .bias
        .as_ref()
        .map_or_else(|| vec![0.0; dims[1]], |bias| numbers(bias.val()));
    graph.linear(input, dims, &numbers(layer.weight.val()), &bias)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .try_into_vec::<f32>()
        .expect("parameters are 32-bit floats")
}
