//! Small graphs of every kind that is served, built on the spot.

use stillhouse_engine::{
    ElementType::{self, F16, F32},
    onnx::{
        GraphProto, ModelProto, NodeProto, TensorProto,
        build::{half_weights, integers, model, node, port, tensor, weights},
    },
};

use crate::both::noise;

/// A graph from `x` to `y`.
pub(crate) fn graph(
    opset: i64,
    (input, output, element): (&str, &str, ElementType),
    node: Vec<NodeProto>,
    initializer: Vec<TensorProto>,
) -> ModelProto {
    let (input, output) = (
        vec![port("x", element, input)],
        vec![port("y", element, output)],
    );
    model(
        opset,
        GraphProto {
            name: "g".to_owned(),
            node,
            initializer,
            input,
            output,
            ..GraphProto::default()
        },
    )
}

/// Weights that keep activations near one.
fn layer(name: &str, dims: &[usize], element: ElementType) -> TensorProto {
    let inputs: usize = match dims.len() {
        4 => dims[1..].iter().product(),
        _ => dims[0],
    };
    let seed = name
        .bytes()
        .fold(7, |seed, byte| seed * 31 + u64::from(byte));
    let scale = (3.0 / inputs as f32).sqrt();
    let values: Vec<f32> = noise(dims.iter().product(), seed)
        .iter()
        .map(|value| value * scale)
        .collect();
    match element {
        F32 => weights(name, dims, &values),
        ElementType::U8 => unreachable!("weights aren't bytes"),
        F16 => half_weights(name, dims, &values),
    }
}

/// 8 → 16 → 5, whatever rank `input` has; `end` turns `logits` into `y`.
pub(crate) fn mlp(input: &str, output: &str, end: NodeProto) -> ModelProto {
    let nodes = vec![
        node("Flatten", &["x"], &["flat"]),
        node("Gemm", &["flat", "w1", "b1"], &["h"]),
        node("Relu", &["h"], &["a"]),
        node("Gemm", &["a", "w2"], &["logits"]),
        end,
    ];
    let weights = vec![
        layer("w1", &[8, 16], F32),
        layer("b1", &[16], F32),
        layer("w2", &[16, 5], F32),
    ];
    graph(17, (input, output, F32), nodes, weights)
}

pub(crate) fn identity() -> NodeProto {
    node("Identity", &["logits"], &["y"])
}

pub(crate) fn softmax() -> NodeProto {
    node("Softmax", &["logits"], &["y"]).with_int("axis", -1)
}

/// A reshape whose shape is computed from the batch, as PyTorch's `view(x.size(0), -1)` is exported.
pub(crate) fn mlp_with_computed_shape() -> ModelProto {
    let nodes = vec![
        node("Shape", &["x"], &["shape"]),
        node("Gather", &["shape", "zero"], &["n"]).with_int("axis", 0),
        node("Concat", &["n", "rest"], &["flat_shape"]).with_int("axis", 0),
        node("Reshape", &["x", "flat_shape"], &["flat"]),
        node("MatMul", &["flat", "w"], &["y"]),
    ];
    let zero = integers("zero", &[0]);
    graph(
        17,
        ("N,2,4", "N,5", F32),
        nodes,
        vec![zero, integers("rest", &[-1]), layer("w", &[8, 5], F32)],
    )
}

/// Conv, Relu, GlobalAveragePool and Gemm over 2×6×6.
pub(crate) fn cnn(input: &str, output: &str, element: ElementType) -> ModelProto {
    let nodes = convolutions("x").into_iter().chain([
        node("Flatten", &["pooled"], &["flat"]),
        node("Gemm", &["flat", "w", "b"], &["y"]),
    ]);
    let weights = vec![
        layer("k", &[4, 2, 3, 3], element),
        layer("kb", &[4], element),
        layer("w", &[4, 5], element),
        layer("b", &[5], element),
    ];
    graph(17, (input, output, element), nodes.collect(), weights)
}

fn convolutions(from: &str) -> Vec<NodeProto> {
    vec![
        node("Conv", &[from, "k", "kb"], &["c"])
            .with_ints("kernel_shape", &[3, 3])
            .with_ints("pads", &[1, 1, 1, 1]),
        node("Relu", &["c"], &["r"]),
        node("GlobalAveragePool", &["r"], &["pooled"]),
    ]
}

