//! The network and the picture of the figures.

use bytes::Bytes;
use stillhouse_engine::{
    ElementType,
    onnx::{
        GraphProto,
        build::{model, node, port, weights},
    },
};
use stillhouse_test_support::{ColorType, png};

/// An MLP with these widths and random weights, ReLU between, as an ONNX file of opset 17.
pub(crate) fn mlp(widths: &[usize]) -> Bytes {
    let mut nodes = vec![node("Flatten", &["input"], &["x0"])];
    let mut initializer = Vec::new();
    let mut random = Random(7);
    for (layer, pair) in widths.windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        let last = layer == widths.len() - 2;
        let name = |kind: &str| format!("{kind}{layer}");
        let scale = 2.0 / (from as f32).sqrt();
        let values: Vec<f32> = (0..from * to).map(|_| random.next() * scale).collect();
        initializer.push(weights(&name("w"), &[from, to], &values));
        initializer.push(weights(&name("b"), &[to], &vec![0.0; to]));
        let sum = if last { "logits".into() } else { name("h") };
        nodes.push(node("Gemm", &[&name("x"), &name("w"), &name("b")], &[&sum]));
        if !last {
            nodes.push(node("Relu", &[&sum], &[&format!("x{}", layer + 1)]));
        }
    }
    let classes = widths[widths.len() - 1];
    let graph = GraphProto {
        node: nodes,
        initializer,
        input: vec![port("input", ElementType::F32, "N,1,28,28")],
        output: vec![port("logits", ElementType::F32, &format!("N,{classes}"))],
        ..Default::default()
    };
    model(17, graph).to_bytes()
}

/// A 28 × 28 PNG of about the size of a Fashion-MNIST picture: a textured blob on black.
pub(crate) fn picture() -> Vec<u8> {
    let mut random = Random(11);
    let pixels: Vec<u8> = (0..28 * 28)
        .map(|at| {
            let (x, y) = ((at % 28) as f32 - 13.5, (at / 28) as f32 - 13.5);
            let inside = (x / 12.0).powi(2) + (y / 7.0).powi(2) < 1.0;
            let texture = 150.0 + 4.0 * x + 90.0 * random.next();
            if inside {
                texture.clamp(0.0, 255.0) as u8
            } else {
                0
            }
        })
        .collect();
    png(28, 28, ColorType::Grayscale, &pixels)
}

/// Numbers in -0.5..0.5, the same on every machine (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}
