//! The network and the picture that are measured.

use std::path::Path;

use bytes::Bytes;
use prost::Message;
use stillhouse::{
    image::{Color, Filter, Layout, Resize, Transform},
    store::{
        Labels, NewVersion, Repository,
        manifest::{Element, File, Input, Manifest, Output, OutputKind, SCHEMA},
    },
};
use stillhouse_engine::onnx::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, dimension::Value,
};

const FLOAT: i32 = 1;

/// An MLP with these widths and random weights, ReLU between, as an ONNX file of opset 17.
pub fn mlp(widths: &[usize]) -> Bytes {
    let mut nodes = vec![NodeProto {
        input: vec!["input".into()],
        output: vec!["x0".into()],
        op_type: "Flatten".into(),
        attribute: vec![AttributeProto {
            name: "axis".into(),
            i: 1,
            r#type: 2,
            ..Default::default()
        }],
        ..Default::default()
    }];
    let mut initializer = Vec::new();
    let mut random = Random(7);
    for (layer, pair) in widths.windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        let last = layer == widths.len() - 2;
        let scale = 2.0 / (from as f32).sqrt();
        let weights: Vec<f32> = (0..from * to).map(|_| random.next() * scale).collect();
        initializer.push(tensor(&format!("w{layer}"), &[from, to], &weights));
        initializer.push(tensor(&format!("b{layer}"), &[to], &vec![0.0; to]));
        let sum = if last {
            "logits".into()
        } else {
            format!("h{layer}")
        };
        nodes.push(NodeProto {
            input: vec![
                format!("x{layer}"),
                format!("w{layer}"),
                format!("b{layer}"),
            ],
            output: vec![sum.clone()],
            op_type: "Gemm".into(),
            ..Default::default()
        });
        if !last {
            nodes.push(NodeProto {
                input: vec![sum],
                output: vec![format!("x{}", layer + 1)],
                op_type: "Relu".into(),
                ..Default::default()
            });
        }
    }
    let classes = widths[widths.len() - 1] as i64;
    let model = ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto {
            version: 17,
            ..Default::default()
        }],
        graph: Some(GraphProto {
            name: "mlp".into(),
            node: nodes,
            initializer,
            input: vec![port("input", &[1, 28, 28])],
            output: vec![port("logits", &[classes])],
            ..Default::default()
        }),
        ..Default::default()
    };
    model.encode_to_vec().into()
}

/// 28 × 28 gray, bytes / 255.
pub fn transform() -> Transform {
    Transform {
        color: Color::Gray,
        width: 28,
        height: 28,
        layout: Layout::Nchw,
        resize: Resize::Stretch,
        resize_to: None,
        pad: 0,
        filter: Filter::Bilinear,
        scale: 1.0 / 255.0,
        mean: vec![0.0],
        std: vec![1.0],
    }
}

/// Writes the network as `mlp/v1` of a repository.
pub fn write(root: &Path, onnx: &Bytes) -> anyhow::Result<()> {
    let manifest = Manifest {
        schema: SCHEMA,
        description: String::new(),
        file: File {
            name: "model.onnx".into(),
            sha256: String::new(),
            size_bytes: 0,
        },
        input: Input {
            name: "input".into(),
            element: Element::F32,
        },
        transform: transform(),
        output: Output {
            name: "logits".into(),
            kind: OutputKind::Logits,
            classes: 10,
        },
        training: None,
        reference: None,
        golden: vec![],
    };
    let labels = (0..10).map(|class| format!("class {class}")).collect();
    let version = NewVersion {
        manifest,
        labels: Labels::new(labels).map_err(anyhow::Error::msg)?,
        model_bytes: onnx.clone(),
        golden: vec![],
    };
    Repository::create(root)?.write_version(&"mlp".parse()?, &"v1".parse()?, &version)?;
    Ok(())
}

/// A 28 × 28 PNG of about the size of a Fashion-MNIST picture: a textured blob on black.
pub fn picture() -> Vec<u8> {
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
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 28, 28);
    encoder.set_color(png::ColorType::Grayscale);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels))
        .expect("a picture in memory");
    png
}

fn tensor(name: &str, dims: &[usize], values: &[f32]) -> TensorProto {
    TensorProto {
        dims: dims.iter().map(|&size| size as i64).collect(),
        data_type: FLOAT,
        name: name.into(),
        raw_data: values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<u8>>()
            .into(),
        ..Default::default()
    }
}

/// `[N, dims...]`
fn port(name: &str, dims: &[i64]) -> ValueInfoProto {
    let batch = Value::DimParam("N".into());
    let dims = std::iter::once(batch).chain(dims.iter().map(|&size| Value::DimValue(size)));
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: FLOAT,
                shape: Some(TensorShapeProto {
                    dim: dims
                        .map(|value| DimensionProto { value: Some(value) })
                        .collect(),
                }),
            }),
        }),
    }
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