/// SqueezeNet's end: a 1×1 convolution into classes, pooled, then Softmax over axis 1; [N,5,1,1].
pub(crate) fn all_convolution(batch: &str) -> ModelProto {
    let mut nodes = convolutions("x");
    nodes.push(node("Conv", &["pooled", "head"], &["logits"]).with_ints("kernel_shape", &[1, 1]));
    nodes.push(node("Softmax", &["logits"], &["y"]).with_int("axis", 1));
    let weights = vec![
        layer("k", &[4, 2, 3, 3], F32),
        layer("kb", &[4], F32),
        layer("head", &[5, 4, 1, 1], F32),
    ];
    graph(
        17,
        (&format!("{batch},2,6,6"), &format!("{batch},5,1,1"), F32),
        nodes,
        weights,
    )
}

/// [N,6,6,2], transposed inside, as networks exported from TensorFlow are.
pub(crate) fn channels_last() -> ModelProto {
    let mut model = cnn("N,6,6,2", "N,5", F32);
    let nodes = &mut model.graph.as_mut().expect("made with a graph").node;
    nodes[0].input[0] = "nchw".to_owned();
    nodes.insert(
        0,
        node("Transpose", &["x"], &["nchw"]).with_ints("perm", &[0, 3, 1, 2]),
    );
    model
}

/// Float16 at the border, float32 inside.
pub(crate) fn half_at_the_border() -> ModelProto {
    let nodes = vec![
        node("Cast", &["x"], &["wide"]).with_int("to", 1),
        node("MatMul", &["wide", "w"], &["h"]),
        node("Cast", &["h"], &["y"]).with_int("to", 10),
    ];
    graph(
        17,
        ("N,8", "N,5", F16),
        nodes,
        vec![layer("w", &[8, 5], F32)],
    )
}

/// Two outputs: features first, scores second.
pub(crate) fn two_headed() -> ModelProto {
    let mut model = mlp("N,8", "N,5", identity());
    let graph = model.graph.as_mut().expect("made with a graph");
    graph.node.push(node("Neg", &["logits"], &["opposite"]));
    graph.output = vec![
        port("a", F32, "N,16,1,2"),
        port("y", F32, "N,5"),
        port("opposite", F32, "N,5"),
    ];
    graph
        .node
        .push(node("Concat", &["a4", "a4"], &["a2"]).with_int("axis", 3));
    graph.node.push(node("Unsqueeze", &["a", "axes"], &["a4"]));
    graph.initializer.push(integers("axes", &[2, 3]));
    graph.output[0].name = "a2".to_owned();
    let last = graph.node.len() - 1;
    graph.node.swap(last, last - 1);
    model
}

/// Int8 in the form that quantisers write: pairs of QuantizeLinear and DequantizeLinear around an 8 → 5 layer, then a
/// Softmax that is quantised too.
pub(crate) fn quantised(with_softmax: bool) -> ModelProto {
    let pair = |from: &str, scale: &str, zero: &str, to: &str| {
        let integers = format!("{to}_integers");
        [
            node("QuantizeLinear", &[from, scale, zero], &[&integers]),
            node("DequantizeLinear", &[&integers, scale, zero], &[to]),
        ]
    };
    let mut nodes = vec![node(
        "DequantizeLinear",
        &["w", "w_scale", "w_zero"],
        &["w_wide"],
    )];
    nodes.extend(pair("x", "x_scale", "x_zero", "x_coarse"));
    nodes.push(node("MatMul", &["x_coarse", "w_wide"], &["h"]));
    match with_softmax {
        false => nodes.extend(pair("h", "h_scale", "x_zero", "y")),
        true => {
            nodes.extend(pair("h", "h_scale", "x_zero", "logits"));
            nodes.push(node("Softmax", &["logits"], &["p"]).with_int("axis", -1));
            nodes.extend(pair("p", "p_scale", "p_zero", "p_coarse"));
            nodes.push(node("Reshape", &["p_coarse", "shape"], &["p_again"]));
            nodes.extend(pair("p_again", "p_scale", "p_zero", "y"));
        }
    }
    let (int8, uint8) = (3, 2);
    let w: Vec<u8> = noise(40, 11)
        .iter()
        .map(|value| (value * 127.0) as i8 as u8)
        .collect();
    let scales = [
        ("w_scale", 0.01),
        ("x_scale", 2.0 / 255.0),
        ("h_scale", 0.05),
        ("p_scale", 1.0 / 255.0),
    ];
    let mut weights: Vec<TensorProto> = scales
        .iter()
        .map(|(name, value)| weights(name, &[], &[*value]))
        .collect();
    weights.extend([
        tensor("w", int8, &[8, 5], w),
        tensor("w_zero", int8, &[], vec![0]),
        tensor("x_zero", uint8, &[], vec![128]),
        tensor("p_zero", uint8, &[], vec![0]),
        integers("shape", &[-1, 5]),
    ]);
    graph(17, ("N,8", "N,5", F32), nodes, weights)
}
